/*-------------------------------------------------------------------------
 *
 * delivery_hold.c
 *	  What of a batch cannot leave in its turn.
 *
 *		decide		in the transaction that decides the batch, before any of
 *					it is sent: what is here already, and what waits behind it
 *		review		after send(): what that refused, what failed alone, and
 *					what waits behind these
 *		store		in the transaction that moves the position, or decides the
 *					rest of the batch anew: the rows of all these
 *
 * A delivery that is held is one of which a row says why: it is retrying if
 * it has an error of its own, else blocked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "runtime/runtime.h"
#include "server/spi.h"
#include "sinks/delivery.h"

/* Longest error that is kept, in bytes. */
#define MAX_ERROR_BYTES		2000

/* Milliseconds before the second attempt; each pause doubles the one before. */
#define FIRST_PAUSE			1000
#define MAX_DOUBLINGS		20

/*
 * The hash by which keys are told apart.  Two keys of one hash wait for each
 * other at worst.
 */
static int64
key_hash(const EvauditDelivery *delivery)
{
	return (int64) hash_bytes_extended((const unsigned char *) delivery->key,
									   (int) delivery->key_len, 0);
}

/* When a delivery that failed so many times is tried again. */
TimestampTz
evaudit_delivery_retry_at(int attempts)
{
	int64		pause = (int64) FIRST_PAUSE
		<< Min(Max(attempts, 1) - 1, MAX_DOUBLINGS);

	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
									   Min(pause, evaudit_max_backoff));
}

