/*-------------------------------------------------------------------------
 *
 * stream_rows.c
 *	  The rows of a batch's parts, merged by seq into a chunk.
 *
 * Each part is a cursor whose rows come by seq.  What a row holds is copied
 * straight from the executor's slot into the chunk: a batch may be a backlog
 * of millions of rows, for each of which nothing else is allocated.  A part
 * that is the only one is run until the chunk is full.  Where there are more,
 * each has its next row ready in a slot, and the least is taken.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "executor/executor.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "sinks/stream_rows.h"

/* Bytes, as they are without compression, at which a chunk is full. */
#define MAX_CHUNK_BYTES	(4 * 1024 * 1024)

/* Rows of topics that are not wanted after which a chunk ends all the same. */
#define MAX_SKIPPED		20000

/* What takes the rows of cursors. */
typedef struct Reading
{
	DestReceiver receiver;		/* must be first */
	EvauditChunk *chunk;
	EvauditWanted *wanted;
	MemoryContext context;		/* of the chunk's rows */
	size_t		bytes;
	int			skipped;
	char	   *topic;			/* of the row before; NULL: there is none */
	size_t		topic_len;
	bool		is_wanted;
	TupleTableSlot *ready;		/* gets the row that comes next; NULL: the
								 * chunk does */
} Reading;

/* Whether the chunk takes no more. */
static bool
is_full(const Reading *reading)
{
	return reading->chunk->n >= reading->chunk->max_rows ||
		reading->bytes >= MAX_CHUNK_BYTES || reading->skipped >= MAX_SKIPPED;
}

/* A varlena, copied and as it is without TOAST; NULL: none. */
static void *
varlena_of(TupleTableSlot *slot, int column, size_t *bytes)
{
	Datum		value = slot->tts_values[column];

	if (slot->tts_isnull[column])
		return NULL;
	*bytes += toast_raw_datum_size(value);
	return PG_DETOAST_DATUM_COPY(value);
}

/* A text as a string; NULL: none. */
static char *
string_of(TupleTableSlot *slot, int column, size_t *bytes)
{
	Datum		value = slot->tts_values[column];

	if (slot->tts_isnull[column])
		return NULL;
	*bytes += toast_raw_datum_size(value);
	return TextDatumGetCString(value);
}

/* A time; 0: none. */
static TimestampTz
time_of(TupleTableSlot *slot, int column)
{
	return slot->tts_isnull[column] ? 0 :
		DatumGetTimestampTz(slot->tts_values[column]);
}

/* Note the topic of a row, which is mostly that of the row before. */
static void
note_topic(Reading *reading, Datum value)
{
	text	   *topic = DatumGetTextPP(value);
	size_t		len = VARSIZE_ANY_EXHDR(topic);

	if (reading->topic != NULL && reading->topic_len == len &&
		memcmp(reading->topic, VARDATA_ANY(topic), len) == 0)
		return;
	reading->topic = text_to_cstring(topic);
	reading->topic_len = len;
	reading->is_wanted = evaudit_wanted(reading->wanted, reading->topic);
}

/* Room for one more row of the chunk. */
static EvauditStreamRow *
add_row(Reading *reading)
{
	EvauditChunk *chunk = reading->chunk;
	EvauditStreamRow *row;

	if (chunk->n == chunk->room)
	{
		chunk->room *= 2;
		chunk->rows = repalloc(chunk->rows,
							   chunk->room * sizeof(EvauditStreamRow));
	}
	row = &chunk->rows[chunk->n++];
	memset(row, 0, sizeof(EvauditStreamRow));
	return row;
}

