/*-------------------------------------------------------------------------
 *
 * keywords.c
 *	  The keywords that hold subschemas, and the list of all keywords.
 *
 * A keyword that the dialect does not have is an annotation and not looked
 * into, as one that nobody knows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "schema/compile.h"
#include "schema/limits.h"

/* The rules of a node for arrays, made when first asked for. */
ArrayRules *
evaudit_schema_array(SchemaNode *node)
{
	if (node->array == NULL)
	{
		node->array = palloc0(sizeof(ArrayRules));
		node->array->min_items = node->array->max_items = -1;
		node->array->min_contains = node->array->max_contains = -1;
	}
	return node->array;
}

/* The rules of a node for objects. */
ObjectRules *
evaudit_schema_object(SchemaNode *node)
{
	if (node->object == NULL)
	{
		node->object = palloc0(sizeof(ObjectRules));
		node->object->min_properties = node->object->max_properties = -1;
	}
	return node->object;
}

/* The rules of a node that hold for any instance. */
static InPlaceRules *
in_place(SchemaNode *node)
{
	if (node->in_place == NULL)
		node->in_place = palloc0(sizeof(InPlaceRules));
	return node->in_place;
}

/* "keyword/name", with the name escaped as in a JSON Pointer. */
static char *
step_of(const char *keyword, const char *name, uint32 len)
{
	uint32		escapes = 0;
	char	   *step;
	char	   *out;

	for (uint32 i = 0; i < len; i++)
		escapes += name[i] == '~' || name[i] == '/';
	step = palloc(strlen(keyword) + 1 + len + escapes + 1);
	out = step + sprintf(step, "%s/", keyword);
	for (uint32 i = 0; i < len; i++)
	{
		if (name[i] == '~' || name[i] == '/')
		{
			*out++ = '~';
			*out++ = name[i] == '~' ? '0' : '1';
		}
		else
			*out++ = name[i];
	}
	*out = '\0';
	return step;
}

/* Compile the subschema that a keyword holds. */
static SchemaNode *
one_schema(SchemaCompile *compile, SchemaNode *node, const char *keyword,
		   const SchemaValue *value)
{
	return evaudit_schema_node(compile, value, node, node->resource,
							   keyword);
}

/* Compile the array of subschemas that a keyword holds. */
static void
list_schemas(SchemaCompile *compile, SchemaNode *node, const char *keyword,
			 const SchemaValue *value, SchemaList *list)
{
	SchemaValue *elements;

	if (value->type != SCHEMA_VALUE_ARRAY || value->len == 0)
		evaudit_schema_broken(node, keyword,
							  "must be a non-empty array of schemas");
	elements = palloc(sizeof(SchemaValue) * value->len);
	evaudit_schema_value_elements(value, elements);
	list->n = value->len;
	list->nodes = palloc(sizeof(SchemaNode *) * value->len);
	for (int i = 0; i < list->n; i++)
		list->nodes[i] = evaudit_schema_node(compile, &elements[i], node,
											 node->resource,
											 psprintf("%s/%d", keyword, i));
	pfree(elements);
}

/* The members of the object that a keyword holds. */
static SchemaMember *
members_of(SchemaNode *node, const char *keyword, const SchemaValue *value)
{
	SchemaMember *members;

	if (value->type != SCHEMA_VALUE_OBJECT)
		evaudit_schema_broken(node, keyword, "must be an object");
	members = palloc(sizeof(SchemaMember) * (value->len + 1));
	evaudit_schema_value_members(value, members);
	return members;
}

/* Compile the subschema that is a member of a keyword's object. */
static SchemaNode *
member_schema(SchemaCompile *compile, SchemaNode *node, const char *keyword,
			  const SchemaMember *member)
{
	return evaudit_schema_node(compile, &member->value, node, node->resource,
							   step_of(keyword, member->key, member->key_len));
}

/* $ref */
static void
compile_ref(SchemaCompile *compile, SchemaNode *node, const char *keyword,
			const SchemaValue *value)
{
	SchemaRef  *ref = palloc0(sizeof(SchemaRef));

	in_place(node)->ref = ref;
	evaudit_schema_add_reference(compile, node, ref, keyword, value);
}

/* $dynamicRef and $recursiveRef */
static void
compile_dynamic_ref(SchemaCompile *compile, SchemaNode *node,
					const char *keyword, const SchemaValue *value)
{
	SchemaRef  *ref = palloc0(sizeof(SchemaRef));

	if (keyword[1] == 'r')
		ref->recursive = true;
	else
		ref->anchor = "";
	in_place(node)->dynamic_ref = ref;
	evaudit_schema_add_reference(compile, node, ref, keyword, value);
}

/* $defs and definitions: places that references may lead to. */
static void
compile_definitions(SchemaCompile *compile, SchemaNode *node,
					const char *keyword, const SchemaValue *value)
{
	SchemaMember *members = members_of(node, keyword, value);

	for (uint32 i = 0; i < value->len; i++)
		member_schema(compile, node, keyword, &members[i]);
	pfree(members);
}

