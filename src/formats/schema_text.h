/*-------------------------------------------------------------------------
 *
 * schema_text.h
 *	  The text of a schema, with those that it refers to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SCHEMA_TEXT_H
#define EVAUDIT_SCHEMA_TEXT_H

#include "utils/jsonb.h"

/* Most bytes of a schema with all that it refers to. */
#define EVAUDIT_MAX_SCHEMA_BYTES	(1024 * 1024)

/* Most schemas that one refers to, itself or through others. */
#define EVAUDIT_MAX_SCHEMA_REFERENCES	64

/* A schema that another refers to. */
typedef struct EvauditSchemaReference
{
	const char *name;			/* by which it is referred to */
	const char *text;
} EvauditSchemaReference;

/* All in the server's encoding. */
typedef struct EvauditSchemaText
{
	const char *text;
	int			nreferences;	/* each after those that it refers to */
	const EvauditSchemaReference *references;
} EvauditSchemaText;

extern Jsonb *evaudit_schema_json(const char *source, const char **error);

#endif							/* EVAUDIT_SCHEMA_TEXT_H */
