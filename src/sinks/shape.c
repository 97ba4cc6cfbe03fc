/*-------------------------------------------------------------------------
 *
 * shape.c
 *	  From events as they were read to deliveries: filter, transform, format.
 *
 * An event that its filter or its transform cannot be applied to, for what is
 * in it, is a delivery that is refused before it is sent.  Everything else
 * that goes wrong is an ERROR, and says nothing about the event.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "events/attempt.h"
#include "sinks/shape.h"

/* What is tried with an event. */
typedef struct Attempt
{
	const EvauditShape *shape;
	const EvauditEventValue *event;
	Jsonb	   *payload;		/* NULL: it is not sent */
} Attempt;

/*
 * Refuse options that cannot be.  What they name is looked up, but not
 * whether the current user may name it.
 */
void
evaudit_shape_check(Jsonb *options, const EvauditSinkKind *kind)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "evaudit sink check",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);

	(void) evaudit_filter_read(options);
	(void) evaudit_format_read(options, kind);
	(void) evaudit_transform_read(options, NULL);
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(context);
}

/* What a sink makes of events, in the current memory context. */
EvauditShape *
evaudit_shape_open(const EvauditSink *sink, const EvauditSinkKind *kind)
{
	EvauditShape *shape = palloc0(sizeof(EvauditShape));

	shape->filter = evaudit_filter_read(sink->options);
	shape->transform = evaudit_transform_read(sink->options, sink->name);
	if (!kind->transactional)
		shape->format = evaudit_format_read(sink->options, kind);
	return shape;
}

/* Decide whether an event is sent, and with which payload. */
static bool
make_payload(void *arg)
{
	Attempt    *attempt = arg;
	const EvauditShape *shape = attempt->shape;

	attempt->payload = attempt->event->payload;
	if (shape->filter != NULL &&
		!evaudit_filter_accepts(shape->filter, attempt->payload))
		attempt->payload = NULL;
	else if (shape->transform != NULL)
		attempt->payload = evaudit_transform_apply(shape->transform,
												   attempt->event);
	return true;
}

/* What is the same in a delivery, whatever its body. */
static void
begin_delivery(EvauditDelivery *delivery, const EvauditStreamRow *row)
{
	const EvauditEventValue *event = &row->event;

	memset(delivery, 0, sizeof(EvauditDelivery));
	delivery->event = event;
	delivery->received_at = row->received_at;
	delivery->seq = row->seq;
	delivery->id = row->id;
	delivery->attempts = row->attempts;
	delivery->topic = evaudit_format_utf8(event->topic);
	delivery->event_id = evaudit_format_utf8(text_to_cstring(event->event_id));
	if (event->key != NULL)
	{
		delivery->key = VARDATA_ANY(event->key);
		delivery->key_len = VARSIZE_ANY_EXHDR(event->key);
	}
	delivery->event_time = event->event_time;
	delivery->outcome = EVAUDIT_OUTCOME_PENDING;
}

/* Make one event a delivery; false if it is not to be sent. */
static bool
shape_one(EvauditShape *shape, const EvauditStreamRow *row,
		  EvauditDelivery *delivery)
{
	Attempt		attempt = {shape, &row->event, NULL};
	ErrorData  *error = NULL;

	/* without a function nothing is worth a subtransaction */
	if (shape->filter == NULL && shape->transform == NULL)
		attempt.payload = row->event.payload;
	else
		error = evaudit_attempt(make_payload, &attempt);
	if (error == NULL && attempt.payload == NULL)
		return false;
	begin_delivery(delivery, row);
	delivery->payload = attempt.payload;
	if (error == NULL)
	{
		if (shape->format != NULL)
			evaudit_format_apply(shape->format, attempt.payload, delivery);
		return true;
	}
	delivery->outcome = EVAUDIT_OUTCOME_REFUSED;
	delivery->code = pstrdup(unpack_sql_state(error->sqlerrcode));
	delivery->error = error->message;
	return true;
}

/* Have room for the deliveries of so many rows, beside the batch's context. */
static void
make_room(EvauditSinkBatch *batch, int n)
{
	if (n <= batch->room)
		return;
	if (batch->deliveries != NULL)
		pfree(batch->deliveries);
	batch->room = n;
	batch->deliveries =
		MemoryContextAllocHuge(MemoryContextGetParent(batch->context),
							   n * sizeof(EvauditDelivery));
}

/*
 * Make the rows of a chunk the deliveries of a batch, in its context and
 * within a transaction; those that are not to be sent are none.  The rows must
 * live as long as the batch.
 */
void
evaudit_shape_apply(EvauditShape *shape, const EvauditStreamRow *rows, int n,
					EvauditSinkBatch *batch)
{
	MemoryContext previous = MemoryContextSwitchTo(batch->context);

	make_room(batch, n);
	batch->n = 0;
	batch->bytes = 0;
	batch->error = NULL;
	batch->retry_after = 0;
	for (int i = 0; i < n; i++)
	{
		EvauditDelivery *delivery = &batch->deliveries[batch->n];

		if (!shape_one(shape, &rows[i], delivery))
			continue;
		batch->n++;
		batch->bytes += delivery->body_len;
	}
	MemoryContextSwitchTo(previous);
}
