/*-------------------------------------------------------------------------
 *
 * compiled.h
 *	  What a schema is compiled to.
 *
 * A node stands for one subschema.  The keywords for each type of instance
 * are in a structure of their own, which only nodes with such keywords have.
 * Nodes, and the documents that their constants point into, live in the
 * memory context of the schema and never change after compilation.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SCHEMA_COMPILED_H
#define EVAUDIT_SCHEMA_COMPILED_H

#include "schema/format.h"
#include "schema/schema.h"
#include "schema/json_value.h"
#include "text/pattern.h"

typedef enum SchemaDraft
{
	DRAFT_4,
	DRAFT_6,
	DRAFT_7,
	DRAFT_2019_09,
	DRAFT_2020_12
} SchemaDraft;

/* Vocabularies, as bits; the earlier drafts have them all. */
#define VOCABULARY_CORE				0x01
#define VOCABULARY_APPLICATOR		0x02
#define VOCABULARY_UNEVALUATED		0x04
#define VOCABULARY_VALIDATION		0x08
#define VOCABULARY_FORMAT			0x10
#define VOCABULARY_FORMAT_ASSERTION	0x20

typedef struct SchemaDialect
{
	SchemaDraft draft;
	uint32		vocabularies;
} SchemaDialect;

typedef struct SchemaNode SchemaNode;

/* A place that a $dynamicRef may lead to. */
typedef struct SchemaAnchor
{
	struct SchemaAnchor *next;
	const char *name;
	SchemaNode *node;
} SchemaAnchor;

/* A schema with a URI of its own: a document, or what has an id in it. */
typedef struct SchemaResource
{
	const char *uri;			/* absolute, or empty; no fragment */
	SchemaDialect dialect;
	SchemaNode *root;
	SchemaAnchor *dynamic_anchors;
	bool		recursive_anchor;
} SchemaResource;

/* The types that a node allows, as bits; a number may be an integer. */
#define TYPE_BIT(type)		(1 << (type))
#define TYPE_INTEGER		(1 << (SCHEMA_VALUE_OBJECT + 1))
#define TYPE_ANY			0xFF

typedef struct SchemaRef
{
	SchemaNode *target;
	const char *anchor;			/* a dynamic reference looks for this one */
	bool		recursive;		/* $recursiveRef to what may be extended */
} SchemaRef;

typedef struct SchemaList
{
	int			n;
	SchemaNode **nodes;
} SchemaList;

typedef struct SchemaName
{
	const char *name;
	uint32		len;
} SchemaName;

/* A property with a subschema, or with names that it requires. */
typedef struct SchemaProperty
{
	SchemaName	name;
	SchemaNode *node;
	const char *step;			/* of a dependency, as a node's */
	int			nrequired;
	SchemaName *required;
} SchemaProperty;

typedef struct SchemaPattern
{
	EvauditRegex *regex;
	SchemaNode *node;
} SchemaPattern;

typedef struct NumberRules
{
	Numeric		minimum;		/* NULL: none, as for all of these */
	Numeric		maximum;
	Numeric		exclusive_minimum;
	Numeric		exclusive_maximum;
	Numeric		multiple_of;
	bool		long_division;	/* multiple_of is of unusual size */
	bool		minimum_excluded;	/* draft 4 */
	bool		maximum_excluded;
} NumberRules;

/* Counts are -1 where there is no such keyword. */
typedef struct StringRules
{
	int64		min_length;
	int64		max_length;
	EvauditRegex *pattern;
	const EvauditFormat *format;
	bool		assert_format;	/* whether or not it is asked for */
} StringRules;

typedef struct ArrayRules
{
	int64		min_items;
	int64		max_items;
	int64		min_contains;
	int64		max_contains;
	SchemaList	prefix;
	SchemaNode *items;			/* of all elements, or those behind prefix */
	SchemaNode *additional;		/* additionalItems; moved to items */
	SchemaNode *contains;
	bool		contains_evaluates; /* what contains matches is evaluated */
	bool		tuple;			/* prefix came from "items" */
	bool		unique;
} ArrayRules;

typedef struct ObjectRules
{
	int64		min_properties;
	int64		max_properties;
	int			nproperties;
	int			npatterns;
	int			nrequired;
	int			ndependent;
	SchemaProperty *properties; /* by jsonb's order of keys */
	SchemaPattern *patterns;
	SchemaName *required;		/* by jsonb's order of keys */
	SchemaProperty *dependent;	/* requires names, a subschema, or both */
	SchemaNode *additional;
	SchemaNode *names;
} ObjectRules;

/* enum and const. */
typedef struct ValueRules
{
	bool		has_const;
	SchemaValue constant;
	int			nvalues;		/* -1: no enum */
	SchemaValue *values;		/* by evaudit_schema_value_compare() */
} ValueRules;

/* Subschemas for the same instance. */
typedef struct InPlaceRules
{
	SchemaRef  *ref;
	SchemaRef  *dynamic_ref;
	SchemaList	all_of;
	SchemaList	any_of;
	SchemaList	one_of;
	SchemaNode *not_node;
	SchemaNode *if_node;
	SchemaNode *then_node;
	SchemaNode *else_node;
} InPlaceRules;

typedef enum SchemaVerdict
{
	BY_KEYWORDS,
	ACCEPTS_ALL,
	ACCEPTS_NONE
} SchemaVerdict;

struct SchemaNode
{
	SchemaVerdict verdict;
	uint8		types;			/* TYPE_ANY without the keyword */
	bool		strict_integer; /* draft 4: 1.0 is no integer */
	NumberRules *number;
	StringRules *string;
	ArrayRules *array;
	ObjectRules *object;
	ValueRules *value;
	InPlaceRules *in_place;
	SchemaNode *unevaluated_items;
	SchemaNode *unevaluated_properties;

	SchemaResource *resource;
	SchemaNode *parent;			/* the node it stands in; NULL: a document */
	const char *step;			/* from there, such as "properties/id" */
	JsonbContainer *source;		/* NULL: a boolean */
};

struct EvauditSchema
{
	MemoryContext context;
	SchemaNode *root;
	uint64		generation;		/* of registered schemas; 0: needs none */
};

extern bool evaudit_schema_try(const EvauditSchema *schema, Jsonb *instance,
							   bool assert_format,
							   EvauditSchemaError **gave_up);

#endif							/* EVAUDIT_SCHEMA_COMPILED_H */
