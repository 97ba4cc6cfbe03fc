/*-------------------------------------------------------------------------
 *
 * delivery_retry.c
 *	  Sending again what is in evaudit.delivery_store.
 *
 * The first rows of keys that are due are loaded, each followed by those of
 * its key, in order; so a key that was blocked for long catches up by whole
 * batches.  A load is bounded in rows and bytes, whatever waits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "server/spi.h"
#include "sinks/delivery.h"

/* Rows whose users gave them up that are deleted at a time. */
#define SKIPPED_ROWS	1000

/* Bytes of payloads that a load goes on up to. */
#define LOADED_BYTES	(8 * 1024 * 1024)

/* Which rows "d" stand in the way of later ones of their key; $2: blocking. */
#define STANDS_IN_WAY \
	"(d.state IN ('retrying', 'blocked') OR d.state = 'parked' AND $2)"

/* The columns of load_rows(). */
enum LoadColumn
{
	LOAD_ID,
	LOAD_SEQ,
	LOAD_STATE,
	LOAD_KEY_HASH,
	LOAD_ATTEMPTS,
	LOAD_DUE,
	LOAD_TOPIC,
	LOAD_EVENT_ID,
	LOAD_KEY,
	LOAD_PAYLOAD,
	LOAD_HEADERS,
	LOAD_EVENT_TIME,
	LOAD_SUBJECT,
	LOAD_SOURCE,
	LOAD_SOURCE_POSITION,
	LOAD_RECEIVED_AT
};

/* Have the first rows of keys retried, if nothing is in their way. */
static void
promote(const EvauditSink *sink, const int64 *keys, int n)
{
	static EvauditStatement promote_next = {
		"UPDATE evaudit.delivery_store SET state = 'retrying',"
		" next_retry_at = clock_timestamp() WHERE state = 'blocked' AND id IN"
		" (SELECT f.id FROM unnest($3) AS k (key_hash) CROSS JOIN LATERAL"
		"  (SELECT d.id FROM evaudit.delivery_store d WHERE d.sink_id = $1"
		"   AND d.key_hash = k.key_hash AND " STANDS_IN_WAY
		"   ORDER BY d.seq LIMIT 1) f)",
		3, {INT8OID, BOOLOID, INT8ARRAYOID},
		.plan_options = CURSOR_OPT_CUSTOM_PLAN
	};
	Datum		values[3];

	if (n == 0)
		return;
	values[0] = Int64GetDatum(sink->id);
	values[1] = BoolGetDatum(sink->blocking);
	values[2] = evaudit_spi_int64_array(keys, n);
	(void) evaudit_spi_execute(&promote_next, values, NULL);
}

/*
 * Have retried what nothing is in the way of any more: what a sink parks may
 * not block what follows since its options changed.  Once, when its process
 * starts.
 */
void
evaudit_deliveries_release(const EvauditSink *sink)
{
	static EvauditStatement release = {
		"UPDATE evaudit.delivery_store SET state = 'retrying',"
		" next_retry_at = clock_timestamp() WHERE state = 'blocked' AND id IN"
		" (SELECT DISTINCT ON (d.key_hash) d.id FROM evaudit.delivery_store d"
		"  WHERE d.sink_id = $1 AND d.key_hash IS NOT NULL AND "
		STANDS_IN_WAY " ORDER BY d.key_hash, d.seq)",
		2, {INT8OID, BOOLOID},.plan_options = CURSOR_OPT_CUSTOM_PLAN
	};
	Datum		values[2];
	EvauditSpi	spi;

	values[0] = Int64GetDatum(sink->id);
	values[1] = BoolGetDatum(sink->blocking);
	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&release, values, NULL);
	evaudit_spi_end(&spi);
}

/* Delete some rows that users gave up; how many that was. */
static int
delete_skipped(const EvauditSink *sink)
{
	static EvauditStatement delete = {
		"DELETE FROM evaudit.delivery_store WHERE id IN"
		" (SELECT d.id FROM evaudit.delivery_store d WHERE d.sink_id = $1"
		"  AND d.state = 'skipped' ORDER BY d.seq LIMIT $2)"
		" RETURNING COALESCE(key_hash, 0), key_hash IS NOT NULL",
		2, {INT8OID, INT4OID},.plan_options = CURSOR_OPT_CUSTOM_PLAN
	};
	Datum		values[2];
	int			n;
	int			nkeys = 0;
	int64	   *keys;

	values[0] = Int64GetDatum(sink->id);
	values[1] = Int32GetDatum(SKIPPED_ROWS);
	n = (int) evaudit_spi_execute(&delete, values, NULL);
	keys = palloc(Max(n, 1) * sizeof(int64));
	for (int i = 0; i < n; i++)
		if (evaudit_spi_bool(i, 1))
			keys[nkeys++] = evaudit_spi_int64(i, 0);
	promote(sink, keys, nkeys);
	return n;
}

