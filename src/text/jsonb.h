/*-------------------------------------------------------------------------
 *
 * jsonb.h
 *	  Members of jsonb objects, by C strings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_JSONB_H
#define EVAUDIT_JSONB_H

#include "server/compat.h"

extern JsonbValue *evaudit_jsonb_member(JsonbContainer *object,
										const char *name);
extern char *evaudit_jsonb_text(JsonbContainer *object, const char *name);
extern void evaudit_jsonb_push(EvauditJsonbState *state, const char *name,
							   JsonbValue *value);
extern void evaudit_jsonb_push_text(EvauditJsonbState *state, const char *name,
									const char *str);

#endif							/* EVAUDIT_JSONB_H */
