/*-------------------------------------------------------------------------
 *
 * bundle_rewrite.c
 *	  A schema as draft 2020-12 has it, with its references replaced.
 *
 * What schemas of other drafts write otherwise is written as 2020-12 does:
 * arrays of "items", exclusive bounds of draft 4, what stands beside "$ref"
 * until draft 7.  Definitions are parts of their own where something refers
 * to them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "schema/bundle_parts.h"
#include "text/jsonb.h"

static void rewrite(const Visit *visit, const JsonbValue *value,
					const char *base, EvauditJsonbState *state,
					JsonbIteratorToken token);

/* Copy a value as it is. */
static void
copy(const JsonbValue *value, EvauditJsonbState *state,
	 JsonbIteratorToken token)
{
	JsonbValue	v = *value;

	evaudit_compat_jsonb_push(state, token, &v);
}

/* Whether a member of a schema is not taken along. */
static bool
is_dropped(const Visit *visit, JsonbContainer *object, const char *name)
{
	static const char *const dropped[] = {"$schema", "$id", "$anchor",
		"$dynamicAnchor", "$recursiveAnchor", "$vocabulary", "$comment",
	"$recursiveRef", "$dynamicRef", "$ref", "$defs", "definitions"};

	for (int i = 0; i < lengthof(dropped); i++)
	{
		if (strcmp(name, dropped[i]) == 0)
			return true;
	}
	if (visit->dialect.draft_4 &&
		(strcmp(name, "id") == 0 || strncmp(name, "exclusive", 9) == 0))
		return true;
	return visit->dialect.ref_alone &&
		evaudit_jsonb_member(object, "$ref") != NULL;
}

/* Write the reference of a schema, if it has one. */
static void
write_reference(const Visit *visit, JsonbContainer *object, const char *base,
				EvauditJsonbState *state)
{
	static const char *const keywords[] = {"$ref", "$dynamicRef",
	"$recursiveRef"};

	for (int i = 0; i < lengthof(keywords); i++)
	{
		char	   *reference = evaudit_jsonb_text(object, keywords[i]);
		const char *pointer = NULL;

		if (reference == NULL)
			continue;
		pointer = evaudit_bundle_resolve(visit->bundle, base, reference);
		if (pointer != NULL)
			evaudit_jsonb_push_text(state, "$ref", pointer);
		return;
	}
}

/* Write a bound of draft 4, which is exclusive if another member says so. */
static void
write_bound(JsonbContainer *object, const char *name, const JsonbValue *value,
			EvauditJsonbState *state)
{
	bool		minimum = strcmp(name, "minimum") == 0;
	JsonbValue *exclusive = evaudit_jsonb_member(object, minimum ?
												 "exclusiveMinimum" :
												 "exclusiveMaximum");
	JsonbValue	v = *value;

	if (exclusive != NULL && exclusive->type == jbvBool &&
		exclusive->val.boolean)
		name = minimum ? "exclusiveMinimum" : "exclusiveMaximum";
	evaudit_jsonb_push(state, name, &v);
}

/* The name of a keyword as 2020-12 has it. */
static const char *
new_name(JsonbContainer *object, const char *name, const JsonbValue *value)
{
	JsonbValue *items;

	if (strcmp(name, "items") == 0 && is_array(value))
		return "prefixItems";
	items = strcmp(name, "additionalItems") == 0 ?
		evaudit_jsonb_member(object, "items") : NULL;
	return items != NULL && is_array(items) ? "items" : name;
}

/* Write the subschemas of a map. */
static void
rewrite_map(const Visit *visit, const JsonbValue *map, const char *base,
			EvauditJsonbState *state)
{
	JsonbIterator *it = JsonbIteratorInit(map->val.binary.data);
	JsonbIteratorToken token;
	JsonbValue	v;

	evaudit_compat_jsonb_push(state, WJB_BEGIN_OBJECT, NULL);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			copy(&v, state, WJB_KEY);
		else if (token == WJB_VALUE)
			rewrite(visit, &v, base, state, WJB_VALUE);
	}
	evaudit_compat_jsonb_push(state, WJB_END_OBJECT, NULL);
}

