/*-------------------------------------------------------------------------
 *
 * topic_schema.c
 *	  Checking events by the schema of their topic.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "events/topic_schema.h"

PG_FUNCTION_INFO_V1(evaudit_validate);

/* Most violations that validate() returns, and that an error tells of. */
#define MAX_VIOLATIONS			1000
#define MAX_VIOLATIONS_TOLD		3

/* Most bytes of an error's text, for each of its parts. */
#define MAX_PART_BYTES			200

/* Compile a schema, to live as long as the current memory context. */
EvauditSchema *
evaudit_topic_schema_compile(Jsonb *schema)
{
	return evaudit_schema_compile(schema, CurrentMemoryContext);
}

/* Whether the compiled schema is what its source gives now. */
bool
evaudit_topic_schema_is_current(const EvauditTopic *topic)
{
	return topic->schema == NULL || evaudit_schema_is_current(topic->schema);
}

/* As much of a text as an error repeats. */
static char *
clipped(const char *str)
{
	int			len = (int) strlen(str);

	return pnstrdup(str, pg_mbcliplen(str, len, MAX_PART_BYTES));
}

/* Tell violations in one line. */
static char *
tell_violations(List *violations)
{
	StringInfoData str;
	ListCell   *lc;

	initStringInfo(&str);
	foreach(lc, violations)
	{
		const EvauditSchemaError *error = lfirst(lc);

		if (foreach_current_index(lc) == MAX_VIOLATIONS_TOLD)
		{
			appendStringInfoString(&str, "; and more");
			break;
		}
		if (foreach_current_index(lc) > 0)
			appendStringInfoString(&str, "; ");
		appendStringInfo(&str, "at \"%s\": %s (schema \"%s\")",
						 clipped(error->instance_location),
						 clipped(error->message),
						 clipped(error->keyword_location));
	}
	return str.data;
}

/* Check an event that has a document; false if it is now rejected. */
bool
evaudit_topic_schema_check(const EvauditTopic *topic, EvauditEvent *event)
{
	List	   *violations;

	if (evaudit_schema_accepts(topic->schema, event->document,
							   topic->assert_format))
		return true;
	violations = evaudit_schema_errors(topic->schema, event->document,
									   topic->assert_format,
									   MAX_VIOLATIONS_TOLD + 1);
	evaudit_event_reject(event, EVAUDIT_SCHEMA_VIOLATION,
						 "payload breaks the schema: %s",
						 tell_violations(violations));
	return false;
}

/* validate(topic text, payload jsonb): what the payload breaks */
Datum
evaudit_validate(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	const EvauditTopic *topic;
	List	   *violations = NIL;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	topic = evaudit_topic_load(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	if (topic->schema != NULL)
		violations = evaudit_schema_errors(topic->schema, PG_GETARG_JSONB_P(1),
										   topic->assert_format,
										   MAX_VIOLATIONS);
	foreach(lc, violations)
	{
		const EvauditSchemaError *error = lfirst(lc);
		Datum		values[3];
		bool		nulls[3] = {false};

		values[0] = CStringGetTextDatum(error->instance_location);
		values[1] = CStringGetTextDatum(error->keyword_location);
		values[2] = CStringGetTextDatum(error->message);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
