/*-------------------------------------------------------------------------
 *
 * schema.h
 *	  JSON Schema over jsonb: compile once, validate often.
 *
 * Drafts 4, 6, 7, 2019-09 and 2020-12, as the schema's "$schema" says, the
 * last one by default.  References reach what is in the schema itself, the
 * meta-schemas of the drafts and what evaudit.register_schema() has taken;
 * nothing is ever fetched.
 *
 * A validation never costs more than a bound (limits.h).  An instance
 * whose validation would is not accepted; the list of its errors says why.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SCHEMA_H
#define EVAUDIT_SCHEMA_H

#include "nodes/pg_list.h"
#include "utils/jsonb.h"

/* A compiled schema; never changes, lives in a memory context of its own. */
typedef struct EvauditSchema EvauditSchema;

/* One violation, allocated where evaudit_schema_errors() was called. */
typedef struct EvauditSchemaError
{
	char	   *instance_location;	/* JSON Pointer into the instance */
	char	   *keyword_location;	/* JSON Pointer, through references */
	char	   *message;
} EvauditSchemaError;

/*
 * Compile a schema, to live until "context" goes away or evaudit_schema_free().
 * A broken schema is an ERROR 22023 that names the place.  Needs a
 * transaction.
 */
extern EvauditSchema *evaudit_schema_compile(Jsonb *schema,
											 MemoryContext context);
extern void evaudit_schema_free(EvauditSchema *schema);

/*
 * Refuse, with an ERROR 22023, a schema that is too large to be kept: its text
 * is shown, so that what counts is how it is rendered.
 */
extern void evaudit_schema_check_size(Jsonb *schema);

/*
 * Is the schema still what a compilation now would give?  Not when registered
 * schemas have changed that it refers to: whoever keeps one asks before use.
 */
extern bool evaudit_schema_is_current(const EvauditSchema *schema);

/* Does the schema accept the instance? */
extern bool evaudit_schema_accepts(const EvauditSchema *schema,
								   Jsonb *instance, bool assert_format);

/* At most "max" violations (EvauditSchemaError *); NIL: accepted. */
extern List *evaudit_schema_errors(const EvauditSchema *schema,
								   Jsonb *instance, bool assert_format,
								   int max);

#endif							/* EVAUDIT_SCHEMA_H */
