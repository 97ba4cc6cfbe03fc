/*-------------------------------------------------------------------------
 *
 * await.c
 *	  What became of events at their sinks, by the places of these.
 *
 * An event is behind a sink if it is visible in the snapshot up to which all
 * is done, or in that of the batch under way and within the part that is
 * done.  Then it was delivered, unless evaudit.delivery_store has it.  A
 * sink's process commits its place with the rows that it puts there; the
 * places are read first, so that no such row is missed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "events/outbox.h"
#include "server/spi.h"
#include "sinks/await.h"
#include "sinks/sink.h"

/* A snapshot, as pg_snapshot has it. */
typedef struct SnapshotText
{
	uint64		xmin;
	uint64		xmax;
	int			nxip;
	uint64	   *xip;			/* ascending */
} SnapshotText;

/* A sink and its place. */
typedef struct Place
{
	int64		id;
	char	   *name;
	List	   *topics;
	SnapshotText low;
	bool		has_high;
	SnapshotText high;
	int64		done_seq;
	char	   *error;			/* of its process, or NULL */
} Place;

/* Read what pg_snapshot shows. */
static void
read_snapshot(const char *str, SnapshotText *snapshot)
{
	char	   *p;
	int			commas = 0;

	for (const char *c = str; *c != '\0'; c++)
		commas += *c == ',';
	snapshot->xmin = strtou64(str, &p, 10);
	snapshot->xmax = strtou64(p + 1, &p, 10);
	snapshot->nxip = 0;
	snapshot->xip = palloc((commas + 1) * sizeof(uint64));
	for (p++; *p != '\0'; p += *p == ',')
		snapshot->xip[snapshot->nxip++] = strtou64(p, &p, 10);
}

/* Compare for bsearch(). */
static int
compare_xids(const void *a, const void *b)
{
	uint64		left = *(const uint64 *) a;
	uint64		right = *(const uint64 *) b;

	return (left > right) - (left < right);
}

/* Whether a transaction is complete in a snapshot. */
static bool
is_complete(const SnapshotText *snapshot, uint64 xid)
{
	if (xid < snapshot->xmin)
		return true;
	return xid < snapshot->xmax &&
		bsearch(&xid, snapshot->xip, snapshot->nxip, sizeof(uint64),
				compare_xids) == NULL;
}

/* Set the errors that the processes of sinks show. */
static void
set_errors(Place *places, int nplaces)
{
	int			n;
	EvauditJobStats *stats = evaudit_job_stats(&evaudit_sink_job, &n);

	for (int i = 0; i < nplaces; i++)
		for (int j = 0; j < n; j++)
			if (stats[j].id == places[i].id &&
				stats[j].state != EVAUDIT_JOB_RUNNING &&
				stats[j].last_error[0] != '\0')
				places[i].error = pstrdup(stats[j].last_error);
}

/* Read the places of all sinks, by name, in the current memory context. */
static Place *
read_places(int *n)
{
	static EvauditStatement read = {
		"SELECT s.id, s.name, s.topics, p.low::text, p.high::text, p.done_seq"
		" FROM evaudit.sinks s CROSS JOIN LATERAL"
		" (SELECT * FROM evaudit.sink_positions WHERE sink_id = s.id"
		"  ORDER BY version DESC LIMIT 1) p ORDER BY s.name"
	};
	MemoryContext context = CurrentMemoryContext;
	Place	   *places;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	*n = (int) evaudit_spi_read_latest(&read, NULL, NULL);
	MemoryContextSwitchTo(context);
	places = palloc0(Max(*n, 1) * sizeof(Place));
	for (int i = 0; i < *n; i++)
	{
		Datum		topics = evaudit_spi_datum_of(i, 2, TEXTARRAYOID);

		places[i].id = evaudit_spi_int64(i, 0);
		places[i].name = evaudit_spi_text(i, 1);
		places[i].topics =
			evaudit_sink_topics(DatumGetArrayTypePCopy(topics));
		read_snapshot(evaudit_spi_text(i, 3), &places[i].low);
		places[i].has_high = !evaudit_spi_is_null(i, 4);
		if (places[i].has_high)
			read_snapshot(evaudit_spi_text(i, 4), &places[i].high);
		places[i].done_seq = evaudit_spi_int64(i, 5);
	}
	evaudit_spi_end(&spi);
	set_errors(places, *n);
	return places;
}

/* Whether an event lies behind a sink. */
static bool
is_behind(const Place *place, const EvauditAwaited *event)
{
	uint64		xid = U64FromFullTransactionId(event->xid);

	if (!event->placed)
		return true;
	return is_complete(&place->low, xid) ||
		(place->has_high && is_complete(&place->high, xid) &&
		 event->seq <= place->done_seq);
}

/* What a row of evaudit.delivery_store means for who waits. */
static void
apply_row(EvauditAwaitedSink *at, int row)
{
	const char *state = evaudit_spi_text(row, 1);

	if (strcmp(state, "skipped") == 0)
		return;
	at->state = strcmp(state, "parked") == 0 ?
		EVAUDIT_DELIVERY_PARKED : EVAUDIT_DELIVERY_PENDING;
	at->error = evaudit_spi_text_or_null(row, 2);
}

