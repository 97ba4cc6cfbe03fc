/*-------------------------------------------------------------------------
 *
 * json_diff.h
 *	  Changed paths of a jsonb.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_JSON_DIFF_H
#define EVAUDIT_JSON_DIFF_H

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

extern Jsonb *evaudit_json_diff(Jsonb *old, Jsonb *new);

/* For json_patch.c */
extern bool evaudit_json_diff_same(const JsonbValue *a, const JsonbValue *b);
extern bool evaudit_json_diff_next(JsonbIterator **it, JsonbValue *key,
								   JsonbValue *value);
extern void evaudit_json_diff_descend(StringInfo pointer, const JsonbValue *key,
									  int index);

#endif							/* EVAUDIT_JSON_DIFF_H */
