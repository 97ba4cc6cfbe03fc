/*-------------------------------------------------------------------------
 *
 * value.h
 *	  Values of a jsonb, read where they stand.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_VALUE_OF_JSONB_H
#define EVAUDIT_VALUE_OF_JSONB_H

#include "utils/jsonb.h"
#include "utils/numeric.h"

typedef enum EvauditValueType
{
	EVAUDIT_VALUE_NULL,
	EVAUDIT_VALUE_BOOLEAN,
	EVAUDIT_VALUE_NUMBER,
	EVAUDIT_VALUE_STRING,
	EVAUDIT_VALUE_ARRAY,
	EVAUDIT_VALUE_OBJECT
} EvauditValueType;

/* A value; what it points to belongs to the jsonb. */
typedef struct EvauditValue
{
	uint8		type;			/* EvauditValueType */
	bool		boolean;
	uint32		len;			/* bytes of a string, elements, members */
	union
	{
		const char *string;
		Numeric		number;
		JsonbContainer *container;
	}			as;
} EvauditValue;

/* A member of an object. */
typedef struct EvauditMember
{
	const char *key;
	uint32		key_len;
	EvauditValue value;
} EvauditMember;

/* jsonb's order of keys: the shorter first, then by bytes. */
static inline int
evaudit_key_compare(const char *a, uint32 a_len, const char *b, uint32 b_len)
{
	if (a_len != b_len)
		return a_len < b_len ? -1 : 1;
	return memcmp(a, b, a_len);
}

extern void evaudit_value_from_jsonb(Jsonb *jsonb, EvauditValue *value);
extern void evaudit_value_members(const EvauditValue *object,
								  EvauditMember *members);
extern void evaudit_value_elements(const EvauditValue *array,
								   EvauditValue *elements);
extern bool evaudit_value_find(const EvauditValue *object, const char *key,
							   uint32 key_len, EvauditValue *value);
extern Numeric evaudit_value_numeric(const char *str);
extern bool evaudit_value_is_integer(const EvauditValue *number);
extern bool evaudit_value_has_no_point(const EvauditValue *number);
extern int	evaudit_value_compare(const EvauditValue *a,
								  const EvauditValue *b, int64 *steps);
extern const char *evaudit_value_type_name(const EvauditValue *value);

#endif							/* EVAUDIT_VALUE_OF_JSONB_H */