/*
 * When the next delivery is due; false: none is.  What users gave up counts
 * as due.
 */
bool
evaudit_deliveries_next(const EvauditSink *sink, TimestampTz *next)
{
	static EvauditStatement find = {
		"SELECT CASE WHEN EXISTS (SELECT FROM evaudit.delivery_store"
		"  WHERE sink_id = $1 AND state = 'skipped') THEN '-infinity'"
		" ELSE (SELECT next_retry_at FROM evaudit.delivery_store"
		"  WHERE sink_id = $1 AND state = 'retrying'"
		"  ORDER BY next_retry_at LIMIT 1) END",
		1, {INT8OID}
	};
	Datum		value = Int64GetDatum(sink->id);
	bool		found;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&find, &value, NULL);
	found = !evaudit_spi_is_null(0, 0);
	*next = found ? evaudit_spi_timestamptz(0, 0) : 0;
	evaudit_spi_end(&spi);
	return found;
}

/* A text of the result, or NULL. */
static text *
text_or_null(int row, int column)
{
	return evaudit_spi_is_null(row, column) ? NULL :
		DatumGetTextPCopy(evaudit_spi_datum_of(row, column, TEXTOID));
}

/* Read a row as an event, in the current memory context. */
static void
read_row(int row, EvauditStreamRow *event)
{
	EvauditEventValue *value = &event->event;

	event->id = evaudit_spi_int64(row, LOAD_ID);
	event->seq = evaudit_spi_int64(row, LOAD_SEQ);
	event->has_key_hash = !evaudit_spi_is_null(row, LOAD_KEY_HASH);
	event->key_hash = event->has_key_hash ?
		evaudit_spi_int64(row, LOAD_KEY_HASH) : 0;
	event->attempts = evaudit_spi_int32(row, LOAD_ATTEMPTS);
	value->topic = evaudit_spi_text(row, LOAD_TOPIC);
	value->event_id = text_or_null(row, LOAD_EVENT_ID);
	value->key = evaudit_spi_bytea_or_null(row, LOAD_KEY);
	value->payload = evaudit_spi_jsonb(row, LOAD_PAYLOAD);
	value->headers = evaudit_spi_jsonb_or_null(row, LOAD_HEADERS);
	value->event_time = evaudit_spi_timestamptz(row, LOAD_EVENT_TIME);
	value->subject = evaudit_spi_text_or_null(row, LOAD_SUBJECT);
	value->source = evaudit_spi_text_or_null(row, LOAD_SOURCE);
	value->source_position = evaudit_spi_jsonb_or_null(row,
													   LOAD_SOURCE_POSITION);
	event->received_at = evaudit_spi_timestamptz(row, LOAD_RECEIVED_AT);
}

/* Bytes of a row's payload, without reading it. */
static Size
payload_bytes(int row)
{
	return toast_raw_datum_size(evaudit_spi_datum_of(row, LOAD_PAYLOAD,
													 JSONBOID));
}

/*
 * Whether a row of the result is sent now.  Rows of a key come together, in
 * order; "stopped" says that an earlier one of the key is not.
 */
static bool
is_sendable(const EvauditSink *sink, int row, TimestampTz now, bool *stopped)
{
	const char *state = evaudit_spi_text(row, LOAD_STATE);

	if (*stopped || strcmp(state, "skipped") == 0)
		return false;
	if (strcmp(state, "parked") == 0)
		*stopped = sink->blocking;
	else if (strcmp(state, "blocked") == 0)
		return true;
	else if (evaudit_spi_timestamptz(row, LOAD_DUE) <= now)
		return true;
	else
		*stopped = true;
	return false;
}

/* Whether two rows of the result are of one key. */
static bool
same_key(int row, int other)
{
	return !evaudit_spi_is_null(row, LOAD_KEY_HASH) &&
		!evaudit_spi_is_null(other, LOAD_KEY_HASH) &&
		evaudit_spi_int64(row, LOAD_KEY_HASH) ==
		evaudit_spi_int64(other, LOAD_KEY_HASH);
}

