/*-------------------------------------------------------------------------
 *
 * compile.c
 *	  From a schema's jsonb to nodes.
 *
 * Every subschema that a known keyword leads to becomes a node at once, so
 * that what is broken is found whether or not it would ever be looked at.
 * References are collected meanwhile and resolved afterwards, which may bring
 * further documents in.
 *
 * Memory: all is built in a context below the caller's current one and given
 * to the lasting one in the end; an ERROR leaves nothing behind.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "schema/compile.h"
#include "schema/limits.h"
#include "schema/uri.h"
#include "server/compat.h"
#include "text/jsonb_limits.h"
#include "text/vformat.h"

/* Write where a node is, as a URI reference with a JSON Pointer. */
static void
append_place(StringInfo out, const SchemaNode *node)
{
	if (node->parent == NULL)
	{
		if (node->resource->uri[0] != '\0')
			appendStringInfo(out, "%s#", node->resource->uri);
		return;
	}
	append_place(out, node->parent);
	appendStringInfo(out, "/%s", node->step);
}

/* Refuse the schema for a keyword of a node; NULL: for the node itself. */
void
evaudit_schema_broken(const SchemaNode *node, const char *keyword,
					  const char *fmt,...)
{
	StringInfoData place;
	va_list		args;
	char	   *str;

	initStringInfo(&place);
	append_place(&place, node);
	if (keyword != NULL)
		appendStringInfo(&place, "/%s", keyword);
	va_start(args, fmt);
	str = evaudit_vformat(fmt, args);
	va_end(args);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid JSON Schema at \"%s\": %s", place.data,
					str)));
}

/* A string of the schema; zero bytes cannot be in it. */
static char *
string_of(const SchemaNode *node, const char *keyword,
		  const SchemaValue *value)
{
	if (value->type != SCHEMA_VALUE_STRING)
		evaudit_schema_broken(node, keyword, "must be a string");
	return pnstrdup(value->as.string, value->len);
}

/* Look up a keyword that names something. */
static char *
find_string(const SchemaNode *node, const SchemaValue *object,
			const char *keyword)
{
	SchemaValue value;

	if (!evaudit_schema_value_find(object, keyword, strlen(keyword), &value))
		return NULL;
	return string_of(node, keyword, &value);
}

/* Begin a resource with the node as its root. */
static void
begin_resource(SchemaCompile *compile, SchemaNode *node, const char *uri,
			   const SchemaDialect *dialect)
{
	SchemaResource *resource = palloc0(sizeof(SchemaResource));

	resource->uri = uri;
	resource->dialect = *dialect;
	resource->root = node;
	node->resource = resource;
	evaudit_schema_add_name(compile, uri, NULL, node, false);
}

/* Take note of the names that a schema gives itself. */
static void
read_anchors(SchemaCompile *compile, SchemaNode *node,
			 const SchemaValue *object)
{
	SchemaResource *resource = node->resource;
	SchemaDraft draft = resource->dialect.draft;
	SchemaValue value;
	char	   *name;

	if (draft < DRAFT_2019_09)
		return;
	if ((name = find_string(node, object, "$anchor")) != NULL)
		evaudit_schema_add_name(compile, resource->uri, name, node, false);
	if (draft == DRAFT_2019_09)
	{
		if (evaudit_schema_value_find(object, "$recursiveAnchor", 16, &value))
		{
			if (value.type != SCHEMA_VALUE_BOOLEAN)
				evaudit_schema_broken(node, "$recursiveAnchor",
									  "must be a boolean");
			if (resource->root == node)
				resource->recursive_anchor = value.boolean;
		}
	}
	else if ((name = find_string(node, object, "$dynamicAnchor")) != NULL)
	{
		SchemaAnchor *anchor = palloc(sizeof(SchemaAnchor));

		anchor->name = name;
		anchor->node = node;
		anchor->next = resource->dynamic_anchors;
		resource->dynamic_anchors = anchor;
		evaudit_schema_add_name(compile, resource->uri, name, node, true);
	}
}

/*
 * Read the id of a schema: it begins a resource, or in earlier drafts, with
 * a fragment alone, it names a place.
 */