/* Keywords whose value is one subschema or a list of them. */
static void
compile_in_place(SchemaCompile *compile, SchemaNode *node,
				 const char *keyword, const SchemaValue *value)
{
	InPlaceRules *rules = in_place(node);

	if (strcmp(keyword, "allOf") == 0)
		list_schemas(compile, node, keyword, value, &rules->all_of);
	else if (strcmp(keyword, "anyOf") == 0)
		list_schemas(compile, node, keyword, value, &rules->any_of);
	else if (strcmp(keyword, "oneOf") == 0)
		list_schemas(compile, node, keyword, value, &rules->one_of);
	else if (strcmp(keyword, "not") == 0)
		rules->not_node = one_schema(compile, node, keyword, value);
	else if (strcmp(keyword, "if") == 0)
		rules->if_node = one_schema(compile, node, keyword, value);
	else if (strcmp(keyword, "then") == 0)
		rules->then_node = one_schema(compile, node, keyword, value);
	else
		rules->else_node = one_schema(compile, node, keyword, value);
}

/* unevaluatedItems and unevaluatedProperties */
static void
compile_unevaluated(SchemaCompile *compile, SchemaNode *node,
					const char *keyword, const SchemaValue *value)
{
	SchemaNode *schema = one_schema(compile, node, keyword, value);

	if (strcmp(keyword, "unevaluatedItems") == 0)
		node->unevaluated_items = schema;
	else
		node->unevaluated_properties = schema;
}

/* prefixItems, items and additionalItems; items was a tuple once. */
static void
compile_items(SchemaCompile *compile, SchemaNode *node, const char *keyword,
			  const SchemaValue *value)
{
	ArrayRules *rules = evaudit_schema_array(node);
	SchemaDraft draft = node->resource->dialect.draft;

	if (strcmp(keyword, "prefixItems") == 0)
		list_schemas(compile, node, keyword, value, &rules->prefix);
	else if (strcmp(keyword, "additionalItems") == 0)
		rules->additional = one_schema(compile, node, keyword, value);
	else if (value->type == SCHEMA_VALUE_ARRAY && draft < DRAFT_2020_12)
	{
		rules->tuple = true;
		list_schemas(compile, node, keyword, value, &rules->prefix);
	}
	else
		rules->items = one_schema(compile, node, keyword, value);
}

/* contains; what it finds is evaluated since draft 2020-12. */
static void
compile_contains(SchemaCompile *compile, SchemaNode *node,
				 const char *keyword, const SchemaValue *value)
{
	ArrayRules *rules = evaudit_schema_array(node);

	rules->contains = one_schema(compile, node, keyword, value);
	rules->contains_evaluates =
		node->resource->dialect.draft >= DRAFT_2020_12;
}

/* properties, which come in the order of jsonb */
static void
compile_properties(SchemaCompile *compile, SchemaNode *node,
				   const char *keyword, const SchemaValue *value)
{
	SchemaMember *members = members_of(node, keyword, value);
	ObjectRules *rules = evaudit_schema_object(node);

	rules->nproperties = value->len;
	rules->properties = palloc0(sizeof(SchemaProperty) * (value->len + 1));
	for (uint32 i = 0; i < value->len; i++)
	{
		rules->properties[i].name.name = members[i].key;
		rules->properties[i].name.len = members[i].key_len;
		rules->properties[i].node = member_schema(compile, node, keyword,
												  &members[i]);
	}
	pfree(members);
}

/* patternProperties */
static void
compile_pattern_properties(SchemaCompile *compile, SchemaNode *node,
						   const char *keyword, const SchemaValue *value)
{
	SchemaMember *members = members_of(node, keyword, value);
	ObjectRules *rules = evaudit_schema_object(node);

	rules->npatterns = value->len;
	rules->patterns = palloc0(sizeof(SchemaPattern) * (value->len + 1));
	for (uint32 i = 0; i < value->len; i++)
	{
		rules->patterns[i].regex = evaudit_schema_regex(compile, node, keyword,
														members[i].key,
														members[i].key_len);
		rules->patterns[i].node = member_schema(compile, node, keyword,
												&members[i]);
	}
	pfree(members);
}

/* propertyNames and additionalProperties */
static void
compile_property_schema(SchemaCompile *compile, SchemaNode *node,
						const char *keyword, const SchemaValue *value)
{
	SchemaNode *schema = one_schema(compile, node, keyword, value);

	if (strcmp(keyword, "propertyNames") == 0)
		evaudit_schema_object(node)->names = schema;
	else
		evaudit_schema_object(node)->additional = schema;
}

/*
 * dependentSchemas, dependentRequired, and dependencies, which can be both;
 * they add up.
 */