/* Take those rows of the result that are sent, within the bound of bytes. */
static EvauditStreamRow *
take_rows(const EvauditSink *sink, int nrows, TimestampTz now, int *n)
{
	EvauditStreamRow *events = palloc0(Max(nrows, 1) * sizeof(EvauditStreamRow));
	bool		stopped = false;
	Size		bytes = 0;

	*n = 0;
	for (int row = 0; row < nrows; row++)
	{
		if (row > 0 && !same_key(row, row - 1))
			stopped = false;
		if (!is_sendable(sink, row, now, &stopped))
			continue;
		bytes += payload_bytes(row);
		if (*n > 0 && bytes > LOADED_BYTES)
			break;
		read_row(row, &events[(*n)++]);
	}
	return events;
}

/* Compare for qsort(): by seq. */
static int
by_seq(const void *a, const void *b)
{
	int64		left = ((const EvauditStreamRow *) a)->seq;
	int64		right = ((const EvauditStreamRow *) b)->seq;

	return (left > right) - (left < right);
}

/*
 * Load what is to be sent again now, by seq, in the current memory context;
 * NULL: nothing is.
 */
EvauditStreamRow *
evaudit_deliveries_load(const EvauditSink *sink, int *n)
{
	static EvauditStatement load = {
		"SELECT r.id, r.seq, r.state, r.key_hash, r.attempts, r.next_retry_at,"
		" r.topic, r.event_id, r.key, r.payload, r.headers, r.event_time,"
		" r.subject, r.source, r.source_position, r.received_at"
		" FROM (SELECT h.id, h.key_hash, h.seq FROM evaudit.delivery_store h"
		"  WHERE h.sink_id = $1 AND h.state = 'retrying'"
		"  AND h.next_retry_at <= $3 AND NOT EXISTS"
		"   (SELECT FROM evaudit.delivery_store d WHERE d.sink_id = $1"
		"    AND d.key_hash = h.key_hash AND d.seq < h.seq"
		"    AND " STANDS_IN_WAY ")"
		"  ORDER BY h.next_retry_at, h.seq LIMIT $4) h"
		" CROSS JOIN LATERAL (SELECT * FROM evaudit.delivery_store s"
		"  WHERE s.id = h.id UNION ALL"
		"  (SELECT * FROM evaudit.delivery_store l WHERE l.sink_id = $1"
		"   AND l.key_hash = h.key_hash AND l.seq > h.seq"
		"   ORDER BY l.seq LIMIT $4)) r LIMIT $4",
		4, {INT8OID, BOOLOID, TIMESTAMPTZOID, INT4OID},
		.plan_options = CURSOR_OPT_CUSTOM_PLAN
	};
	MemoryContext context = CurrentMemoryContext;
	TimestampTz now = GetCurrentTimestamp();
	EvauditStreamRow *events;
	Datum		values[4];
	int			nrows;
	EvauditSpi	spi;

	values[0] = Int64GetDatum(sink->id);
	values[1] = BoolGetDatum(sink->blocking);
	values[2] = TimestampTzGetDatum(now);
	values[3] = Int32GetDatum(sink->batch_size);
	*n = 0;
	evaudit_spi_begin(&spi);
	while (delete_skipped(sink) == SKIPPED_ROWS)
		CHECK_FOR_INTERRUPTS();
	nrows = (int) evaudit_spi_execute(&load, values, NULL);
	MemoryContextSwitchTo(context);
	events = take_rows(sink, nrows, now, n);
	evaudit_spi_end(&spi);
	if (*n == 0)
		return NULL;
	qsort(events, *n, sizeof(EvauditStreamRow), by_seq);
	return events;
}

/* Note why a delivery was not made, and what that means. */
static void
update_row(const EvauditDelivery *delivery)
{
	static EvauditStatement update = {
		"UPDATE evaudit.delivery_store SET state = $2, attempts = $3,"
		" code = $4, last_error = $5, next_retry_at = $6"
		" WHERE id = $1 AND state <> 'skipped'",
		6, {INT8OID, TEXTOID, INT4OID, TEXTOID, TEXTOID, TIMESTAMPTZOID}
	};
	bool		parked = delivery->outcome == EVAUDIT_OUTCOME_REFUSED;
	int			attempts = delivery->attempts + 1;
	Datum		values[6];
	char		nulls[6];

	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int64GetDatum(delivery->id);
	values[1] = CStringGetTextDatum(parked ? "parked" : "retrying");
	values[2] = Int32GetDatum(attempts);
	nulls[3] = delivery->code == NULL ? 'n' : ' ';
	values[3] = delivery->code == NULL ? (Datum) 0 :
		CStringGetTextDatum(delivery->code);
	nulls[4] = delivery->error == NULL ? 'n' : ' ';
	values[4] = delivery->error == NULL ? (Datum) 0 :
		CStringGetTextDatum(evaudit_delivery_clipped(delivery->error));
	nulls[5] = parked ? 'n' : ' ';
	values[5] = TimestampTzGetDatum(parked ? 0 :
									evaudit_delivery_retry_at(attempts));
	(void) evaudit_spi_execute(&update, values, nulls);
}

