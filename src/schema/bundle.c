/*-------------------------------------------------------------------------
 *
 * bundle.c
 *	  Schemas as parts of one document, whose references stay in it.
 *
 * OpenAPI shows the schemas of topics side by side, in the dialect of draft
 * 2020-12.  There "#/$defs/a" would mean a part of the whole document, so
 * each reference is resolved as the validator does it, and what it leads to
 * becomes a part of its own: programs that read OpenAPI follow a reference to
 * a part, and many of them no other.
 *
 * First the names of a schema are gathered, "$id" and anchors; then, part by
 * part, it is written anew (bundle_rewrite.c), which may bring further parts.
 * The schemas were compiled before, so that they are bounded; what leads
 * nowhere accepts everything.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "schema/bundle_parts.h"
#include "schema/compile.h"
#include "schema/metaschemas.h"
#include "schema/uri.h"
#include "text/ascii.h"
#include "text/jsonb.h"

/* The base of a schema without an absolute "$id". */
#define NO_BASE		"evaudit:/"

/* Longest name of a part. */
#define MAX_NAME	200

/* What a keyword holds. */
Holds
evaudit_bundle_holds(const char *keyword)
{
	static const char *const schemas[] = {"allOf", "anyOf", "oneOf", "not",
		"if", "then", "else", "items", "prefixItems", "additionalItems",
		"contains", "additionalProperties", "propertyNames",
	"unevaluatedItems", "unevaluatedProperties", "contentSchema"};
	static const char *const maps[] = {"properties", "patternProperties",
	"$defs", "definitions", "dependentSchemas", "dependencies"};

	for (int i = 0; i < lengthof(schemas); i++)
	{
		if (strcmp(keyword, schemas[i]) == 0)
			return HOLDS_SCHEMA;
	}
	for (int i = 0; i < lengthof(maps); i++)
	{
		if (strcmp(keyword, maps[i]) == 0)
			return HOLDS_MAP;
	}
	return HOLDS_NONE;
}

/* The base within a schema: of its "$id", if that is no mere anchor. */
const char *
evaudit_bundle_base(JsonbContainer *object, Dialect dialect, const char *base)
{
	char	   *id = evaudit_jsonb_text(object, dialect.draft_4 ? "id" : "$id");
	char	   *uri;

	if (id == NULL || *id == '#' ||
		(dialect.ref_alone && evaudit_jsonb_member(object, "$ref") != NULL))
		return base;
	uri = evaudit_uri_resolve(base, id);
	(void) evaudit_uri_split(uri);
	return uri;
}

/* Gather a name of a schema. */
static void
add_target(const Visit *visit, char *uri, const JsonbValue *schema,
		   const char *base)
{
	Target	   *target = palloc(sizeof(Target));

	target->uri = uri;
	target->schema = *schema;
	target->base = base;
	target->dialect = visit->dialect;
	target->name = visit->name;
	visit->bundle->targets = lappend(visit->bundle->targets, target);
}

/* Gather the names of one schema, but not of those below it. */
static void
gather_names(const Visit *visit, const JsonbValue *schema, const char *base)
{
	static const char *const anchors[] = {"$anchor", "$dynamicAnchor"};
	JsonbContainer *object = schema->val.binary.data;
	char	   *id = evaudit_jsonb_text(object, visit->dialect.draft_4 ?
										"id" : "$id");

	if (id != NULL)
		add_target(visit, *id == '#' ? psprintf("%s%s", base, id) :
				   pstrdup(base), schema, base);
	for (int i = 0; i < lengthof(anchors); i++)
	{
		char	   *anchor = evaudit_jsonb_text(object, anchors[i]);

		if (anchor != NULL)
			add_target(visit, psprintf("%s#%s", base, anchor), schema, base);
	}
}

/*
 * Gather the names of schemas: of one and all below it, of an array of them,
 * or of a map of them.
 */
static void
gather(const Visit *visit, const JsonbValue *value, const char *base,
	   bool is_map)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;
	Holds		holds = HOLDS_SCHEMA;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (!is_object(value) && !is_array(value))
		return;
	if (is_object(value) && !is_map)
	{
		base = evaudit_bundle_base(value->val.binary.data, visit->dialect, base);
		gather_names(visit, value, base);
	}
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY && !is_map)
			holds = evaudit_bundle_holds(pnstrdup(v.val.string.val,
												  v.val.string.len));
		else if (token == WJB_ELEM ||
				 (token == WJB_VALUE && holds != HOLDS_NONE))
			gather(visit, &v, base, holds == HOLDS_MAP);
	}
}

/* A name for a part: of allowed characters, and no other one's. */
static char *
make_name(const EvauditBundle *bundle, const char *name)
{
	char	   *base = pnstrdup(name, MAX_NAME);
	char	   *unique = base;
	ListCell   *lc;

	for (char *p = base; *p != '\0'; p++)
	{
		if (!evaudit_is_alnum(*p) && strchr("._-", *p) == NULL)
			*p = '_';
	}
	for (int n = 2;; n++)
	{
		bool		taken = false;

		foreach(lc, bundle->parts)
			taken |= strcmp(((Part *) lfirst(lc))->name, unique) == 0;
		if (!taken)
			return unique;
		unique = psprintf("%s_%d", base, n);
	}
}