static void
compile_dependent(SchemaCompile *compile, SchemaNode *node,
				  const char *keyword, const SchemaValue *value)
{
	SchemaMember *members = members_of(node, keyword, value);
	ObjectRules *rules = evaudit_schema_object(node);
	SchemaProperty *all = palloc0(sizeof(SchemaProperty) *
								  (rules->ndependent + value->len + 1));

	if (rules->ndependent > 0)
		memcpy(all, rules->dependent,
			   sizeof(SchemaProperty) * rules->ndependent);
	for (uint32 i = 0; i < value->len; i++)
	{
		SchemaProperty *dependent = &all[rules->ndependent + i];
		char	   *step = step_of(keyword, members[i].key,
								   members[i].key_len);

		dependent->name.name = members[i].key;
		dependent->name.len = members[i].key_len;
		dependent->step = step;
		if (strcmp(keyword, "dependentRequired") == 0 ||
			(strcmp(keyword, "dependencies") == 0 &&
			 members[i].value.type == SCHEMA_VALUE_ARRAY))
			dependent->required =
				evaudit_schema_names(node, step, &members[i].value,
									 &dependent->nrequired);
		else
			dependent->node = evaudit_schema_node(compile, &members[i].value,
												  node, node->resource, step);
	}
	rules->dependent = all;
	rules->ndependent += value->len;
	pfree(members);
}

static const SchemaKeyword applicators[] = {
	{"$ref", ALWAYS, VOCABULARY_CORE, compile_ref},
	{"$dynamicRef", SINCE(DRAFT_2020_12), VOCABULARY_CORE, compile_dynamic_ref},
	{"$recursiveRef", ONLY(DRAFT_2019_09), VOCABULARY_CORE, compile_dynamic_ref},
	{"$defs", SINCE(DRAFT_2019_09), VOCABULARY_CORE, compile_definitions},
	{"definitions", ALWAYS, VOCABULARY_CORE, compile_definitions},
	{"allOf", ALWAYS, VOCABULARY_APPLICATOR, compile_in_place},
	{"anyOf", ALWAYS, VOCABULARY_APPLICATOR, compile_in_place},
	{"oneOf", ALWAYS, VOCABULARY_APPLICATOR, compile_in_place},
	{"not", ALWAYS, VOCABULARY_APPLICATOR, compile_in_place},
	{"if", SINCE(DRAFT_7), VOCABULARY_APPLICATOR, compile_in_place},
	{"then", SINCE(DRAFT_7), VOCABULARY_APPLICATOR, compile_in_place},
	{"else", SINCE(DRAFT_7), VOCABULARY_APPLICATOR, compile_in_place},
	{"prefixItems", SINCE(DRAFT_2020_12), VOCABULARY_APPLICATOR, compile_items},
	{"items", ALWAYS, VOCABULARY_APPLICATOR, compile_items},
	{"additionalItems", UNTIL(DRAFT_2019_09), VOCABULARY_APPLICATOR, compile_items},
	{"contains", SINCE(DRAFT_6), VOCABULARY_APPLICATOR, compile_contains},
	{"properties", ALWAYS, VOCABULARY_APPLICATOR, compile_properties},
	{"patternProperties", ALWAYS, VOCABULARY_APPLICATOR,
	compile_pattern_properties},
	{"additionalProperties", ALWAYS, VOCABULARY_APPLICATOR,
	compile_property_schema},
	{"propertyNames", SINCE(DRAFT_6), VOCABULARY_APPLICATOR,
	compile_property_schema},
	{"dependencies", ALWAYS, VOCABULARY_APPLICATOR, compile_dependent},
	{"dependentSchemas", SINCE(DRAFT_2019_09), VOCABULARY_APPLICATOR,
	compile_dependent},
	{"dependentRequired", SINCE(DRAFT_2019_09), VOCABULARY_VALIDATION,
	compile_dependent},
	{"unevaluatedItems", SINCE(DRAFT_2019_09), VOCABULARY_UNEVALUATED,
	compile_unevaluated},
	{"unevaluatedProperties", SINCE(DRAFT_2019_09), VOCABULARY_UNEVALUATED,
	compile_unevaluated},
};

/* Find a keyword in a list. */
static const SchemaKeyword *
find_keyword(const SchemaKeyword *list, int n, const SchemaMember *member)
{
	for (int i = 0; i < n; i++)
	{
		if (strlen(list[i].name) == member->key_len &&
			memcmp(list[i].name, member->key, member->key_len) == 0)
			return &list[i];
	}
	return NULL;
}

/* Compile one member of a schema, if it is a keyword of its dialect. */
void
evaudit_schema_keyword(SchemaCompile *compile, SchemaNode *node,
					   const SchemaMember *member)
{
	const SchemaDialect *dialect = &node->resource->dialect;
	const SchemaKeyword *keyword;
	const SchemaKeyword *assertions;
	int			n;

	keyword = find_keyword(applicators, lengthof(applicators), member);
	if (keyword == NULL)
	{
		assertions = evaudit_schema_assertions(&n);
		keyword = find_keyword(assertions, n, member);
	}
	if (keyword == NULL || dialect->draft < keyword->first ||
		dialect->draft > keyword->last ||
		(dialect->vocabularies & keyword->vocabulary) == 0)
		return;
	keyword->compile(compile, node, keyword->name, &member->value);
}
