/*-------------------------------------------------------------------------
 *
 * publish.c
 *	  evaudit.publish(): an event from SQL.
 *
 * It goes the same way as one from a source, in the caller's transaction and
 * with the caller's rights.  Where a source would write a dead letter, the
 * caller gets an error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

#include "events/ingest.h"

PG_FUNCTION_INFO_V1(evaudit_publish);

/* Refuse a NULL where an argument is needed. */
static void
require_argument(FunctionCallInfo fcinfo, int i, const char *name)
{
	if (PG_ARGISNULL(i))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" of evaudit.publish() must not be null",
						name)));
}

/* The payload as a source would receive it: JSON in UTF-8. */
static void
set_payload(EvauditEvent *event, Jsonb *payload)
{
	char	   *text = JsonbToCString(NULL, &payload->root,
									  VARSIZE_ANY_EXHDR(payload));

	event->payload = pg_server_to_any(text, (int) strlen(text), PG_UTF8);
	event->payload_len = strlen(event->payload);
}

/* The id of an event that came without one. */
static text *
new_event_id(void)
{
	Datum		id = OidFunctionCall0(F_GEN_RANDOM_UUID);

	return cstring_to_text(DatumGetCString(DirectFunctionCall1(uuid_out, id)));
}

/*
 * publish(topic text, payload jsonb, event_id text) returns text: the event's
 * id, be it given, in the payload, or made here.  Errors: 42704 for an unknown
 * topic, 22023 for an event that the topic does not take, and whatever the
 * tables raise.
 */
Datum
evaudit_publish(PG_FUNCTION_ARGS)
{
	EvauditEvent event = {0};
	const EvauditTopic *topic;

	require_argument(fcinfo, 0, "topic");
	require_argument(fcinfo, 1, "payload");
	topic = evaudit_topic_load(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	set_payload(&event, PG_GETARG_JSONB_P(1));
	evaudit_ingest_one(topic, &event);
	if (event.reason != EVAUDIT_ACCEPTED)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("topic \"%s\" does not take this event: %s",
						topic->name, event.error),
				 errdetail("The reason is %s.",
						   evaudit_reason_name(event.reason))));

	if (!PG_ARGISNULL(2))
		PG_RETURN_DATUM(PG_GETARG_DATUM(2));
	if (event.event_id != NULL)
		PG_RETURN_TEXT_P(event.event_id);
	PG_RETURN_TEXT_P(new_event_id());
}