/* The part of a schema, which is made if there is none yet. */
static Part *
part_of(EvauditBundle *bundle, const Target *target, const char *name)
{
	Part	   *part;
	ListCell   *lc;

	foreach(lc, bundle->parts)
	{
		part = lfirst(lc);
		if (part->schema.type == jbvBinary &&
			target->schema.type == jbvBinary &&
			part->schema.val.binary.data == target->schema.val.binary.data)
			return part;
	}
	part = palloc0(sizeof(Part));
	part->name = make_name(bundle, name);
	part->schema = target->schema;
	part->base = target->base;
	part->dialect = target->dialect;
	bundle->parts = lappend(bundle->parts, part);
	return part;
}

/* A document as a value. */
static JsonbValue
root_value(Jsonb *schema)
{
	JsonbValue	value;

	if (JB_ROOT_IS_SCALAR(schema) &&
		JsonbExtractScalar(&schema->root, &value))
		return value;
	value.type = jbvBinary;
	value.val.binary.data = &schema->root;
	value.val.binary.len = VARSIZE(schema) - VARHDRSZ;
	return value;
}

/* Gather a whole schema, whose URI is known; returns what stands for it. */
static const Target *
add_schema(EvauditBundle *bundle, const char *name, const char *uri,
		   Jsonb *schema)
{
	Visit		visit = {.bundle = bundle,.name = name};
	JsonbValue	root = root_value(schema);
	const char *base = uri;
	char	   *draft = NULL;
	Target	   *target;

	if (is_object(&root))
	{
		draft = evaudit_jsonb_text(&schema->root, "$schema");
		visit.dialect.draft_4 = draft != NULL && strstr(draft, "/draft-04/");
		visit.dialect.ref_alone = draft != NULL && strstr(draft, "/draft-0");
		base = evaudit_bundle_base(&schema->root, visit.dialect, uri);
	}
	add_target(&visit, pstrdup(uri), &root, base);
	target = llast(bundle->targets);
	gather(&visit, &root, uri, false);
	return target;
}

/* See bundle.h. */
EvauditBundle *
evaudit_bundle_create(const char *place)
{
	EvauditBundle *bundle = palloc0(sizeof(EvauditBundle));

	bundle->place = place;
	return bundle;
}

/* See bundle.h. */
const char *
evaudit_bundle_add(EvauditBundle *bundle, const char *name, Jsonb *schema)
{
	const char *uri = psprintf(NO_BASE "%d", list_length(bundle->parts));

	return part_of(bundle, add_schema(bundle, name, uri, schema), name)->name;
}

/* What a URI stands for, or NULL. */
static const Target *
find_target(const EvauditBundle *bundle, const char *uri)
{
	ListCell   *lc;

	foreach(lc, bundle->targets)
	{
		const Target *target = lfirst(lc);

		if (strcmp(target->uri, uri) == 0)
			return target;
	}
	return NULL;
}

/* Undo the escapes of one step of a pointer in a URI, in place. */
static void
unescape(char *step)
{
	char	   *to = step;

	for (char *from = step; *from != '\0'; from++)
	{
		char		c = *from;

		if (c == '%' && evaudit_hex_digit(from[1]) >= 0 &&
			evaudit_hex_digit(from[2]) >= 0)
		{
			c = (char) (evaudit_hex_digit(from[1]) * 16 +
						evaudit_hex_digit(from[2]));
			from += 2;
		}
		*to++ = c;
	}
	*to = '\0';
	to = step;
	for (char *from = step; *from != '\0'; from++)
	{
		if (*from == '~' && (from[1] == '0' || from[1] == '1'))
			*to++ = *++from == '0' ? '~' : '/';
		else
			*to++ = *from;
	}
	*to = '\0';
}

/* Follow a pointer from a schema, and with it the base; false: nowhere. */
static bool
follow(Target *target, char *pointer)
{
	char	   *rest = pointer;

	while (rest != NULL)
	{
		char	   *step = rest + 1;
		JsonbValue *v = NULL;

		rest = strchr(step, '/');
		if (rest != NULL)
			*rest = '\0';
		unescape(step);
		if (is_object(&target->schema))
			v = evaudit_jsonb_member(target->schema.val.binary.data, step);
		else if (is_array(&target->schema) && evaudit_is_digit(*step))
			v = getIthJsonbValueFromContainer(target->schema.val.binary.data,
											  (uint32) atol(step));
		if (v == NULL)
			return false;
		target->schema = *v;
		if (is_object(v))
			target->base = evaudit_bundle_base(v->val.binary.data,
											   target->dialect, target->base);
	}
	return true;
}

/*
 * What a reference leads to in the document, NULL if to nothing that a
 * reference can be to.  A registered schema that is not in it yet is added.
 */
const char *
evaudit_bundle_resolve(EvauditBundle *bundle, const char *base,
					   const char *reference)
{
	char	   *uri = evaudit_uri_resolve(base, reference);
	char	   *fragment = evaudit_uri_split(uri);
	const Target *found = find_target(bundle, uri);
	const char *name;
	Target		target;

	if (found == NULL)
	{
		Jsonb	   *schema = evaudit_metaschema(uri);

		if (schema == NULL)
			schema = evaudit_schema_registered(uri);
		if (schema == NULL)
			return NULL;
		found = add_schema(bundle, uri, uri, schema);
	}
	if (*fragment != '\0' && *fragment != '/')
		found = find_target(bundle, psprintf("%s#%s", uri, fragment));
	if (found == NULL)
		return NULL;
	target = *found;
	name = *fragment == '\0' ? target.name :
		psprintf("%s.%s", target.name, fragment + (*fragment == '/'));
	if (*fragment == '/' && !follow(&target, pstrdup(fragment)))
		return NULL;
	return psprintf("%s%s", bundle->place,
					part_of(bundle, &target, name)->name);
}
