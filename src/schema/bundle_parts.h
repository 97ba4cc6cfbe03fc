/*-------------------------------------------------------------------------
 *
 * bundle_parts.h
 *	  A bundle of schemas: for the files bundle*.c alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SCHEMA_BUNDLE_PARTS_H
#define EVAUDIT_SCHEMA_BUNDLE_PARTS_H

#include "nodes/pg_list.h"
#include "schema/bundle.h"

/* How a schema is written. */
typedef struct Dialect
{
	bool		draft_4;
	bool		ref_alone;		/* what is beside "$ref" counts for nothing */
} Dialect;

/* One schema of the document: a whole one, or what a reference leads to. */
typedef struct Part
{
	char	   *name;
	JsonbValue	schema;
	const char *base;			/* of its references: an absolute URI */
	Dialect		dialect;
} Part;

/* A URI, perhaps with an anchor, and the schema that it is of. */
typedef struct Target
{
	char	   *uri;
	JsonbValue	schema;
	const char *base;
	Dialect		dialect;
	const char *name;			/* for its part */
} Target;

struct EvauditBundle
{
	const char *place;
	List	   *parts;
	List	   *targets;
	int			next;			/* part to be rewritten */
};

/* How a keyword holds subschemas. */
typedef enum Holds
{
	HOLDS_NONE,
	HOLDS_SCHEMA,				/* one, or an array of them */
	HOLDS_MAP
} Holds;

/* A visit of the subschemas of a schema. */
typedef struct Visit
{
	EvauditBundle *bundle;
	Dialect		dialect;
	const char *name;			/* of the schema */
} Visit;

/* Whether a value is an object, or an array. */
static inline bool
is_object(const JsonbValue *value)
{
	return value->type == jbvBinary &&
		JsonContainerIsObject(value->val.binary.data);
}

static inline bool
is_array(const JsonbValue *value)
{
	return value->type == jbvBinary &&
		JsonContainerIsArray(value->val.binary.data);
}

extern Holds evaudit_bundle_holds(const char *keyword);
extern const char *evaudit_bundle_base(JsonbContainer *object,
									   Dialect dialect, const char *base);
extern const char *evaudit_bundle_resolve(EvauditBundle *bundle,
										  const char *base,
										  const char *reference);

#endif							/* EVAUDIT_SCHEMA_BUNDLE_PARTS_H */
