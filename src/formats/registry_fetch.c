/*-------------------------------------------------------------------------
 *
 * registry_fetch.c
 *	  Fetching the schemas that a batch of events misses.
 *
 * In a worker, between two transactions.  A registry that cannot be used is
 * an ERROR: the source waits, and no event is blamed for it.  An id that the
 * registry does not know is asked for twice, as a replica of it may be late;
 * then a row without a schema says so for a while.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "formats/format.h"
#include "formats/schema_store.h"
#include "server/spi.h"
#include "server/wait.h"

/* How long an unknown id is given to appear, in milliseconds. */
#define SECOND_LOOK_MS		10000

/* Milliseconds from one such wait to the next. */
#define SECOND_LOOK_INTERVAL_MS	60000

/* Rows that a registry has at most; the oldest are deleted. */
#define MAX_ROWS			10000

/* A missing schema and what became of it. */
typedef struct Fetch
{
	const EvauditMissingSchema *wanted;
	EvauditFetched fetched;
} Fetch;

/* Wait for a while, serving interrupts. */
static void
wait_millis(long millis)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													millis);
	long		left;

	while ((left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
												   until)) > 0)
	{
		evaudit_process_interrupts();
		(void) evaudit_wait(left);
	}
}

/*
 * Wait before the second look at unknown ids.  Whoever sends many of them
 * holds a source up for no more than a part of each minute.
 */
static void
await_second_look(void)
{
	static TimestampTz last = 0;
	TimestampTz now = GetCurrentTimestamp();

	if (last != 0 && now - last < SECOND_LOOK_INTERVAL_MS * INT64CONST(1000))
		return;
	last = now;
	wait_millis(SECOND_LOOK_MS);
}

/* Write a row, within a transaction. */
static void
store_row(const Fetch *fetch)
{
	static EvauditStatement put = {
		"INSERT INTO evaudit.registry_schemas AS r"
		" (server_oid, location, id, type, schema, refs)"
		" VALUES ($1, $2, $3, $4, $5, $6::jsonb)"
		" ON CONFLICT (server_oid, location, id) DO UPDATE SET"
		" type = excluded.type, schema = excluded.schema,"
		" refs = excluded.refs, fetched_at = excluded.fetched_at"
		" WHERE r.type IS NULL",
		6, {OIDOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID}
	};
	const EvauditRegistry *registry = &fetch->wanted->registry;
	const EvauditFetched *fetched = &fetch->fetched;
	Datum		values[6];
	char		nulls[6] = {' ', ' ', ' ', ' ', ' ', ' '};

	values[0] = ObjectIdGetDatum(registry->server);
	values[1] = CStringGetTextDatum(registry->location);
	values[2] = CStringGetTextDatum(fetch->wanted->id);
	if (fetched->type == NULL)
		memset(nulls + 3, 'n', 3);
	else
	{
		const char *texts[] = {fetched->type, fetched->schema,
		fetched->refs_json};

		for (int i = 0; i < lengthof(texts); i++)
			values[3 + i] = CStringGetTextDatum(pg_any_to_server(texts[i],
																 (int) strlen(texts[i]),
																 PG_UTF8));
	}
	(void) evaudit_spi_execute(&put, values, nulls);
}

/* Delete the oldest rows of a registry beyond their limit. */
static void
trim(const EvauditRegistry *registry)
{
	static EvauditStatement delete = {
		"DELETE FROM evaudit.registry_schemas WHERE (server_oid, location, id)"
		" IN (SELECT server_oid, location, id FROM evaudit.registry_schemas"
		"  WHERE server_oid = $1 ORDER BY fetched_at DESC OFFSET $2)",
		2, {OIDOID, INT4OID}
	};
	Datum		values[2] = {ObjectIdGetDatum(registry->server),
	Int32GetDatum(MAX_ROWS)};

	(void) evaudit_spi_execute(&delete, values, NULL);
}

/* Store what was fetched, in a transaction of its own. */
static void
store(const Fetch *fetches, int n)
{
	EvauditSpi	spi;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	evaudit_spi_begin(&spi);
	for (int i = 0; i < n; i++)
		store_row(&fetches[i]);
	trim(&fetches[0].wanted->registry);
	evaudit_spi_end(&spi);
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* Ask for the schemas that are not there yet; whether some are not known. */
static bool
ask(EvauditRegistryClient *client, Fetch *fetches, int n)
{
	bool		again = false;

	for (int i = 0; i < n; i++)
	{
		if (fetches[i].fetched.type != NULL)
			continue;
		evaudit_registry_get(client, fetches[i].wanted->id,
							 &fetches[i].fetched);
		again |= fetches[i].fetched.type == NULL && !fetches[i].wanted->denied;
	}
	return again;
}

/*
 * Fetch schemas of one registry, outside of a transaction; an ERROR if it
 * cannot be used.
 */
static void
fetch(List *missing)
{
	int			n = list_length(missing);
	Fetch	   *fetches = palloc0(n * sizeof(Fetch));
	EvauditRegistryClient *client;

	for (int i = 0; i < n; i++)
		fetches[i].wanted = list_nth(missing, i);
	client = evaudit_registry_open(&fetches[0].wanted->registry);
	if (ask(client, fetches, n))
	{
		await_second_look();
		(void) ask(client, fetches, n);
	}
	store(fetches, n);
}

/*
 * Fetch the schemas that were missing in the last attempt; all are of one
 * registry, that of the topic.
 */
void
evaudit_schemas_fetch(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "evaudit fetch of schemas",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);

	fetch(evaudit_schemas_take_missing());
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(context);
}

/*
 * Fetch schemas of a registry by their ids, as C strings, without a second
 * look at those that it does not know.
 */
void
evaudit_schemas_fetch_ids(const EvauditRegistry *registry, List *ids)
{
	List	   *missing = NIL;
	ListCell   *lc;

	foreach(lc, ids)
	{
		EvauditMissingSchema *entry = palloc0(sizeof(EvauditMissingSchema));

		entry->registry = *registry;
		entry->id = lfirst(lc);
		entry->denied = true;
		missing = lappend(missing, entry);
	}
	fetch(missing);
}
