/*-------------------------------------------------------------------------
 *
 * json_value.h
 *	  Values of a jsonb, read where they stand.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SCHEMA_JSON_VALUE_H
#define EVAUDIT_SCHEMA_JSON_VALUE_H

#include "utils/jsonb.h"
#include "utils/numeric.h"

typedef enum SchemaValueType
{
	SCHEMA_VALUE_NULL,
	SCHEMA_VALUE_BOOLEAN,
	SCHEMA_VALUE_NUMBER,
	SCHEMA_VALUE_STRING,
	SCHEMA_VALUE_ARRAY,
	SCHEMA_VALUE_OBJECT
} SchemaValueType;

/* A value; what it points to belongs to the jsonb. */
typedef struct SchemaValue
{
	uint8		type;			/* SchemaValueType */
	bool		boolean;
	uint32		len;			/* bytes of a string, elements, members */
	union
	{
		const char *string;
		Numeric		number;
		JsonbContainer *container;
	}			as;
} SchemaValue;

/* A member of an object. */
typedef struct SchemaMember
{
	const char *key;
	uint32		key_len;
	SchemaValue value;
} SchemaMember;

/* jsonb's order of keys: the shorter first, then by bytes. */
static inline int
evaudit_schema_key_compare(const char *a, uint32 a_len, const char *b, uint32 b_len)
{
	if (a_len != b_len)
		return a_len < b_len ? -1 : 1;
	return memcmp(a, b, a_len);
}

extern void evaudit_schema_value_from_jsonb(Jsonb *jsonb, SchemaValue *value);
extern void evaudit_schema_value_members(const SchemaValue *object,
										 SchemaMember *members);
extern void evaudit_schema_value_elements(const SchemaValue *array,
										  SchemaValue *elements);
extern bool evaudit_schema_value_find(const SchemaValue *object, const char *key,
									  uint32 key_len, SchemaValue *value);
extern Numeric evaudit_schema_value_numeric(const char *str);
extern bool evaudit_schema_value_is_integer(const SchemaValue *number);
extern bool evaudit_schema_value_has_no_point(const SchemaValue *number);
extern int	evaudit_schema_value_compare(const SchemaValue *a,
										 const SchemaValue *b, int64 *steps);
extern const char *evaudit_schema_value_type_name(const SchemaValue *value);

#endif							/* EVAUDIT_SCHEMA_JSON_VALUE_H */