/* Delete rows. */
static void
delete_rows(const int64 *ids, int n)
{
	static EvauditStatement delete = {
		"DELETE FROM evaudit.delivery_store WHERE id = ANY ($1)",
		1, {INT8ARRAYOID},.plan_options = CURSOR_OPT_CUSTOM_PLAN
	};
	Datum		value = evaudit_spi_int64_array(ids, n);

	if (n > 0)
		(void) evaudit_spi_execute(&delete, &value, NULL);
}

/*
 * Record what became of rows that were loaded and handed over as a batch,
 * which has been reviewed: those that are no part of it any more, for a
 * filter's sake, are done with.  What is pending, or held without an error of
 * its own, stays as it was.
 */
void
evaudit_deliveries_finish(const EvauditSink *sink,
						  const EvauditStreamRow *rows, int n,
						  const EvauditSinkBatch *batch)
{
	int64	   *done = palloc(Max(n, 1) * sizeof(int64));
	int64	   *keys = palloc(Max(n, 1) * sizeof(int64));
	int			ndone = 0;
	int			nkeys = 0;
	int			next = 0;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	for (int i = 0; i < n; i++)
	{
		/* deliveries are in the order of the rows that they are of */
		const EvauditDelivery *delivery = next < batch->n &&
			batch->deliveries[next].event == &rows[i].event ?
			&batch->deliveries[next++] : NULL;

		if (rows[i].has_key_hash)
			keys[nkeys++] = rows[i].key_hash;
		if (delivery == NULL ||
			delivery->outcome == EVAUDIT_OUTCOME_DELIVERED)
			done[ndone++] = rows[i].id;
		else if (delivery->outcome == EVAUDIT_OUTCOME_REFUSED ||
				 (delivery->outcome == EVAUDIT_OUTCOME_HELD &&
				  delivery->error != NULL))
			update_row(delivery);
	}
	delete_rows(done, ndone);
	promote(sink, keys, nkeys);
	evaudit_spi_end(&spi);
	pfree(done);
	pfree(keys);
}

/*
 * Note which rows a batch sends that the destination will remember by its
 * number.
 */
void
evaudit_deliveries_mark(const EvauditSink *sink, const EvauditSinkBatch *batch,
						int64 number)
{
	static EvauditStatement mark = {
		"UPDATE evaudit.delivery_store SET batch = CASE WHEN id = ANY ($2)"
		" THEN $3 END WHERE sink_id = $1"
		" AND (id = ANY ($2) OR batch IS NOT NULL)",
		3, {INT8OID, INT8ARRAYOID, INT8OID},
		.plan_options = CURSOR_OPT_CUSTOM_PLAN
	};
	int64	   *ids = palloc(Max(batch->n, 1) * sizeof(int64));
	int			n = 0;
	Datum		values[3];
	EvauditSpi	spi;

	for (int i = 0; i < batch->n; i++)
		if (batch->deliveries[i].outcome == EVAUDIT_OUTCOME_PENDING)
			ids[n++] = batch->deliveries[i].id;
	evaudit_spi_begin(&spi);
	values[0] = Int64GetDatum(sink->id);
	values[1] = evaudit_spi_int64_array(ids, n);
	values[2] = Int64GetDatum(number);
	(void) evaudit_spi_execute(&mark, values, NULL);
	evaudit_spi_end(&spi);
	pfree(ids);
}

/* After a crash: a batch of that number is delivered, or still to be sent. */
void
evaudit_deliveries_recover(const EvauditSink *sink, int64 number, bool sent)
{
	static EvauditStatement delete = {
		"DELETE FROM evaudit.delivery_store WHERE sink_id = $1 AND batch = $2",
		2, {INT8OID, INT8OID}
	};
	Datum		values[2] = {Int64GetDatum(sink->id), Int64GetDatum(number)};
	EvauditSpi	spi;

	if (!sent)
		return;
	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&delete, values, NULL);
	evaudit_spi_end(&spi);
	evaudit_deliveries_release(sink);
}