/* Take a row into the chunk, if its topic is wanted. */
static void
take_row(Reading *reading, TupleTableSlot *slot)
{
	MemoryContext previous = MemoryContextSwitchTo(reading->context);
	EvauditStreamRow *row;
	EvauditEventValue *event;

	slot_getallattrs(slot);
	note_topic(reading, slot->tts_values[EVAUDIT_ROW_TOPIC]);
	reading->chunk->end_seq = DatumGetInt64(slot->tts_values[EVAUDIT_ROW_SEQ]);
	if (!reading->is_wanted)
	{
		reading->skipped++;
		MemoryContextSwitchTo(previous);
		return;
	}
	row = add_row(reading);
	row->seq = reading->chunk->end_seq;
	row->received_at = time_of(slot, EVAUDIT_ROW_RECEIVED_AT);
	event = &row->event;
	event->topic = reading->topic;
	event->event_id = varlena_of(slot, EVAUDIT_ROW_EVENT_ID, &reading->bytes);
	event->key = varlena_of(slot, EVAUDIT_ROW_KEY, &reading->bytes);
	event->payload = varlena_of(slot, EVAUDIT_ROW_PAYLOAD, &reading->bytes);
	event->headers = varlena_of(slot, EVAUDIT_ROW_HEADERS, &reading->bytes);
	event->event_time = time_of(slot, EVAUDIT_ROW_EVENT_TIME);
	event->subject = string_of(slot, EVAUDIT_ROW_SUBJECT, &reading->bytes);
	event->source = string_of(slot, EVAUDIT_ROW_SOURCE, &reading->bytes);
	event->source_position = varlena_of(slot, EVAUDIT_ROW_SOURCE_POSITION,
										&reading->bytes);
	MemoryContextSwitchTo(previous);
}

/* DestReceiver.receiveSlot: false ends the cursor. */
static bool
receive_row(TupleTableSlot *slot, DestReceiver *receiver)
{
	Reading    *reading = (Reading *) receiver;

	if (reading->ready != NULL)
		(void) ExecCopySlot(reading->ready, slot);
	else
		take_row(reading, slot);
	return reading->ready != NULL || !is_full(reading);
}

/* The other functions of a DestReceiver, which have nothing to do. */
static void
start_receiver(DestReceiver *receiver, int operation, TupleDesc desc)
{
}

static void
end_receiver(DestReceiver *receiver)
{
}

/* Have the next row of a cursor in its slot, which is empty at the end. */
static void
fetch_one(Reading *reading, Portal portal, TupleTableSlot *ready)
{
	ExecClearTuple(ready);
	reading->ready = ready;
	(void) PortalRunFetch(portal, FETCH_FORWARD, 1, &reading->receiver);
	reading->ready = NULL;
}

/* The slot whose row comes first; -1: there are no more rows. */
static int
first_of(TupleTableSlot **ready, int n)
{
	int			first = -1;
	int64		least = 0;

	for (int i = 0; i < n; i++)
	{
		bool		isnull;
		int64		seq;

		if (TTS_EMPTY(ready[i]))
			continue;
		seq = DatumGetInt64(slot_getattr(ready[i], EVAUDIT_ROW_SEQ + 1,
										 &isnull));
		if (first < 0 || seq < least)
		{
			first = i;
			least = seq;
		}
	}
	return first;
}

/* Take rows from several cursors, by seq, until the chunk is full. */
static void
merge(Reading *reading, Portal *parts, int n)
{
	TupleTableSlot **ready = palloc(n * sizeof(TupleTableSlot *));
	int			first;

	for (int i = 0; i < n; i++)
	{
		ready[i] = MakeSingleTupleTableSlot(parts[i]->tupDesc,
											&TTSOpsHeapTuple);
		fetch_one(reading, parts[i], ready[i]);
	}
	while ((first = first_of(ready, n)) >= 0 && !is_full(reading))
	{
		take_row(reading, ready[first]);
		fetch_one(reading, parts[first], ready[first]);
	}
	reading->chunk->last = first < 0;
	for (int i = 0; i < n; i++)
		ExecDropSingleTupleTableSlot(ready[i]);
}

/*
 * Take rows from the cursors of a batch's parts until the chunk is full; what
 * they point to is allocated in a memory context.  The chunk's last says
 * whether that was all.
 */
void
evaudit_stream_take(Portal *parts, int n, EvauditWanted *wanted,
					MemoryContext context, EvauditChunk *chunk)
{
	Reading		reading = {
		.receiver = {
			.receiveSlot = receive_row,
			.rStartup = start_receiver,
			.rShutdown = end_receiver,
			.rDestroy = end_receiver,
			.mydest = DestNone,
		},
		.chunk = chunk,
		.wanted = wanted,
		.context = context,
	};

	chunk->n = 0;
	if (n > 1)
	{
		merge(&reading, parts, n);
		return;
	}
	(void) PortalRunFetch(parts[0], FETCH_FORWARD, FETCH_ALL,
						  &reading.receiver);
	chunk->last = !is_full(&reading);
}
