/*-------------------------------------------------------------------------
 *
 * publish.c
 *	  evaudit.publish(): an event from SQL; evaudit.validate(): a rehearsal.
 *
 * It goes the same way as one from a source, in the caller's transaction and
 * with the caller's rights.  Where a source would write a dead letter, the
 * caller gets an error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"

#include "events/ingest.h"
#include "events/publish.h"
#include "server/arguments.h"

PG_FUNCTION_INFO_V1(evaudit_publish);
PG_FUNCTION_INFO_V1(evaudit_validate);

/* Most violations that validate() returns. */
#define MAX_VIOLATIONS		1000

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
	event->given_document = payload;
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
			 errmsg("topic \"%s\" rejects the event: %s",
					topic->name, event->error),
			 errdetail("The reason is %s.",
					   evaudit_reason_name(event->reason))));
}

/*
 * publish(topic text, payload jsonb, event_id text) returns text: the event's
 * id, be it given, in the payload, or made here.  Errors: 42704 for an unknown
 * topic, 23505 for an id that was kept with another payload, 22023 for an
 * event that the topic rejects, and whatever the tables raise.
 */
Datum
evaudit_publish(PG_FUNCTION_ARGS)
{
	char	   *name = evaudit_text_argument(fcinfo, 0, "topic");
	Jsonb	   *payload = evaudit_jsonb_argument(fcinfo, 1, "payload");
	const EvauditTopic *topic = evaudit_topic_load(name, false);
	EvauditEvent event;

	if (!evaudit_publish_event(topic, payload,
							   evaudit_text_argument_or_null(fcinfo, 2),
							   GetUserNameFromId(GetUserId(), false), false,
							   &event))
		raise_rejection(topic, &event);
	PG_RETURN_TEXT_P(event.event_id);
}

/* Return one violation. */
static void
put_violation(ReturnSetInfo *rsinfo, const char *instance_location,
			  const char *keyword_location, const char *error)
{
	Datum		values[3];
	bool		nulls[3] = {false};

	values[0] = CStringGetTextDatum(instance_location);
	values[1] = CStringGetTextDatum(keyword_location);
	values[2] = CStringGetTextDatum(error);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * validate(topic text, payload jsonb): what the payload breaks of the topic's
 * schema, or of the bounds of payloads, and then nothing else is looked at.
 */
Datum
evaudit_validate(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	EvauditEvent event = {0};
	const EvauditTopic *topic;
	List	   *violations = NIL;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	topic = evaudit_topic_load(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	event.document = PG_GETARG_JSONB_P(1);
	if (JB_ROOT_IS_OBJECT(event.document) &&
		!evaudit_payload_check_document(&event, evaudit_mapping_max_payload(topic->mapping)))
		put_violation(rsinfo, "", "", event.error);
	else if (topic->schema != NULL)
		violations = evaudit_schema_errors(topic->schema, event.document,
										   topic->assert_format,
										   MAX_VIOLATIONS);
	foreach(lc, violations)
	{
		const EvauditSchemaError *error = lfirst(lc);

		put_violation(rsinfo, error->instance_location,
					  error->keyword_location, error->message);
	}
	return (Datum) 0;
}
