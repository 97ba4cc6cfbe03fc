/*-------------------------------------------------------------------------
 *
 * mapping_find.c
 *	  Finding the values of a mapping in a payload.
 *
 * The pointers of a mapping are a tree of names.  A text is visited once, and
 * each name that can still lead to a value takes one step down the tree; in
 * a document each node of the tree is looked up.  Both find the same.
 *
 * A repeated member replaces all that the earlier one held, as in jsonb.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bitutils.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "events/mapping_compiled.h"

/* The state of one visit. */
typedef struct Search
{
	EvauditJsonValue *found;	/* by slot */
	/* the node of the container whose members have a level; NULL: none */
	const PathNode *at[EVAUDIT_JSON_MAX_DEPTH + 2];
} Search;

/* Set all slots of a set. */
static void
set_slots(EvauditJsonValue *found, uint32 slots, EvauditJsonValue value)
{
	for (; slots != 0; slots &= slots - 1)
		found[pg_rightmost_one_pos32(slots)] = value;
}

/*
 * The visit stands before a value that the node, if not NULL, leads to.
 * What was found below it before came from a repeated name: forget it.
 */
static void
enter_value(Search *search, int level, const PathNode *node,
			const EvauditJsonCursor *cursor)
{
	EvauditJsonValue value = {.type = JSON_TOKEN_INVALID};

	search->at[level + 1] = node;
	if (node == NULL)
		return;
	set_slots(search->found, node->slots_below, value);
	if (node->slots != 0)
	{
		evaudit_json_cursor_value(cursor, &value);
		set_slots(search->found, node->slots, value);
	}
}

/* Visitor's function: a member of an object. */
static void
visit_member(void *state, int level, const EvauditJsonCursor *cursor)
{
	Search	   *search = state;
	const PathNode *parent = search->at[level];
	const PathNode *child = NULL;

	if (parent != NULL && parent->children != NULL)
	{
		int			len;
		const char *name = evaudit_json_cursor_name(cursor, &len);

		for (child = parent->children; child != NULL; child = child->next)
			if (child->name_len == len && memcmp(child->name, name, len) == 0)
				break;
	}
	enter_value(search, level, child, cursor);
}

/* Visitor's function: an element of an array. */
static void
visit_element(void *state, int level, int index,
			  const EvauditJsonCursor *cursor)
{
	Search	   *search = state;
	const PathNode *child = NULL;

	if (search->at[level] != NULL)
		for (child = search->at[level]->children; child; child = child->next)
			if (child->index == index)
				break;
	enter_value(search, level, child, cursor);
}

/* Nothing is found yet. */
static void
clear(EvauditJsonValue *found)
{
	for (int slot = 0; slot < NSLOTS; slot++)
		found[slot] = (EvauditJsonValue)
	{
		.type = JSON_TOKEN_INVALID
	};
}

/*
 * Parse a payload and find the values of the slots, or reject the event.
 * What is found points into the payload or the scratch context.
 */
bool
evaudit_mapping_find(const EvauditMapping *mapping, EvauditPayload *payload,
					 EvauditEvent *event, MemoryContext scratch,
					 EvauditJsonValue *found)
{
	Search		search = {.found = found};
	EvauditJsonVisitor visitor = {visit_member, visit_element, &search};

	clear(found);
	search.at[1] = &mapping->root;
	return evaudit_payload_visit(event, payload, &visitor, scratch);
}

/* A value of a document as it would stand in its text. */
static EvauditJsonValue
value_of_jsonb(const JsonbValue *v)
{
	EvauditJsonValue value = {.type = JSON_TOKEN_NULL};

	switch (v->type)
	{
		case jbvString:
			value.type = JSON_TOKEN_STRING;
			value.text = v->val.string.val;
			value.len = v->val.string.len;
			break;
		case jbvNumeric:
			value.type = JSON_TOKEN_NUMBER;
			value.text = DatumGetCString(DirectFunctionCall1(numeric_out,
															 NumericGetDatum(v->val.numeric)));
			value.len = (int) strlen(value.text);
			break;
		case jbvBool:
			value.type = v->val.boolean ? JSON_TOKEN_TRUE : JSON_TOKEN_FALSE;
			break;
		case jbvBinary:
			value.type = JsonContainerIsObject(v->val.binary.data) ?
				JSON_TOKEN_OBJECT_START : JSON_TOKEN_ARRAY_START;
			break;
		default:
			break;
	}
	return value;
}

/* Find what lies below a node in a container of the document. */
static void
find_below(const PathNode *node, JsonbContainer *container,
		   EvauditJsonValue *found)
{
	for (const PathNode *child = node->children; child; child = child->next)
	{
		JsonbValue *v = NULL;

		if (JsonContainerIsObject(container))
			v = getKeyJsonValueFromContainer(container, child->name,
											 child->name_len, NULL);
		else if (child->index >= 0)
			v = getIthJsonbValueFromContainer(container, child->index);
		if (v == NULL)
			continue;
		if (child->slots != 0)
			set_slots(found, child->slots, value_of_jsonb(v));
		if (v->type == jbvBinary)
			find_below(child, v->val.binary.data, found);
	}
}

/*
 * Find the values of the slots in the document that an event came as, or
 * reject it.  What is found points into the document or the scratch context.
 */
bool
evaudit_mapping_find_in_document(const EvauditMapping *mapping,
								 EvauditEvent *event, MemoryContext scratch,
								 EvauditJsonValue *found)
{
	MemoryContext previous;

	clear(found);
	if (!evaudit_payload_check_document(event, mapping->max_payload_bytes))
		return false;
	previous = MemoryContextSwitchTo(scratch);
	find_below(&mapping->root, &event->document->root, found);
	MemoryContextSwitchTo(previous);
	return true;
}