static void
read_id(SchemaCompile *compile, SchemaNode *node, const SchemaValue *object)
{
	SchemaDraft draft = node->resource->dialect.draft;
	const char *keyword = draft == DRAFT_4 ? "id" : "$id";
	SchemaDialect dialect = node->resource->dialect;
	SchemaValue value;
	char	   *uri;
	char	   *fragment;

	if (draft <= DRAFT_7 && evaudit_schema_value_find(object, "$ref", 4, &value) &&
		value.type == SCHEMA_VALUE_STRING)
		return;
	uri = find_string(node, object, keyword);
	if (uri == NULL)
		return;
	uri = evaudit_uri_resolve(node->resource->uri, uri);
	fragment = evaudit_uri_split(uri);
	if (*fragment != '\0' && draft >= DRAFT_2019_09)
		evaudit_schema_broken(node, keyword, "must not have a fragment");

	if (strcmp(uri, node->resource->uri) != 0)
	{
		if (node->parent != NULL &&
			evaudit_schema_value_find(object, "$schema", 7, &value))
			dialect = evaudit_schema_dialect(compile, node, &value);
		begin_resource(compile, node, uri, &dialect);
	}
	if (*fragment != '\0')
		evaudit_schema_add_name(compile, uri, fragment, node, false);
}

/* Put rules that depend on each other in order, once all are read. */
static void
finish_node(SchemaNode *node)
{
	NumberRules *number = node->number;
	ArrayRules *array = node->array;

	if (number != NULL && number->minimum_excluded)
	{
		number->exclusive_minimum = number->minimum;
		number->minimum = NULL;
	}
	if (number != NULL && number->maximum_excluded)
	{
		number->exclusive_maximum = number->maximum;
		number->maximum = NULL;
	}
	if (array != NULL && array->tuple)
		array->items = array->additional;
	if (array != NULL && array->contains != NULL && array->min_contains < 0)
		array->min_contains = 1;
}

/* Compile what is in a schema that is an object. */
static void
compile_object(SchemaCompile *compile, SchemaNode *node,
			   const SchemaValue *object)
{
	SchemaMember *members;
	SchemaValue ref;

	node->source = object->as.container;
	evaudit_schema_add_source(compile, node);
	read_id(compile, node, object);
	read_anchors(compile, node, object);
	node->strict_integer = node->resource->dialect.draft == DRAFT_4;

	members = palloc(sizeof(SchemaMember) * (object->len + 1));
	evaudit_schema_value_members(object, members);
	if (node->resource->dialect.draft <= DRAFT_7 &&
		evaudit_schema_value_find(object, "$ref", 4, &ref))
	{
		/* all else is ignored, but others may refer to it */
		for (uint32 i = 0; i < object->len; i++)
		{
			if (members[i].key_len == 4 ?
				memcmp(members[i].key, "$ref", 4) == 0 :
				members[i].key_len == 11 &&
				memcmp(members[i].key, "definitions", 11) == 0)
				evaudit_schema_keyword(compile, node, &members[i]);
		}
	}
	else
	{
		for (uint32 i = 0; i < object->len; i++)
			evaudit_schema_keyword(compile, node, &members[i]);
	}
	pfree(members);
	finish_node(node);
}

/* Count a node, and refuse a schema that has too many. */
static void
charge_node(SchemaCompile *compile, const SchemaNode *node)
{
	if (++compile->nodes > EVAUDIT_SCHEMA_MAX_NODES)
		evaudit_schema_broken(node, NULL, "more than %d subschemas",
							  EVAUDIT_SCHEMA_MAX_NODES);
	if (compile->nodes % 64 == 0)
	{
		CHECK_FOR_INTERRUPTS();
		if (MemoryContextMemAllocated(CurrentMemoryContext, true) >
			EVAUDIT_SCHEMA_MAX_MEMORY)
			evaudit_schema_broken(node, NULL, "takes too much memory");
	}
	if (compile->depth > EVAUDIT_SCHEMA_MAX_DEPTH)
		evaudit_schema_broken(node, NULL, "nested deeper than %d subschemas",
							  EVAUDIT_SCHEMA_MAX_DEPTH);
	check_stack_depth();
}

/*
 * Compile a subschema that stands in "parent", "step" from it.  A document
 * has neither, and its resource was begun by the caller.
 */
SchemaNode *
evaudit_schema_node(SchemaCompile *compile, const SchemaValue *value,
					SchemaNode *parent, SchemaResource *resource,
					const char *step)
{
	SchemaNode *node = palloc0(sizeof(SchemaNode));

	node->parent = parent;
	node->resource = resource;
	node->step = step;
	node->types = TYPE_ANY;
	if (resource->root == NULL)
		resource->root = node;
	compile->depth++;
	charge_node(compile, node);
	if (value->type == SCHEMA_VALUE_BOOLEAN &&
		(resource->dialect.draft > DRAFT_4 ||
		 strncmp(step, "additional", 10) == 0))
		node->verdict = value->boolean ? ACCEPTS_ALL : ACCEPTS_NONE;
	else if (value->type != SCHEMA_VALUE_OBJECT)
		evaudit_schema_broken(node, NULL, "a schema must be %s",
							  resource->dialect.draft == DRAFT_4 ?
							  "an object" : "an object or a boolean");
	else
		compile_object(compile, node, value);
	compile->depth--;
	return node;
}