/*
 * Find which events that are behind a sink it has put aside.  "at" has what
 * is known of each of them.
 */
static void
find_put_aside(const Place *place, const int64 *seqs,
			   EvauditAwaitedSink **at, int n)
{
	static EvauditStatement find = {
		"SELECT w.n::integer, d.state, d.last_error"
		" FROM unnest($2) WITH ORDINALITY w (seq, n)"
		" JOIN evaudit.delivery_store d ON d.sink_id = $1 AND d.seq = w.seq",
		2, {INT8OID, INT8ARRAYOID},.plan_options = CURSOR_OPT_CUSTOM_PLAN
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[2];
	EvauditSpi	spi;
	int			found;

	if (n == 0)
		return;
	evaudit_spi_begin(&spi);
	values[0] = Int64GetDatum(place->id);
	values[1] = evaudit_spi_int64_array(seqs, n);
	found = (int) evaudit_spi_read_latest(&find, values, NULL);
	MemoryContextSwitchTo(context);
	for (int row = 0; row < found; row++)
		apply_row(at[evaudit_spi_int32(row, 0) - 1], row);
	evaudit_spi_end(&spi);
}

/* Find out what became of events at one sink. */
static void
check_sink(const Place *place, EvauditAwaited *events, int n)
{
	int64	   *seqs = palloc(Max(n, 1) * sizeof(int64));
	EvauditAwaitedSink **at = palloc(Max(n, 1) * sizeof(EvauditAwaitedSink *));
	int			nbehind = 0;

	for (int i = 0; i < n; i++)
	{
		EvauditAwaited *event = &events[i];
		EvauditAwaitedSink *sink;

		if (!evaudit_sink_wants_topic(place->topics, event->topic))
			continue;
		sink = palloc0(sizeof(EvauditAwaitedSink));
		sink->name = place->name;
		sink->error = place->error;
		event->sinks = lappend(event->sinks, sink);
		if (!is_behind(place, event))
			continue;
		sink->state = EVAUDIT_DELIVERY_DELIVERED;
		sink->error = NULL;
		if (!event->placed)
			continue;
		seqs[nbehind] = event->seq;
		at[nbehind++] = sink;
	}
	find_put_aside(place, seqs, at, nbehind);
}

/*
 * Find out what became of events, within a transaction and in the current
 * memory context.
 */
void
evaudit_await_check(EvauditAwaited *events, int n)
{
	int			nplaces;
	Place	   *places = read_places(&nplaces);

	for (int i = 0; i < n; i++)
		events[i].sinks = NIL;
	for (int i = 0; i < nplaces; i++)
		check_sink(&places[i], events, n);
	for (int i = 0; i < n; i++)
	{
		ListCell   *lc;

		events[i].decided = true;
		foreach(lc, events[i].sinks)
		{
			const EvauditAwaitedSink *sink = lfirst(lc);

			if (sink->state == EVAUDIT_DELIVERY_PENDING)
				events[i].decided = false;
		}
	}
}

/* Look an event up by one statement; whether it is there. */
static bool
look_up(EvauditStatement *statement, EvauditAwaited *event)
{
	Datum		values[2] = {CStringGetTextDatum(event->topic),
	CStringGetTextDatum(event->event_id)};
	bool		found = evaudit_spi_read_latest(statement, values, NULL) > 0;

	if (found && !evaudit_spi_is_null(0, 0))
	{
		event->placed = true;
		event->xid = DatumGetFullTransactionId(evaudit_spi_datum_of(0, 0,
																	XID8OID));
		event->seq = evaudit_spi_int64(0, 1);
	}
	return found;
}

/*
 * Find the place of an event that only its topic and id are known of; false:
 * no such event is known.  First where it is pending: what is not done yet of
 * the outbox, and what was put aside.  An event that was kept and is nowhere
 * else has left long ago.
 */
bool
evaudit_await_place(EvauditAwaited *event)
{
	static EvauditStatement in_outbox = {
		"SELECT xid, seq FROM evaudit.outbox"
		" WHERE topic = $1 AND event_id = $2 ORDER BY seq DESC LIMIT 1",
		2, {TEXTOID, TEXTOID}
	};
	static EvauditStatement put_aside = {
		/* of no transaction that could be running */
		"SELECT '3'::xid8, seq FROM evaudit.delivery_store"
		" WHERE topic = $1 AND event_id = $2 ORDER BY seq DESC LIMIT 1",
		2, {TEXTOID, TEXTOID}
	};
	static EvauditStatement kept = {
		"SELECT NULL FROM evaudit.events WHERE topic = $1 AND event_id = $2",
		2, {TEXTOID, TEXTOID}
	};
	static EvauditStatement audited = {
		"SELECT xid, seq FROM $S.audit WHERE $1 = 'audit' AND id = $2::uuid",
		2, {TEXTOID, TEXTOID}
	};
	bool		found;
	EvauditSpi	spi;

	event->placed = false;
	evaudit_spi_begin(&spi);
	found = look_up(&in_outbox, event) || look_up(&put_aside, event) ||
		look_up(&kept, event) ||
		(strcmp(event->topic, "audit") == 0 && look_up(&audited, event));
	evaudit_spi_end(&spi);
	return found;
}
