/*-------------------------------------------------------------------------
 *
 * ingest.c
 *	  From received events to their effect, in one transaction.
 *
 * Whatever door an event came in by, it goes the same way:
 *
 *		bytes checked, JSON		payload.c, by the toolbox for JSON in text/
 *		document				payload.c, if the topic needs it
 *		schema					topic_schema.c
 *		values					mapping.c
 *		effect of a batch:
 *			kept				event_log.c, which finds repeated ones
 *			to be sent			outbox.c
 *			projected			merge.c or projection.c
 *
 * A batch has its effect as a whole; if the database refuses it for the sake
 * of its data, halves of it are tried in subtransactions until the events
 * that cause it stand alone.  All other errors are raised, and the batch
 * is tried again later.
 *
 * An event that was kept before is not handed to a function again.  It is
 * merged into user_services again, where that changes nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "events/attempt.h"
#include "events/event_log.h"
#include "events/ingest.h"
#include "events/merge.h"
#include "events/outbox.h"
#include "events/projection.h"
#include "events/tombstone.h"
#include "events/topic_schema.h"
#include "events/topic_stats.h"
#include "formats/format.h"

/* Events of a topic on their way to their effect. */
typedef struct Effect
{
	const EvauditTopic *topic;
	EvauditEvent **events;
	int			n;
	TimestampTz now;			/* when the batch was received */
	uint64		written;		/* see EvauditIngested.merged */
} Effect;

/*
 * Make the document of an event if its topic needs it, and check it by the
 * topic's schema.  False if the event is now rejected.
 */
static bool
inspect_payload(const void *arg, EvauditEvent *event,
				const EvauditPayload *payload, MemoryContext scratch)
{
	const EvauditTopic *topic = arg;

	if (payload != NULL)
		evaudit_payload_make_document(event, payload, scratch);
	return topic->schema == NULL || evaudit_topic_schema_check(topic, event);
}

/*
 * Give an event its id: the one that its publisher gave, else the one in its
 * payload, else the one of its message, of its place in Kafka, or a new one.
 */
static void
give_id(EvauditEvent *event)
{
	const char *transport_id;
	Datum		id;

	if (event->given_id != NULL)
		event->event_id = cstring_to_text(event->given_id);
	else if (event->event_id != NULL)
		return;
	else if ((transport_id = evaudit_event_transport_id(event)) != NULL ||
			 event->message_id != NULL)
		event->event_id = cstring_to_text(transport_id != NULL ?
										  transport_id :
										  event->message_id);
	else if (event->stream != NULL)
		event->event_id = cstring_to_text(psprintf("%s-%d-" INT64_FORMAT,
												   event->stream,
												   event->partition,
												   event->offset));
	else
	{
		id = OidFunctionCall0(F_GEN_RANDOM_UUID);
		event->event_id = cstring_to_text(DatumGetCString(DirectFunctionCall1(uuid_out,
																			  id)));
	}
}

/* Check an id that a publisher gave; false if the event is now rejected. */
static bool
check_given_id(EvauditEvent *event)
{
	size_t		len;

	if (event->given_id == NULL)
		return true;
	len = strlen(event->given_id);
	if (len == 0)
		evaudit_event_reject(event, EVAUDIT_EMPTY_FIELD,
							 "the event's id is empty");
	else if (len > EVAUDIT_MAX_ID_BYTES)
		evaudit_event_reject(event, EVAUDIT_TOO_LONG,
							 "the event's id has %zu bytes, the limit is %d",
							 len, EVAUDIT_MAX_ID_BYTES);
	return event->reason == EVAUDIT_ACCEPTED;
}

/* Whether an event is a record of Kafka without a payload. */
static bool
is_tombstone(const EvauditEvent *event)
{
	return event->payload == NULL && event->given_document == NULL &&
		event->stream != NULL && event->message_id == NULL;
}

/* Decode events that carry no rejection yet; returns those that are good. */
static int
decode_events(const EvauditTopic *topic, EvauditEvent *events, int n,
			  TimestampTz now, EvauditEvent **good)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "evaudit decode",
												  ALLOCSET_DEFAULT_SIZES);
	EvauditInspect inspect = topic->documents ? inspect_payload : NULL;
	int			ngood = 0;

	for (int i = 0; i < n; i++)
	{
		EvauditEvent *event = &events[i];

		event->repeated = false;
		event->deletes = false;
		if (topic->on_tombstone != EVAUDIT_TOMBSTONE_DEAD_LETTER &&
			event->reason == EVAUDIT_ACCEPTED && is_tombstone(event))
		{
			if (evaudit_tombstone_decode(topic, event) && event->deletes)
				good[ngood++] = event;
			continue;
		}
		if (event->reason == EVAUDIT_ACCEPTED && check_given_id(event))
			evaudit_mapping_decode(topic->mapping, event, now, scratch,
								   inspect, topic);
		if (event->reason != EVAUDIT_ACCEPTED)
			continue;
		if (topic->documents || event->given_id != NULL)
			give_id(event);
		good[ngood++] = event;
	}
	MemoryContextDelete(scratch);
	return ngood;
}

/* Those events that are to be projected, the rejected ones left out. */
static int
choose_live(const Effect *effect, EvauditEvent **live)
{
	bool		once = effect->topic->projection == EVAUDIT_PROJECT_FUNCTION;
	int			nlive = 0;

	for (int i = 0; i < effect->n; i++)
	{
		EvauditEvent *event = effect->events[i];

		if (event->reason == EVAUDIT_ACCEPTED && !(once && event->repeated))
			live[nlive++] = event;
	}
	return nlive;
}

