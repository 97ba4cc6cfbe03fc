/*-------------------------------------------------------------------------
 *
 * validate_object.c
 *	  The keywords for objects.
 *
 * The members of the instance, the properties and the required names of the
 * schema are all in jsonb's order, so that each pair is read in step.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "schema/validate.h"

/* Every name of a sorted list must be there. */
static bool
check_required(Validation *v, const SchemaPath *path, Instance *instance,
			   const char *keyword, const SchemaName *names, int nnames)
{
	const SchemaMember *members = evaudit_instance_members(instance);
	uint32		n = instance->value.len;
	uint32		m = 0;
	bool		ok = true;

	if (!evaudit_spend(v, nnames / 4, path, instance))
		return false;
	for (int i = 0; i < nnames; i++)
	{
		int			order = -1;

		while (m < n &&
			   (order = evaudit_schema_key_compare(names[i].name, names[i].len,
												   members[m].key,
												   members[m].key_len)) > 0)
			m++;
		if (m == n || order != 0)
			REQUIRE(evaudit_violation(v, path, keyword, instance,
									  "the property \"%.*s\" is missing",
									  (int) names[i].len, names[i].name));
	}
	return ok;
}

/* The patterns that a member's name matches; *matched if any. */
static bool
check_patterns(Validation *v, const SchemaPath *path, Instance *instance,
			   uint32 i, bool *matched)
{
	const ObjectRules *rules = path->node->object;
	const SchemaMember *member = &instance->members[i];
	bool		ok = true;

	for (int p = 0; p < rules->npatterns; p++)
	{
		EvauditRegexResult result =
			evaudit_regex_match(rules->patterns[p].regex, member->key,
								member->key_len, &v->steps);

		if (result == EVAUDIT_REGEX_LIMIT)
			return evaudit_give_up(v, path, "patternProperties", instance,
								   "matching the pattern takes too long");
		if (result == EVAUDIT_REGEX_NO_MATCH)
			continue;
		*matched = true;
		REQUIRE(evaudit_validate_member(v, rules->patterns[p].node, instance,
										i, path));
	}
	return ok;
}

/* properties, patternProperties and additionalProperties */
static bool
check_properties(Validation *v, const SchemaPath *path, Instance *instance,
				 Evaluated *evaluated)
{
	const ObjectRules *rules = path->node->object;
	const SchemaMember *members = evaudit_instance_members(instance);
	uint32		n = instance->value.len;
	int			p = 0;
	bool		ok = true;

	if (!evaudit_spend(v, n / 4 + rules->nproperties / 4, path, instance))
		return false;
	for (uint32 i = 0; i < n; i++)
	{
		int			order = -1;
		bool		matched;

		while (p < rules->nproperties &&
			   (order = evaudit_schema_key_compare(rules->properties[p].name.name,
												   rules->properties[p].name.len,
												   members[i].key,
												   members[i].key_len)) < 0)
			p++;
		matched = p < rules->nproperties && order == 0;
		if (matched)
			REQUIRE(evaudit_validate_member(v, rules->properties[p].node,
											instance, i, path));
		else if (p == rules->nproperties && rules->npatterns == 0 &&
				 rules->additional == NULL)
			break;
		if (rules->npatterns > 0)
			REQUIRE(check_patterns(v, path, instance, i, &matched));
		if (!matched && rules->additional != NULL)
		{
			REQUIRE(evaudit_validate_member(v, rules->additional, instance, i,
											path));
			matched = true;
		}
		if (matched)
			evaudit_evaluated_add(evaluated, i);
	}
	return ok;
}

/* The names of members are instances, too. */
static bool
check_names(Validation *v, const SchemaPath *path, Instance *instance)
{
	const SchemaNode *node = path->node->object->names;
	const SchemaMember *members = evaudit_instance_members(instance);
	bool		ok = true;

	for (uint32 i = 0; i < instance->value.len; i++)
	{
		Instance	name = {0};

		name.parent = instance;
		name.key = members[i].key;
		name.key_len = members[i].key_len;
		name.value.type = SCHEMA_VALUE_STRING;
		name.value.as.string = members[i].key;
		name.value.len = members[i].key_len;
		REQUIRE(evaudit_validate_node(v, node, &name, path, node->step, NULL));
	}
	return ok;
}

/* All keywords for objects, but those of evaudit_validate_dependent(). */
bool
evaudit_validate_object(Validation *v, const SchemaPath *path,
						Instance *instance, Evaluated *evaluated)
{
	const ObjectRules *rules = path->node->object;
	int64		n = instance->value.len;
	bool		ok = true;

	if (rules->min_properties >= 0 && n < rules->min_properties)
		REQUIRE(evaudit_violation(v, path, "minProperties", instance,
								  "there are fewer than " INT64_FORMAT " properties",
								  rules->min_properties));
	if (rules->max_properties >= 0 && n > rules->max_properties)
		REQUIRE(evaudit_violation(v, path, "maxProperties", instance,
								  "there are more than " INT64_FORMAT " properties",
								  rules->max_properties));
	if (rules->nrequired > 0)
		REQUIRE(check_required(v, path, instance, "required", rules->required,
							   rules->nrequired));
	if (rules->nproperties > 0 || rules->npatterns > 0 ||
		rules->additional != NULL)
		REQUIRE(check_properties(v, path, instance, evaluated));
	if (rules->names != NULL)
		REQUIRE(check_names(v, path, instance));
	return ok;
}

/* Is there a member of a name? */
static bool
has_member(Instance *instance, const SchemaName *name)
{
	const SchemaMember *members = evaudit_instance_members(instance);
	uint32		low = 0;
	uint32		high = instance->value.len;

	while (low < high)
	{
		uint32		middle = low + (high - low) / 2;
		int			order = evaudit_schema_key_compare(name->name, name->len,
													   members[middle].key,
													   members[middle].key_len);

		if (order == 0)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

/* What members ask of the whole object. */
bool
evaudit_validate_dependent(Validation *v, const SchemaPath *path,
						   Instance *instance, Evaluated *evaluated)
{
	const ObjectRules *rules = path->node->object;
	bool		ok = true;

	for (int i = 0; i < rules->ndependent; i++)
	{
		const SchemaProperty *dependent = &rules->dependent[i];

		if (!has_member(instance, &dependent->name))
			continue;
		if (dependent->nrequired > 0)
			REQUIRE(check_required(v, path, instance, dependent->step,
								   dependent->required,
								   dependent->nrequired));
		if (dependent->node != NULL)
			REQUIRE(evaudit_validate_node(v, dependent->node, instance, path,
										  dependent->node->step, evaluated));
	}
	return ok;
}