/* Write one member of a schema. */
static void
rewrite_member(const Visit *visit, JsonbContainer *object, const char *name,
			   const JsonbValue *value, const char *base,
			   EvauditJsonbState *state)
{
	Holds		holds = evaudit_bundle_holds(name);
	JsonbValue	key = {.type = jbvString};

	if (is_dropped(visit, object, name))
		return;
	if (visit->dialect.draft_4 &&
		(strcmp(name, "minimum") == 0 || strcmp(name, "maximum") == 0))
	{
		write_bound(object, name, value, state);
		return;
	}
	key.val.string.val = unconstify(char *, new_name(object, name, value));
	key.val.string.len = (int) strlen(key.val.string.val);
	evaudit_compat_jsonb_push(state, WJB_KEY, &key);
	if (holds == HOLDS_SCHEMA && (value->type != jbvBool ||
								  strcmp(name, "additionalProperties") != 0))
		rewrite(visit, value, base, state, WJB_VALUE);
	else if (holds == HOLDS_MAP && is_object(value))
		rewrite_map(visit, value, base, state);
	else
		copy(value, state, WJB_VALUE);
}

/*
 * Write a schema that accepts all or nothing, as an object: many programs know
 * no booleans but of "additionalProperties".
 */
static void
write_boolean(bool accepts, EvauditJsonbState *state)
{
	evaudit_compat_jsonb_push(state, WJB_BEGIN_OBJECT, NULL);
	if (!accepts)
	{
		JsonbValue	key = {.type = jbvString};

		key.val.string.val = "not";
		key.val.string.len = strlen("not");
		evaudit_compat_jsonb_push(state, WJB_KEY, &key);
		evaudit_compat_jsonb_push(state, WJB_BEGIN_OBJECT, NULL);
		evaudit_compat_jsonb_push(state, WJB_END_OBJECT, NULL);
	}
	evaudit_compat_jsonb_push(state, WJB_END_OBJECT, NULL);
}

/* Write a schema, or an array of them. */
static void
rewrite(const Visit *visit, const JsonbValue *value, const char *base,
		EvauditJsonbState *state, JsonbIteratorToken token)
{
	JsonbContainer *container = value->val.binary.data;
	JsonbIterator *it;
	JsonbIteratorToken inner;
	JsonbValue	v;
	char	   *name = NULL;
	bool		object = is_object(value);

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (value->type == jbvBool)
	{
		write_boolean(value->val.boolean, state);
		return;
	}
	if (!object && !is_array(value))
	{
		copy(value, state, token);
		return;
	}
	evaudit_compat_jsonb_push(state, object ? WJB_BEGIN_OBJECT :
							  WJB_BEGIN_ARRAY, NULL);
	if (object)
	{
		base = evaudit_bundle_base(container, visit->dialect, base);
		write_reference(visit, container, base, state);
	}
	it = JsonbIteratorInit(container);
	while ((inner = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (inner == WJB_KEY)
			name = pnstrdup(v.val.string.val, v.val.string.len);
		else if (inner == WJB_VALUE)
			rewrite_member(visit, container, name, &v, base, state);
		else if (inner == WJB_ELEM)
			rewrite(visit, &v, base, state, WJB_ELEM);
	}
	evaudit_compat_jsonb_push(state, object ? WJB_END_OBJECT : WJB_END_ARRAY,
							  NULL);
}

/* See bundle.h. */
bool
evaudit_bundle_next(EvauditBundle *bundle, const char **name, Jsonb **schema)
{
	EvauditJsonbState state = {0};
	Visit		visit = {.bundle = bundle};
	const Part *part;

	if (bundle->next == list_length(bundle->parts))
		return false;
	part = list_nth(bundle->parts, bundle->next++);
	visit.dialect = part->dialect;
	*name = part->name;
	if (part->schema.type == jbvBool || is_object(&part->schema))
		rewrite(&visit, &part->schema, part->base, &state, WJB_VALUE);
	else
		write_boolean(true, &state);
	*schema = JsonbValueToJsonb(state.result);
	return true;
}
