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
	return NULL;
}

/* Whether the compiled schema is what its source gives now. */
bool
evaudit_topic_schema_is_current(const EvauditTopic *topic)
{
	return true;
}

/* Check an event that has a document; false if it is now rejected. */
bool
evaudit_topic_schema_check(const EvauditTopic *topic, EvauditEvent *event)
{
	return true;
}

/* validate(topic text, payload jsonb): what the payload breaks */
Datum
evaudit_validate(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	(void) evaudit_topic_load(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	return (Datum) 0;
}
