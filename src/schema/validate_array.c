/*-------------------------------------------------------------------------
 *
 * validate_array.c
 *	  The keywords for arrays.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "schema/validate.h"

/* prefixItems, items and additionalItems */
static bool
check_items(Validation *v, const SchemaPath *path, Instance *instance,
			Evaluated *evaluated)
{
	const ArrayRules *rules = path->node->array;
	uint32		n = instance->value.len;
	bool		ok = true;

	evaudit_instance_elements(instance);
	for (uint32 i = 0; i < n; i++)
	{
		const SchemaNode *node = i < (uint32) rules->prefix.n ?
			rules->prefix.nodes[i] : rules->items;

		if (node == NULL)
			break;
		if (!evaudit_spend(v, 1, path, instance))
			return false;
		REQUIRE(evaudit_validate_element(v, node, instance, i, path));
		evaudit_evaluated_add(evaluated, i);
	}
	return ok;
}

/* contains, minContains and maxContains */
static bool
check_contains(Validation *v, const SchemaPath *path, Instance *instance,
			   Evaluated *evaluated)
{
	const ArrayRules *rules = path->node->array;
	uint32		n = instance->value.len;
	bool		collect = v->collect;
	bool		all = evaluated != NULL && rules->contains_evaluates;
	int64		found = 0;

	evaudit_instance_elements(instance);
	v->collect = false;
	for (uint32 i = 0; i < n && !v->stop; i++)
	{
		if (evaudit_validate_element(v, rules->contains, instance, i, path))
		{
			found++;
			if (all)
				evaudit_evaluated_add(evaluated, i);
			else if (found >= rules->min_contains && rules->max_contains < 0)
				break;
			else if (rules->max_contains >= 0 && found > rules->max_contains)
				break;
		}
	}
	v->collect = collect;
	if (v->stop)
		return false;
	if (found < rules->min_contains)
		return evaudit_violation(v, path, rules->min_contains == 1 ?
								 "contains" : "minContains", instance,
								 "fewer than " INT64_FORMAT " elements are as asked for",
								 rules->min_contains);
	if (rules->max_contains >= 0 && found > rules->max_contains)
		return evaudit_violation(v, path, "maxContains", instance,
								 "more than " INT64_FORMAT " elements are as asked for",
								 rules->max_contains);
	return true;
}

/* For qsort_arg(): count a step for each comparison, too. */
static int
compare_elements(const void *a, const void *b, void *steps)
{
	(*(int64 *) steps)--;
	return evaudit_schema_value_compare(a, b, steps);
}

/* No two elements are equal: sorted, they would be neighbours. */
static bool
check_unique(Validation *v, const SchemaPath *path, Instance *instance)
{
	uint32		n = instance->value.len;
	SchemaValue *sorted;
	bool		same = false;

	if (n < 2)
		return true;
	if (!evaudit_spend(v, n, path, instance))
		return false;
	sorted = palloc(sizeof(SchemaValue) * n);
	evaudit_schema_value_elements(&instance->value, sorted);
	qsort_arg(sorted, n, sizeof(SchemaValue), compare_elements, &v->steps);
	for (uint32 i = 1; i < n && !same && v->steps >= 0; i++)
		same = evaudit_schema_value_compare(&sorted[i - 1], &sorted[i],
											&v->steps) == 0;
	pfree(sorted);
	if (!evaudit_spend(v, 0, path, instance))
		return false;
	return !same || evaudit_violation(v, path, "uniqueItems", instance,
									  "two elements are equal");
}

/* All keywords for arrays. */
bool
evaudit_validate_array(Validation *v, const SchemaPath *path,
					   Instance *instance, Evaluated *evaluated)
{
	const ArrayRules *rules = path->node->array;
	int64		n = instance->value.len;
	bool		ok = true;

	if (rules->min_items >= 0 && n < rules->min_items)
		REQUIRE(evaudit_violation(v, path, "minItems", instance,
								  "there are fewer than " INT64_FORMAT " elements",
								  rules->min_items));
	if (rules->max_items >= 0 && n > rules->max_items)
		REQUIRE(evaudit_violation(v, path, "maxItems", instance,
								  "there are more than " INT64_FORMAT " elements",
								  rules->max_items));
	if (rules->unique)
		REQUIRE(check_unique(v, path, instance));
	if (rules->items != NULL || rules->prefix.n > 0)
		REQUIRE(check_items(v, path, instance, evaluated));
	if (rules->contains != NULL)
		REQUIRE(check_contains(v, path, instance, evaluated));
	return ok;
}