/* Keep and project events none of which is a tombstone. */
static void
apply_events(Effect *effect)
{
	const EvauditTopic *topic = effect->topic;
	EvauditEvent **live;
	int			nlive;

	effect->written = 0;
	for (int i = 0; i < effect->n; i++)
		effect->events[i]->stored = NULL;
	/* of several, the statement that keeps them makes arrays, as they are */
	if (topic->keep && topic->has_sink && effect->n == 1)
		evaudit_outbox_compress(topic, effect->events[0]);
	if (topic->keep)
		effect->written = evaudit_event_log_add(topic, effect->events,
												effect->n, effect->now);
	if (topic->has_sink)
		evaudit_outbox_add(topic, effect->events, effect->n, effect->now);
	if (topic->projection == EVAUDIT_PROJECT_NONE)
		return;

	live = palloc(effect->n * sizeof(EvauditEvent *));
	nlive = choose_live(effect, live);
	if (topic->projection == EVAUDIT_PROJECT_USER_SERVICES)
		effect->written = evaudit_merge(live, nlive);
	else
	{
		evaudit_project(topic, live, nlive);
		effect->written = nlive;
	}
	pfree(live);
}

/*
 * Give events their effect; whatever the database raises goes on its way.
 * Those between two tombstones are applied at once, and so are tombstones in a
 * row, so that each is applied in its place.
 */
static bool
apply_batch(void *arg)
{
	Effect	   *effect = arg;
	uint64		written = 0;

	for (int i = 0, next; i < effect->n; i = next)
	{
		Effect		part = *effect;
		bool		deletes = effect->events[i]->deletes;

		for (next = i + 1; next < effect->n &&
			 effect->events[next]->deletes == deletes; next++)
			;
		part.events = &effect->events[i];
		part.n = next - i;
		if (deletes)
			part.written = evaudit_tombstones_apply(effect->topic,
													part.events, part.n);
		else
			apply_events(&part);
		written += part.written;
	}
	effect->written = written;
	return true;
}

/* Undo what a failed attempt has said of events. */
static void
forget_attempt(EvauditEvent **events, int n)
{
	for (int i = 0; i < n; i++)
	{
		events[i]->reason = EVAUDIT_ACCEPTED;
		events[i]->error = NULL;
		events[i]->repeated = false;
	}
}

/* Apply events; reject those that the database refuses. */
static uint64
ingest_or_bisect(const Effect *whole, EvauditEvent **events, int n)
{
	Effect		effect = *whole;
	ErrorData  *error;
	uint64		written;

	if (n == 0)
		return 0;
	effect.events = events;
	effect.n = n;
	error = evaudit_attempt(apply_batch, &effect);
	if (error == NULL)
		return effect.written;
	forget_attempt(events, n);
	if (n > 1)
	{
		FreeErrorData(error);
		written = ingest_or_bisect(whole, events, n / 2);
		return written + ingest_or_bisect(whole, events + n / 2, n - n / 2);
	}

	evaudit_event_reject(events[0], EVAUDIT_DATABASE_ERROR, "%s",
						 error->message);
	events[0]->sqlstate = error->sqlerrcode;
	FreeErrorData(error);
	return 0;
}

/*
 * Have deferred constraints checked right after each statement for the rest
 * of the transaction, so that what they refuse is found with the event that
 * that caused it, not at commit.
 */
void
evaudit_constraints_immediate(void)
{
	ConstraintsSetStmt *all = makeNode(ConstraintsSetStmt);

	AfterTriggerSetState(all);
}

/* Let events whose schemas are to be fetched be decoded once more. */
static void
await_schemas(EvauditEvent *events, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (events[i].reason != EVAUDIT_UNKNOWN_SCHEMA)
			continue;
		events[i].reason = EVAUDIT_ACCEPTED;
		events[i].error = NULL;
	}
}

/*
 * Give events their effect, within a transaction; what is allocated lives in
 * the current memory context.  Events that could not be used carry a
 * rejection then.
 */
void
evaudit_ingest(const EvauditTopic *topic, EvauditEvent *events, int n,
			   EvauditIngested *result)
{
	Effect		effect = {.topic = topic,.now = GetCurrentTimestamp()};
	EvauditEvent **good = palloc(n * sizeof(EvauditEvent *));
	int			ngood = decode_events(topic, events, n, effect.now, good);

	memset(result, 0, sizeof(EvauditIngested));
	result->schemas_missing = evaudit_schemas_missing();
	if (result->schemas_missing)
	{
		await_schemas(events, n);
		return;
	}
	result->merged = ingest_or_bisect(&effect, good, ngood);
	for (int i = 0; i < n; i++)
		result->rejected += events[i].reason != EVAUDIT_ACCEPTED;
	evaudit_topic_count(topic->name, events, n);
}

/*
 * Give one event its effect, within a transaction.  Errors of the database
 * are raised; other reasons to reject the event are left in it.
 */
void
evaudit_ingest_one(const EvauditTopic *topic, EvauditEvent *event)
{
	EvauditEvent *good;
	Effect		effect = {.topic = topic,.events = &good,.n = 1,
	.now = GetCurrentTimestamp()};

	if (decode_events(topic, event, 1, effect.now, &good) > 0)
		(void) apply_batch(&effect);
	if (event->reason == EVAUDIT_ACCEPTED && event->event_id == NULL)
		give_id(event);
	evaudit_topic_count(topic->name, event, 1);
}
