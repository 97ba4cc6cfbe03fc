/*-------------------------------------------------------------------------
 *
 * validate_in_place.c
 *	  References, and the keywords that apply subschemas to the same
 *	  instance.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "schema/validate.h"

/*
 * Where a dynamic reference leads: to the same anchor in the outermost
 * resource on the way here that has it.
 */
static const SchemaNode *
dynamic_target(Validation *v, const SchemaRef *ref, const SchemaPath *path)
{
	const SchemaNode *target = ref->target;
	const SchemaResource *last = NULL;

	if (ref->anchor == NULL && !ref->recursive)
		return target;
	for (; path != NULL; path = path->parent)
	{
		const SchemaResource *resource = path->node->resource;

		v->steps--;
		if (resource == last)
			continue;
		last = resource;
		if (ref->recursive && resource->recursive_anchor)
			target = resource->root;
		for (SchemaAnchor *anchor = ref->recursive ?
			 NULL : resource->dynamic_anchors;
			 anchor != NULL; anchor = anchor->next)
		{
			v->steps--;
			if (strcmp(anchor->name, ref->anchor) == 0)
				target = anchor->node;
		}
	}
	return target;
}

/* Go where a reference leads, unless the way there came from it. */
static bool
follow(Validation *v, const SchemaRef *ref, const char *keyword,
	   const SchemaPath *path, Instance *instance, Evaluated *evaluated)
{
	const SchemaNode *target = dynamic_target(v, ref, path);

	for (const SchemaPath *p = path; p != NULL && p->instance == instance;
		 p = p->parent)
	{
		if (p->node == target)
			return evaudit_give_up(v, path, keyword, instance,
								   "the reference leads back to itself");
		v->steps--;
	}
	return evaudit_validate_node(v, target, instance, path, keyword,
								 evaluated);
}

/*
 * Try a subschema: what it evaluates counts only if it accepts the instance.
 */
static bool
try_node(Validation *v, const SchemaNode *node, const SchemaPath *path,
		 Instance *instance, Evaluated *evaluated)
{
	Evaluated	own;
	bool		result;

	if (evaluated == NULL)
		return evaudit_validate_node(v, node, instance, path, node->step,
									 NULL);
	evaudit_evaluated_init(&own, evaluated->n);
	result = evaudit_validate_node(v, node, instance, path, node->step, &own);
	if (result)
		evaudit_evaluated_merge(evaluated, &own);
	evaudit_evaluated_free(&own);
	return result;
}

/* As try_node(), without noting violations. */
static bool
try_quietly(Validation *v, const SchemaNode *node, const SchemaPath *path,
			Instance *instance, Evaluated *evaluated)
{
	bool		collect = v->collect;
	bool		result;

	v->collect = false;
	result = try_node(v, node, path, instance, evaluated);
	v->collect = collect;
	return result;
}

/* One of them is enough; but each may evaluate something. */
static bool
check_any_of(Validation *v, const SchemaPath *path, Instance *instance,
			 Evaluated *evaluated)
{
	const SchemaList *list = &path->node->in_place->any_of;
	bool		found = false;

	for (int i = 0; i < list->n && (!found || evaluated != NULL); i++)
	{
		found |= try_quietly(v, list->nodes[i], path, instance, evaluated);
		if (v->stop)
			return false;
	}
	if (found || !v->collect)
		return found;

	evaudit_violation(v, path, "anyOf", instance,
					  "none of the alternatives is met");
	for (int i = 0; i < list->n && !v->stop; i++)
		try_node(v, list->nodes[i], path, instance, evaluated);
	return false;
}

/* One of them, and no other. */
static bool
check_one_of(Validation *v, const SchemaPath *path, Instance *instance,
			 Evaluated *evaluated)
{
	const SchemaList *list = &path->node->in_place->one_of;
	int			found = 0;

	for (int i = 0; i < list->n && found < 2; i++)
	{
		found += try_quietly(v, list->nodes[i], path, instance, evaluated);
		if (v->stop)
			return false;
	}
	if (found == 1 || !v->collect)
		return found == 1;

	evaudit_violation(v, path, "oneOf", instance, found == 0 ?
					  "none of the alternatives is met" :
					  "more than one of the alternatives is met");
	for (int i = 0; i < list->n && found == 0 && !v->stop; i++)
		try_node(v, list->nodes[i], path, instance, evaluated);
	return false;
}

/* if, then and else */
static bool
check_condition(Validation *v, const SchemaPath *path, Instance *instance,
				Evaluated *evaluated)
{
	const InPlaceRules *rules = path->node->in_place;
	const SchemaNode *node = rules->else_node;

	if (try_quietly(v, rules->if_node, path, instance, evaluated))
		node = rules->then_node;
	if (v->stop)
		return false;
	return node == NULL ||
		evaudit_validate_node(v, node, instance, path, node->step, evaluated);
}

/* All keywords of this file. */
bool
evaudit_validate_in_place(Validation *v, const SchemaPath *path,
						  Instance *instance, Evaluated *evaluated)
{
	const InPlaceRules *rules = path->node->in_place;
	bool		ok = true;

	if (rules->ref != NULL)
		REQUIRE(follow(v, rules->ref, "$ref", path, instance, evaluated));
	if (rules->dynamic_ref != NULL)
		REQUIRE(follow(v, rules->dynamic_ref,
					   path->node->resource->dialect.draft == DRAFT_2019_09 ?
					   "$recursiveRef" : "$dynamicRef",
					   path, instance, evaluated));
	for (int i = 0; i < rules->all_of.n; i++)
		REQUIRE(evaudit_validate_node(v, rules->all_of.nodes[i], instance,
									  path, rules->all_of.nodes[i]->step,
									  evaluated));
	if (rules->any_of.n > 0)
		REQUIRE(check_any_of(v, path, instance, evaluated));
	if (rules->one_of.n > 0)
		REQUIRE(check_one_of(v, path, instance, evaluated));
	if (rules->not_node != NULL)
	{
		bool		accepted = try_quietly(v, rules->not_node, path, instance,
										   NULL);

		if (v->stop)
			return false;
		REQUIRE(!accepted ||
				evaudit_violation(v, path, "not", instance,
								  "the value is what it must not be"));
	}
	if (rules->if_node != NULL)
		REQUIRE(check_condition(v, path, instance, evaluated));
	return ok;
}
