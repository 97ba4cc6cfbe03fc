/*-------------------------------------------------------------------------
 *
 * jsonb_write.h
 *	  Writing jsonb straight into its stored form.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_JSONB_WRITE_H
#define EVAUDIT_JSONB_WRITE_H

#include "utils/jsonb.h"

/* Most bytes of the data of an object, and so of a value in one. */
#define EVAUDIT_JSONB_MAX	JENTRY_OFFLENMASK

/* The keys of objects that all have the same keys, laid out once. */
typedef struct EvauditObjectKeys
{
	int			nkeys;
	int		   *order;			/* of the values: sorted place -> caller's */
	JEntry	   *entries;		/* one for each key, in sorted order */
	char	   *bytes;			/* the keys, in sorted order */
	Size		len;			/* of bytes */
} EvauditObjectKeys;

extern EvauditObjectKeys *evaudit_jsonb_keys(const char *const *names,
											 int nkeys);
extern Jsonb *evaudit_jsonb_object(const EvauditObjectKeys *keys,
								   const JsonbValue *values);
extern Size evaudit_jsonb_room(const JsonbValue *value);
extern Jsonb *evaudit_jsonb_value(const JsonbValue *value);
extern void evaudit_jsonb_read(Jsonb *jsonb, JsonbValue *value);

#endif							/* EVAUDIT_JSONB_WRITE_H */
