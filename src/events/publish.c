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
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "events/ingest.h"
#include "events/publish.h"

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
	char	   *str = JsonbToCString(NULL, &payload->root,
									 VARSIZE_ANY_EXHDR(payload));

	event->payload = pg_server_to_any(str, (int) strlen(str), PG_UTF8);
	event->payload_len = strlen(event->payload);
	event->document = payload;
}

/* Put one event through its topic: see publish.h. */
bool
evaudit_publish_event(const EvauditTopic *topic, Jsonb *payload,
					  const char *event_id, const char *subject,
					  bool granted, EvauditEvent *event)
{
	memset(event, 0, sizeof(EvauditEvent));
	event->given_id = event_id;
	event->subject = subject;
	event->granted = granted;
	set_payload(event, payload);
	evaudit_ingest_one(topic, event);
	return event->reason == EVAUDIT_ACCEPTED;
}

/* Raise the rejection of an event. */
static void
raise_rejection(const EvauditTopic *topic, const EvauditEvent *event)
{
	ereport(ERROR,
			(errcode(event->reason == EVAUDIT_CONFLICT ?
					 ERRCODE_UNIQUE_VIOLATION :
					 ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("topic \"%s\" does not take this event: %s",
					topic->name, event->error),
			 errdetail("The reason is %s.",
					   evaudit_reason_name(event->reason))));
}

/*
 * publish(topic text, payload jsonb, event_id text) returns text: the event's
 * id, be it given, in the payload, or made here.  Errors: 42704 for an unknown
 * topic, 23505 for an id that was kept with another payload, 22023 for an
 * event that the topic does not take, and whatever the tables raise.
 */
Datum
evaudit_publish(PG_FUNCTION_ARGS)
{
	EvauditEvent event;
	const EvauditTopic *topic;

	require_argument(fcinfo, 0, "topic");
	require_argument(fcinfo, 1, "payload");
	topic = evaudit_topic_load(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	if (!evaudit_publish_event(topic, PG_GETARG_JSONB_P(1),
							   PG_ARGISNULL(2) ? NULL :
							   text_to_cstring(PG_GETARG_TEXT_PP(2)),
							   GetUserNameFromId(GetUserId(), false), false,
							   &event))
		raise_rejection(topic, &event);
	PG_RETURN_TEXT_P(event.event_id);
}
