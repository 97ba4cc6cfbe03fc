/*-------------------------------------------------------------------------
 *
 * validate.c
 *	  Whether a compiled schema accepts an instance.
 *
 * The fast way ends at the first violation; to name them all, the validation
 * is done once more.  Every validation has a number of steps to spend, and is
 * given up when they are gone, when the stack is nearly full, or when a
 * reference leads back to itself: all of this is a result, not an ERROR, for
 * a bad event must not end the worker that reads it.
 *
 * Memory: what is allocated for an instance is freed with it; errors are
 * left to the caller.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "schema/limits.h"
#include "schema/validate.h"

/* The members of an object. */
const SchemaMember *
evaudit_instance_members(Instance *instance)
{
	if (instance->members == NULL)
	{
		instance->members = palloc(sizeof(SchemaMember) *
								   (instance->value.len + 1));
		evaudit_schema_value_members(&instance->value, instance->members);
	}
	return instance->members;
}

/* The elements of an array. */
const SchemaValue *
evaudit_instance_elements(Instance *instance)
{
	if (instance->elements == NULL)
	{
		instance->elements = palloc(sizeof(SchemaValue) *
									(instance->value.len + 1));
		evaudit_schema_value_elements(&instance->value, instance->elements);
	}
	return instance->elements;
}

/* Free what was unpacked of an instance. */
static void
free_instance(Instance *instance)
{
	if (instance->members != NULL)
		pfree(instance->members);
	if (instance->elements != NULL)
		pfree(instance->elements);
}

/* Validate a member of an object. */
bool
evaudit_validate_member(Validation *v, const SchemaNode *node,
						const Instance *object, uint32 i,
						const SchemaPath *path)
{
	const SchemaMember *member = &object->members[i];
	Instance	child;
	bool		result;

	child.parent = object;
	child.key = member->key;
	child.key_len = member->key_len;
	child.value = member->value;
	child.members = NULL;
	child.elements = NULL;
	result = evaudit_validate_node(v, node, &child, path, node->step, NULL);
	free_instance(&child);
	return result;
}

/* Validate an element of an array. */
bool
evaudit_validate_element(Validation *v, const SchemaNode *node,
						 const Instance *array, uint32 i,
						 const SchemaPath *path)
{
	Instance	child;
	bool		result;

	child.parent = array;
	child.key = NULL;
	child.index = i;
	child.value = array->elements[i];
	child.members = NULL;
	child.elements = NULL;
	result = evaudit_validate_node(v, node, &child, path, node->step, NULL);
	free_instance(&child);
	return result;
}

/* A node that accepts nothing. */
static bool
refuse(Validation *v, const SchemaPath *path, const Instance *instance)
{
	const char *step = path->step;
	bool		member = strcmp(step, "additionalProperties") == 0 ||
		strcmp(step, "unevaluatedProperties") == 0;

	return evaudit_violation(v, path, NULL, instance, "%s", member ?
							 "the property is not allowed" :
							 "no value is allowed");
}

/* Names of the types that a node allows. */
static char *
list_types(const SchemaNode *node)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int type = SCHEMA_VALUE_NULL; type <= SCHEMA_VALUE_OBJECT + 1; type++)
	{
		SchemaValue sample = {.type = type};

		if ((node->types & TYPE_BIT(type)) == 0)
			continue;
		if (out.len > 0)
			appendStringInfoString(&out, " or ");
		appendStringInfoString(&out, TYPE_BIT(type) == TYPE_INTEGER ?
							   "integer" : evaudit_schema_value_type_name(&sample));
	}
	return out.data;
}

/* type */
static bool
check_type(Validation *v, const SchemaPath *path, const Instance *instance)
{
	const SchemaNode *node = path->node;
	const SchemaValue *value = &instance->value;

	if ((node->types & TYPE_BIT(value->type)) != 0)
		return true;
	if (value->type == SCHEMA_VALUE_NUMBER &&
		(node->types & TYPE_INTEGER) != 0 &&
		(node->strict_integer ? evaudit_schema_value_has_no_point(value) :
		 evaudit_schema_value_is_integer(value)))
		return true;
	if (!v->collect)
		return false;
	return evaudit_violation(v, path, "type", instance,
							 "the value is not of type %s but %s",
							 list_types(node), evaudit_schema_value_type_name(value));
}

/* What was not evaluated by the other keywords. */
static bool
check_unevaluated(Validation *v, const SchemaPath *path, Instance *instance,
				  Evaluated *evaluated)
{
	const SchemaNode *node = path->node;
	bool		ok = true;

	if (instance->value.type == SCHEMA_VALUE_OBJECT &&
		node->unevaluated_properties != NULL)
	{
		evaudit_instance_members(instance);
		for (uint32 i = 0; i < instance->value.len; i++)
			REQUIRE(evaudit_evaluated_has(evaluated, i) ||
					evaudit_validate_member(v, node->unevaluated_properties,
											instance, i, path));
		evaudit_evaluated_all(evaluated);
	}
	else if (instance->value.type == SCHEMA_VALUE_ARRAY &&
			 node->unevaluated_items != NULL)
	{
		evaudit_instance_elements(instance);
		for (uint32 i = 0; i < instance->value.len; i++)
			REQUIRE(evaudit_evaluated_has(evaluated, i) ||
					evaudit_validate_element(v, node->unevaluated_items,
											 instance, i, path));
		evaudit_evaluated_all(evaluated);
	}
	return ok;
}