/* A set of numbers, in a memory context. */
static HTAB *
make_set(const char *name, MemoryContext context)
{
	HASHCTL		ctl = {
		.keysize = sizeof(int64),
		.entrysize = sizeof(int64),
		.hcxt = context,
	};

	return hash_create(name, 128, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Whether a number is in a set. */
static bool
is_in(HTAB *set, int64 number)
{
	return hash_search(set, &number, HASH_FIND, NULL) != NULL;
}

/* Add a number to a set. */
static void
add_to(HTAB *set, int64 number)
{
	(void) hash_search(set, &number, HASH_ENTER, NULL);
}

/* Add the first column of the last query's result to a set. */
static void
add_result(HTAB *set, uint64 n)
{
	for (uint64 row = 0; row < n; row++)
		add_to(set, evaudit_spi_int64((int) row, 0));
}

/* Whether a sink has any deliveries here; most have none. */
static bool
has_any(const EvauditSink *sink)
{
	static EvauditStatement find = {
		"SELECT EXISTS (SELECT FROM evaudit.delivery_store"
		" WHERE sink_id = $1)",
		1, {INT8OID}
	};
	Datum		value = Int64GetDatum(sink->id);

	(void) evaudit_spi_execute(&find, &value, NULL);
	return evaudit_spi_bool(0, 0);
}

/* Hold back what a batch that is read again after a crash has put here. */
static void
hold_known(const EvauditSink *sink, EvauditSinkBatch *batch)
{
	static EvauditStatement find = {
		"SELECT seq FROM evaudit.delivery_store"
		" WHERE sink_id = $1 AND seq BETWEEN $2 AND $3",
		3, {INT8OID, INT8OID, INT8OID},.plan_options = CURSOR_OPT_CUSTOM_PLAN
	};
	HTAB	   *known = make_set("evaudit deliveries that are known",
								 CurrentMemoryContext);
	int64		first = batch->deliveries[0].seq;
	int64		last = first;
	Datum		values[3];

	for (int i = 1; i < batch->n; i++)
	{
		first = Min(first, batch->deliveries[i].seq);
		last = Max(last, batch->deliveries[i].seq);
	}
	values[0] = Int64GetDatum(sink->id);
	values[1] = Int64GetDatum(first);
	values[2] = Int64GetDatum(last);
	add_result(known, evaudit_spi_execute(&find, values, NULL));
	for (int i = 0; i < batch->n; i++)
	{
		if (!is_in(known, batch->deliveries[i].seq))
			continue;
		batch->deliveries[i].outcome = EVAUDIT_OUTCOME_HELD;
		batch->deliveries[i].stored = true;
	}
}

/* Find which of a batch's keys have to wait. */
static void
find_held_keys(const EvauditSink *sink, const EvauditSinkBatch *batch)
{
	static EvauditStatement find = {
		"SELECT DISTINCT key_hash FROM evaudit.delivery_store"
		" WHERE sink_id = $1 AND key_hash = ANY ($2)"
		" AND (state IN ('retrying', 'blocked') OR state = 'parked' AND $3)",
		3, {INT8OID, INT8ARRAYOID, BOOLOID},
		.plan_options = CURSOR_OPT_CUSTOM_PLAN
	};
	int64	   *hashes = palloc(batch->n * sizeof(int64));
	int			n = 0;
	Datum		values[3];

	for (int i = 0; i < batch->n; i++)
		if (batch->deliveries[i].key != NULL)
			hashes[n++] = key_hash(&batch->deliveries[i]);
	values[0] = Int64GetDatum(sink->id);
	values[1] = evaudit_spi_int64_array(hashes, n);
	values[2] = BoolGetDatum(sink->blocking);
	add_result(batch->held_keys, evaudit_spi_execute(&find, values, NULL));
	pfree(hashes);
}

/* Whether a delivery waits for an earlier one of its key. */
static bool
waits(const EvauditSink *sink, const EvauditSinkBatch *batch,
	  const EvauditDelivery *delivery)
{
	return sink->ordered && delivery->key != NULL &&
		is_in(batch->held_keys, key_hash(delivery));
}

/* Have later deliveries of a delivery's key wait, if they are to. */
static void
hold_up_key(const EvauditSink *sink, EvauditSinkBatch *batch,
			const EvauditDelivery *delivery)
{
	if (sink->ordered && delivery->key != NULL &&
		(delivery->outcome == EVAUDIT_OUTCOME_HELD || sink->blocking))
		add_to(batch->held_keys, key_hash(delivery));
}

/*
 * The destination failed for a delivery: what becomes of it.  It is put aside
 * if others are taken, and refused when it was tried often enough, whether
 * others are taken or not.
 */
static EvauditOutcome
outcome_of_failure(const EvauditSink *sink, const EvauditSinkBatch *batch,
				   EvauditDelivery *delivery)
{
	if (sink->max_attempts > 0 &&
		delivery->attempts + 1 >= sink->max_attempts)
		return EVAUDIT_OUTCOME_REFUSED;
	if (batch->error == NULL)
		return EVAUDIT_OUTCOME_HELD;
	delivery->attempts++;
	return EVAUDIT_OUTCOME_PENDING;
}

/*
 * Give what does not stay pending its outcome.  Returns whether anything is
 * pending still that nothing is known to be wrong with.
 */
bool
evaudit_deliveries_review(const EvauditSink *sink, EvauditSinkBatch *batch)
{
	bool		pending = false;

	for (int i = 0; i < batch->n; i++)
	{
		EvauditDelivery *delivery = &batch->deliveries[i];

		if (delivery->outcome == EVAUDIT_OUTCOME_DELIVERED)
			continue;
		if (!delivery->stored && waits(sink, batch, delivery))
		{
			delivery->outcome = EVAUDIT_OUTCOME_HELD;
			delivery->error = NULL;
			delivery->code = NULL;
		}
		else if (delivery->outcome == EVAUDIT_OUTCOME_PENDING &&
				 delivery->failed)
			delivery->outcome = outcome_of_failure(sink, batch, delivery);
		if (delivery->outcome == EVAUDIT_OUTCOME_PENDING)
			pending = true;
		else
			hold_up_key(sink, batch, delivery);
	}
	return pending;
}

/* Begin with a batch that nothing is known of. */
void
evaudit_deliveries_begin(EvauditSinkBatch *batch)
{
	batch->held_keys = make_set("evaudit keys that wait", batch->context);
}

/*
 * Before a batch is sent, within the transaction that decides it: hold back
 * what cannot go, and store it.
 */
void
evaudit_deliveries_decide(const EvauditSink *sink, EvauditSinkBatch *batch)
{
	EvauditSpi	spi;

	evaudit_deliveries_begin(batch);
	if (batch->n == 0)
		return;
	evaudit_spi_begin(&spi);
	if (has_any(sink))
	{
		hold_known(sink, batch);
		if (sink->ordered)
			find_held_keys(sink, batch);
	}
	evaudit_spi_end(&spi);
	(void) evaudit_deliveries_review(sink, batch);
	evaudit_deliveries_store(sink, batch);
}

/* A text parameter, or NULL. */
static void
set_text(Datum *values, char *nulls, int i, const char *str)
{
	nulls[i] = str == NULL ? 'n' : ' ';
	values[i] = str == NULL ? (Datum) 0 : CStringGetTextDatum(str);
}

/* A parameter that is a varlena, or NULL. */
static void
set_pointer(Datum *values, char *nulls, int i, const void *value)
{
	nulls[i] = value == NULL ? 'n' : ' ';
	values[i] = PointerGetDatum(value);
}

/* As much of an error as is kept. */
char *
evaudit_delivery_clipped(const char *error)
{
	int			len = (int) strlen(error);

	return pnstrdup(error, pg_mbcliplen(error, len, MAX_ERROR_BYTES));
}

/* Add the row of a delivery that stays behind. */
static void
add_row(const EvauditSink *sink, const EvauditDelivery *delivery)
{
	static EvauditStatement add = {
		"INSERT INTO evaudit.delivery_store (sink_id, seq, state, key_hash,"
		" attempts, code, last_error, next_retry_at, since, topic, event_id,"
		" key, payload, headers, event_time, subject, source,"
		" source_position, received_at) VALUES ($1, $2, $3, $4, $5, $6, $7,"
		" $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
		19, {INT8OID, INT8OID, TEXTOID, INT8OID, INT4OID, TEXTOID, TEXTOID,
			TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, BYTEAOID,
			JSONBOID, JSONBOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, JSONBOID,
		TIMESTAMPTZOID}
	};
	const EvauditEventValue *event = delivery->event;
	bool		parked = delivery->outcome == EVAUDIT_OUTCOME_REFUSED;
	bool		retrying = !parked && delivery->error != NULL;
	int			attempts = parked || retrying ? delivery->attempts + 1 : 0;
	Datum		values[19];
	char		nulls[19];

	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int64GetDatum(sink->id);
	values[1] = Int64GetDatum(delivery->seq);
	values[2] = CStringGetTextDatum(parked ? "parked" :
									retrying ? "retrying" : "blocked");
	nulls[3] = sink->ordered && delivery->key != NULL ? ' ' : 'n';
	values[3] = nulls[3] == 'n' ? (Datum) 0 :
		Int64GetDatum(key_hash(delivery));
	values[4] = Int32GetDatum(attempts);
	set_text(values, nulls, 5, delivery->code);
	set_text(values, nulls, 6, delivery->error == NULL ? NULL :
			 evaudit_delivery_clipped(delivery->error));
	nulls[7] = retrying ? ' ' : 'n';
	values[7] = TimestampTzGetDatum(retrying ?
									evaudit_delivery_retry_at(attempts) : 0);
	values[8] = TimestampTzGetDatum(GetCurrentTimestamp());
	set_text(values, nulls, 9, event->topic);
	set_pointer(values, nulls, 10, event->event_id);
	set_pointer(values, nulls, 11, event->key);
	set_pointer(values, nulls, 12, event->payload);
	set_pointer(values, nulls, 13, event->headers);
	values[14] = TimestampTzGetDatum(event->event_time);
	set_text(values, nulls, 15, event->subject);
	set_text(values, nulls, 16, event->source);
	set_pointer(values, nulls, 17, event->source_position);
	values[18] = TimestampTzGetDatum(delivery->received_at);
	(void) evaudit_spi_execute(&add, values, nulls);
}

/* Within a transaction: add the rows of what stays behind and has none. */
void
evaudit_deliveries_store(const EvauditSink *sink, EvauditSinkBatch *batch)
{
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	for (int i = 0; i < batch->n; i++)
	{
		EvauditDelivery *delivery = &batch->deliveries[i];

		if (delivery->stored || delivery->id != 0 ||
			(delivery->outcome != EVAUDIT_OUTCOME_REFUSED &&
			 delivery->outcome != EVAUDIT_OUTCOME_HELD))
			continue;
		add_row(sink, delivery);
		delivery->stored = true;
	}
	evaudit_spi_end(&spi);
}
