/*-------------------------------------------------------------------------
 *
 * bundle.h
 *	  Schemas as parts of one document, whose references stay in it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SCHEMA_BUNDLE_H
#define EVAUDIT_SCHEMA_BUNDLE_H

#include "utils/jsonb.h"

typedef struct EvauditBundle EvauditBundle;

/*
 * A bundle in the current memory context; "place" is what references to its
 * parts begin with, such as "#/components/schemas/".
 */
extern EvauditBundle *evaudit_bundle_create(const char *place);

/*
 * Add a schema; returns the name of its part, which is made of letters,
 * digits, ".", "_" and "-".
 */
extern const char *evaudit_bundle_add(EvauditBundle *bundle, const char *name,
									  Jsonb *schema);

/*
 * The next part, rewritten; false after the last.  What is referred to and
 * registered becomes a part, too.
 */
extern bool evaudit_bundle_next(EvauditBundle *bundle, const char **name,
								Jsonb **schema);

#endif							/* EVAUDIT_SCHEMA_BUNDLE_H */