/*
 * Compile a document, found under a URI; the dialect is that of who refers
 * to it, unless it names its own.
 */
SchemaNode *
evaudit_schema_document(SchemaCompile *compile, Jsonb *document,
						const char *uri, const SchemaDialect *dialect)
{
	SchemaResource *resource = palloc0(sizeof(SchemaResource));
	SchemaNode	place = {.resource = resource};
	SchemaNode *node;
	Jsonb	   *copy;
	SchemaValue root;
	SchemaValue value;

	resource->uri = uri;
	resource->dialect = *dialect;
	compile->bytes += VARSIZE(document);
	if (compile->bytes > EVAUDIT_SCHEMA_MAX_BYTES)
		evaudit_schema_broken(&place, NULL, "more than %d bytes",
							  EVAUDIT_SCHEMA_MAX_BYTES);
	copy = palloc(VARSIZE(document));
	memcpy(copy, document, VARSIZE(document));
	evaudit_schema_value_from_jsonb(copy, &root);
	if (root.type == SCHEMA_VALUE_OBJECT &&
		evaudit_schema_value_find(&root, "$schema", 7, &value))
		resource->dialect = evaudit_schema_dialect(compile, &place, &value);

	node = evaudit_schema_node(compile, &root, NULL, resource, "");
	evaudit_schema_add_name(compile, uri, NULL, node, false);
	return node;
}

/* Compile a schema, with all that it refers to, in the current context. */
static SchemaNode *
compile_all(SchemaCompile *compile, Jsonb *schema, const char *uri)
{
	SchemaNode *root;

	compile->scratch = AllocSetContextCreate(CurrentMemoryContext,
											 "evaudit schema compilation",
											 ALLOCSET_DEFAULT_SIZES);
	evaudit_schema_references_init(compile);
	root = evaudit_schema_document(compile, schema, uri,
								   &evaudit_schema_default_dialect);
	evaudit_schema_resolve_all(compile);
	MemoryContextDelete(compile->scratch);
	return root;
}

/* See schema.h. */
EvauditSchema *
evaudit_schema_compile(Jsonb *schema, MemoryContext context)
{
	SchemaCompile compile = {0};
	MemoryContext own = AllocSetContextCreate(CurrentMemoryContext,
											  "evaudit schema",
											  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(own);
	uint64		generation = evaudit_schema_generation();
	EvauditSchema *result = palloc0(sizeof(EvauditSchema));

	result->context = own;
	result->root = compile_all(&compile, schema, "");
	result->generation = compile.registered ? generation : 0;
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(own, context);
	return result;
}

/* See schema.h. */
void
evaudit_schema_free(EvauditSchema *schema)
{
	MemoryContextDelete(schema->context);
}

/* See schema.h. */
bool
evaudit_schema_is_current(const EvauditSchema *schema)
{
	return schema->generation == 0 ||
		schema->generation == evaudit_schema_generation();
}

/* See schema.h. */
void
evaudit_schema_check_size(Jsonb *schema)
{
	EvauditJsonbSize size;

	/* compiling bounds the depth */
	EvauditJsonStatus status = evaudit_jsonb_measure(schema, INT_MAX, &size);

	if (status == EVAUDIT_JSON_NUMBER_TOO_LARGE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid JSON Schema: it has a number of more than %d digits",
						EVAUDIT_JSON_MAX_DIGITS)));
	if (status != EVAUDIT_JSON_OK ||
		size.rendered > EVAUDIT_SCHEMA_MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid JSON Schema: it has more than %d bytes",
						EVAUDIT_SCHEMA_MAX_BYTES)));
}

/*
 * Raise an ERROR if a schema is broken, whatever it refers to.  One that names
 * no draft takes that of each schema that refers to it, so that there is
 * little to be said of it by itself.
 */
void
evaudit_schema_check(Jsonb *schema, const char *uri)
{
	SchemaCompile compile = {.lenient = true};
	MemoryContext own = AllocSetContextCreate(CurrentMemoryContext,
											  "evaudit schema check",
											  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(own);
	SchemaValue root;
	SchemaValue draft;

	evaudit_schema_value_from_jsonb(schema, &root);
	if (root.type != SCHEMA_VALUE_OBJECT ||
		evaudit_schema_value_find(&root, "$schema", 7, &draft))
		compile_all(&compile, schema, uri);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(own);
}
