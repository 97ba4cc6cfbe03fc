/*-------------------------------------------------------------------------
 *
 * topic_import.c
 *	  import_topics(): many topics out of one document.
 *
 * Each member of the document is a topic, in one of two forms:
 *
 *		"name": {"schema": {...}, "options": {...}}		ours
 *		"name": {...}									a gateway's: the schema
 *
 * A name may be that of a file, "name.json".  A topic that is there is
 * altered.  One that comes in the gateway's form is kept, and where the
 * schema knows a member "event_id" that is its events' id.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "events/topic_store.h"
#include "text/jsonb.h"

PG_FUNCTION_INFO_V1(evaudit_import_topics);

/* The member that a gateway's schemas give an event's id in. */
#define GATEWAY_EVENT_ID	"event_id"

/* Refuse a document that is no object. */
static void
require_object(Jsonb *document, const char *what)
{
	if (!JB_ROOT_IS_OBJECT(document))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a JSON object", what)));
}

/* A member of an object as a document; NULL if it is not there. */
static Jsonb *
member(Jsonb *object, const char *name)
{
	JsonbValue *v = evaudit_jsonb_member(&object->root, name);

	return v == NULL ? NULL : JsonbValueToJsonb(v);
}

/* An object of one member, a string. */
static Jsonb *
single_option(const char *name, const char *value)
{
	EvauditJsonbState state = {0};

	evaudit_compat_jsonb_push(&state, WJB_BEGIN_OBJECT, NULL);
	evaudit_jsonb_push_text(&state, name, value);
	evaudit_compat_jsonb_push(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(state.result);
}

/* The JSON pointer to a member of the outermost object (RFC 6901). */
static char *
member_pointer(const char *name)
{
	StringInfoData pointer;

	initStringInfo(&pointer);
	appendStringInfoChar(&pointer, '/');
	for (; *name != '\0'; name++)
	{
		if (*name == '~')
			appendStringInfoString(&pointer, "~0");
		else if (*name == '/')
			appendStringInfoString(&pointer, "~1");
		else
			appendStringInfoChar(&pointer, *name);
	}
	return pointer.data;
}

/* Whether a definition has our own form: nothing but schema and options. */
static bool
is_own_form(Jsonb *definition)
{
	int			known = 0;

	if (!JB_ROOT_IS_OBJECT(definition))
		return false;
	known += member(definition, "schema") != NULL;
	known += member(definition, "options") != NULL;
	return known > 0 && known == JB_ROOT_COUNT(definition);
}

/*
 * Options, or none, with "assert_format" off, unless they say what it is or it
 * is on.
 */
static Jsonb *
with_format(Jsonb *options, bool assert_format)
{
	EvauditJsonbState state = {0};
	JsonbValue	off = {.type = jbvBool};
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;

	if (assert_format ||
		(options != NULL && (!JB_ROOT_IS_OBJECT(options) ||
							 member(options, "assert_format") != NULL)))
		return options;
	evaudit_compat_jsonb_push(&state, WJB_BEGIN_OBJECT, NULL);
	it = options == NULL ? NULL : JsonbIteratorInit(&options->root);
	while (it != NULL && (token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY || token == WJB_VALUE)
			evaudit_compat_jsonb_push(&state, token, &v);
	}
	evaudit_jsonb_push(&state, "assert_format", &off);
	evaudit_compat_jsonb_push(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(state.result);
}

/* The options of a new topic of which there is but a schema, or NULL. */
static Jsonb *
gateway_options(Jsonb *schema)
{
	Jsonb	   *properties = NULL;

	if (JB_ROOT_IS_OBJECT(schema))
		properties = member(schema, "properties");
	if (properties == NULL || !JB_ROOT_IS_OBJECT(properties) ||
		member(properties, GATEWAY_EVENT_ID) == NULL)
		return NULL;
	return single_option("event_id", "/" GATEWAY_EVENT_ID);
}

/* Say which topic an error is about. */
static void
name_topic(void *arg)
{
	errcontext("import of topic \"%s\"", (const char *) arg);
}

/* Create or alter one topic. */
static void
import_topic(char *name, Jsonb *definition, bool assert_format)
{
	ErrorContextCallback context = {
		.previous = error_context_stack,
		.callback = name_topic,
		.arg = name,
	};
	Jsonb	   *schema = definition;
	Jsonb	   *options = NULL;
	Jsonb	   *initial;

	error_context_stack = &context;
	if (is_own_form(definition))
	{
		schema = member(definition, "schema");
		options = member(definition, "options");
		initial = options;
	}
	else
		initial = gateway_options(schema);
	if (!evaudit_topic_alter(name, schema, with_format(options, assert_format)))
		(void) evaudit_topic_create(name, schema,
									with_format(initial, assert_format));
	error_context_stack = context.previous;
}

/* The next member of an object: its name and value; false at the end. */
static bool
next_member(JsonbIterator **it, char **name, Jsonb **value)
{
	JsonbIteratorToken token;
	JsonbValue	v;

	while ((token = JsonbIteratorNext(it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			*name = pnstrdup(v.val.string.val, v.val.string.len);
		else if (token == WJB_VALUE)
		{
			*value = JsonbValueToJsonb(&v);
			return true;
		}
	}
	return false;
}

/* Set the option "key" of a topic to a member of its payloads. */
static void
import_key(const char *name, Jsonb *field)
{
	JsonbValue	v;

	if (!JB_ROOT_IS_SCALAR(field) || !JsonbExtractScalar(&field->root, &v) ||
		v.type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("key of topic \"%s\" must be the name of a field",
						name)));
	if (!evaudit_topic_alter(name, NULL,
							 single_option("key",
										   member_pointer(pnstrdup(v.val.string.val,
																   v.val.string.len)))))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("topic \"%s\" does not exist", name)));
}

/*
 * import_topics(topics jsonb, topic_keys jsonb, assert_format boolean) returns
 * integer: how many topics were created or altered
 */
Datum
evaudit_import_topics(PG_FUNCTION_ARGS)
{
	JsonbIterator *it;
	char	   *name;
	Jsonb	   *value;
	int			n = 0;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	require_object(PG_GETARG_JSONB_P(0), "topics");
	it = JsonbIteratorInit(&PG_GETARG_JSONB_P(0)->root);
	for (; next_member(&it, &name, &value); n++)
	{
		size_t		len = strlen(name);

		CHECK_FOR_INTERRUPTS();
		if (len > 5 && strcmp(name + len - 5, ".json") == 0)
			name[len - 5] = '\0';
		import_topic(name, value, PG_ARGISNULL(2) || PG_GETARG_BOOL(2));
	}

	if (!PG_ARGISNULL(1))
	{
		require_object(PG_GETARG_JSONB_P(1), "topic keys");
		it = JsonbIteratorInit(&PG_GETARG_JSONB_P(1)->root);
		while (next_member(&it, &name, &value))
			import_key(name, value);
	}
	PG_RETURN_INT32(n);
}
