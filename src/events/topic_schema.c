/*-------------------------------------------------------------------------
 *
 * topic_schema.c
 *	  Checking events by the schema of their topic.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/tuplestore.h"

#include "events/topic_schema.h"

/* Most violations that an error shows. */
#define MAX_VIOLATIONS_SHOWN		3

/* Most bytes of an error's text, for each of its parts. */
#define MAX_PART_BYTES			200

/* As much of a text as an error repeats. */
static char *
clipped(const char *str)
{
	int			len = (int) strlen(str);

	return pnstrdup(str, pg_mbcliplen(str, len, MAX_PART_BYTES));
}

/* List violations in one line. */
static char *
format_violations(List *violations)
{
	StringInfoData str;
	ListCell   *lc;

	initStringInfo(&str);
	foreach(lc, violations)
	{
		const EvauditSchemaError *error = lfirst(lc);

		if (foreach_current_index(lc) == MAX_VIOLATIONS_SHOWN)
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
	bool		assert_format = topic->assert_format && !event->any_format;
	List	   *violations;

	if (evaudit_schema_accepts(topic->schema, event->document, assert_format))
		return true;
	violations = evaudit_schema_errors(topic->schema, event->document,
									   assert_format,
									   MAX_VIOLATIONS_SHOWN + 1);
	evaudit_event_reject(event, EVAUDIT_SCHEMA_VIOLATION,
						 "payload breaks the schema: %s",
						 format_violations(violations));
	return false;
}