/* All keywords of a node. */
static bool
check_keywords(Validation *v, const SchemaPath *path, Instance *instance,
			   Evaluated *evaluated)
{
	const SchemaNode *node = path->node;
	bool		ok = true;

	if (node->types != TYPE_ANY)
		REQUIRE(check_type(v, path, instance));
	if (node->value != NULL)
		REQUIRE(evaudit_validate_value(v, path, instance));
	switch ((SchemaValueType) instance->value.type)
	{
		case SCHEMA_VALUE_NUMBER:
			if (node->number != NULL)
				REQUIRE(evaudit_validate_number(v, path, instance));
			break;
		case SCHEMA_VALUE_STRING:
			if (node->string != NULL)
				REQUIRE(evaudit_validate_string(v, path, instance));
			break;
		case SCHEMA_VALUE_ARRAY:
			if (node->array != NULL)
				REQUIRE(evaudit_validate_array(v, path, instance, evaluated));
			break;
		case SCHEMA_VALUE_OBJECT:
			if (node->object != NULL)
			{
				REQUIRE(evaudit_validate_object(v, path, instance, evaluated));
				REQUIRE(evaudit_validate_dependent(v, path, instance,
												   evaluated));
			}
			break;
		default:
			break;
	}
	if (node->in_place != NULL)
		REQUIRE(evaudit_validate_in_place(v, path, instance, evaluated));
	if (node->unevaluated_items != NULL ||
		node->unevaluated_properties != NULL)
		REQUIRE(check_unevaluated(v, path, instance, evaluated));
	return ok;
}

/*
 * Does a node accept an instance?  Unless NULL, what it evaluates is added
 * to *evaluated, which has no meaning if it does not.
 */
bool
evaudit_validate_node(Validation *v, const SchemaNode *node,
					  Instance *instance, const SchemaPath *parent,
					  const char *step, Evaluated *evaluated)
{
	SchemaPath	path = {parent, step, node, instance};
	Evaluated	own;
	bool		result;

	if (node->verdict == ACCEPTS_ALL)
		return true;
	if (!evaudit_spend(v, 1, &path, instance))
		return false;
	if (node->verdict == ACCEPTS_NONE)
		return refuse(v, &path, instance);
	if (stack_is_too_deep())
		return evaudit_give_up(v, &path, NULL, instance,
							   "schema and instance are nested too deeply");
	if (node->unevaluated_items == NULL &&
		node->unevaluated_properties == NULL)
		return check_keywords(v, &path, instance, evaluated);

	evaudit_evaluated_init(&own, instance->value.type < SCHEMA_VALUE_ARRAY ?
						   0 : instance->value.len);
	result = check_keywords(v, &path, instance, &own);
	if (result && evaluated != NULL)
		evaudit_evaluated_merge(evaluated, &own);
	evaudit_evaluated_free(&own);
	return result;
}

/* Validate a whole instance. */
static bool
validate(Validation *v, const EvauditSchema *schema, Jsonb *jsonb)
{
	Instance	instance = {0};
	bool		result;

	v->steps = EVAUDIT_SCHEMA_MAX_STEPS;
	evaudit_schema_value_from_jsonb(jsonb, &instance.value);
	result = evaudit_validate_node(v, schema->root, &instance, NULL, "", NULL);
	free_instance(&instance);
	return result && v->gave_up == NULL;
}

/* As evaudit_schema_accepts(), and why the validation was given up, if so. */
bool
evaudit_schema_try(const EvauditSchema *schema, Jsonb *instance,
				   bool assert_format, EvauditSchemaError **gave_up)
{
	Validation	v = {.assert_format = assert_format};
	bool		result = validate(&v, schema, instance);

	*gave_up = v.gave_up;
	return result;
}

/* See schema.h. */
bool
evaudit_schema_accepts(const EvauditSchema *schema, Jsonb *instance,
					   bool assert_format)
{
	Validation	v = {.assert_format = assert_format};

	return validate(&v, schema, instance);
}

/* See schema.h. */
List *
evaudit_schema_errors(const EvauditSchema *schema, Jsonb *instance,
					  bool assert_format, int max)
{
	Validation	v = {
		.assert_format = assert_format,
		.collect = true,
		.max_errors = Min(Max(max, 1), EVAUDIT_SCHEMA_MAX_ERRORS)
	};

	validate(&v, schema, instance);
	if (v.gave_up != NULL)
	{
		if (list_length(v.errors) >= v.max_errors)
			v.errors = list_truncate(v.errors, v.max_errors - 1);
		v.errors = lappend(v.errors, v.gave_up);
	}
	return v.errors;
}
