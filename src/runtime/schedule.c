/*-------------------------------------------------------------------------
 *
 * schedule.c
 *	  What the scheduler of a database shall keep running: the sources as
 *	  the tables have them.
 *
 * The list is brought up to date in place, so that supervise.c finds its
 * workers again.  An entry that is not wanted any more stays until they are
 * gone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "runtime/schedule.h"
#include "server/foreign_options.h"
#include "server/spi.h"
#include "sources/source.h"

List	   *evaudit_schedule = NIL;

/* The entry of a source, or NULL. */
static EvauditSourceEntry *
find_entry(int64 id)
{
	ListCell   *lc;

	foreach(lc, evaudit_schedule)
	{
		EvauditSourceEntry *entry = lfirst(lc);

		if (entry->id == id)
			return entry;
	}
	return NULL;
}

/* The entry of a source, made if there is none. */
static EvauditSourceEntry *
get_entry(int64 id)
{
	MemoryContext previous;
	EvauditSourceEntry *entry = find_entry(id);

	if (entry != NULL)
		return entry;
	previous = MemoryContextSwitchTo(TopMemoryContext);
	entry = palloc0(sizeof(EvauditSourceEntry));
	entry->id = id;
	evaudit_schedule = lappend(evaudit_schedule, entry);
	MemoryContextSwitchTo(previous);
	return entry;
}

/*
 * Why no worker can run as the owner of a source, or NULL.  The server would
 * end the worker for it too, but tell only its log.
 */
static const char *
owner_trouble(int row)
{
	bool		isnull;
	bool		can_login = DatumGetBool(evaudit_spi_datum(row, 6, &isnull));

	if (isnull)
		return "its owner does not exist any more";
	if (!can_login)
		return "its owner is not permitted to log in";
	if (!DatumGetBool(evaudit_spi_datum(row, 7, &isnull)))
		return "its owner is not permitted to connect to the database";
	return NULL;
}

/*
 * What defines a source, as a number.  Whether its owner may use the server's
 * own credentials is no option of it, but ends its workers, too.
 */
static int64
definition_of(int row, Oid owner)
{
	bool		isnull;
	int64		definition = DatumGetInt64(evaudit_spi_datum(row, 5, &isnull));

	if (OidIsValid(owner) && evaudit_may_use_ambient(owner))
		return ~definition;
	return definition;
}

/* Take one row of evaudit.sources. */
static void
read_source(int row)
{
	bool		isnull;
	EvauditSourceEntry *entry = get_entry(DatumGetInt64(evaudit_spi_datum(row, 0,
																		  &isnull)));
	const EvauditSourceKind *kind = evaudit_source_kind(evaudit_spi_text(row, 3));
	Oid			owner = get_role_oid(evaudit_spi_text(row, 2), true);
	int64		definition = definition_of(row, owner);

	entry->wanted = true;
	if (entry->name != NULL && entry->definition == definition)
		return;

	/* new, or another than before: what went wrong before may not now */
	entry->ending = entry->name != NULL;
	if (entry->name != NULL)
		pfree(entry->name);
	entry->name = MemoryContextStrdup(TopMemoryContext,
									  evaudit_spi_text(row, 1));
	entry->owner = owner;
	entry->trouble = owner_trouble(row);
	entry->nworkers = kind->workers(DatumGetJsonbP(evaudit_spi_datum(row, 4,
																	 &isnull)));
	entry->definition = definition;
	for (int i = 0; i < EVAUDIT_MAX_WORKERS; i++)
	{
		entry->workers[i].failures = 0;
		entry->workers[i].not_before = 0;
	}
}

/* Nothing is to run any more, unless it is found to be wanted. */
static void
want_none(void)
{
	ListCell   *lc;

	foreach(lc, evaudit_schedule)
		((EvauditSourceEntry *) lfirst(lc))->wanted = false;
}

/*
 * Give back the slots of sources that are not among n that exist.  Workers
 * that run yet write to their slot: it goes when the last of them is gone.
 */
static void
free_slots_but(const Datum *ids, int n)
{
	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < evaudit_shared->nsources; i++)
	{
		EvauditSourceSlot *slot = &evaudit_shared->sources[i];
		bool		exists = slot->database != MyDatabaseId;
		EvauditSourceEntry *entry;

		for (int j = 0; j < n; j++)
			exists |= DatumGetInt64(ids[j]) == slot->source_id;
		if (exists)
			continue;
		entry = find_entry(slot->source_id);
		if (entry != NULL)
			entry->dropped = true;
		else
			evaudit_free_source(slot);
	}
	LWLockRelease(evaudit_shared->lock);
}

/*
 * Give back the slots of sources that were dropped; of those that are only
 * paused they keep the counters.  Within a transaction and SPI.
 */
static void
free_slots_of_dropped(void)
{
	static EvauditStatement list = {
		"SELECT array_agg(id) FROM evaudit.sources", 0
	};
	Datum	   *ids = NULL;
	int			n = 0;
	bool		isnull;
	Datum		array;

	(void) evaudit_spi_execute(&list, NULL, NULL);
	array = evaudit_spi_datum(0, 0, &isnull);
	if (!isnull)
		deconstruct_array(DatumGetArrayTypeP(array), INT8OID, sizeof(int64),
						  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &ids, NULL, &n);
	free_slots_but(ids, n);
}

/* The extension is gone, and all sources with it. */
void
evaudit_schedule_clear(void)
{
	want_none();
	free_slots_but(NULL, 0);
}

/*
 * Read which sources shall run, within a transaction.  What defines a source
 * includes its owner's user mapping, whose secrets stay in the hash.
 */
void
evaudit_schedule_read(void)
{
	static EvauditStatement read = {
		"SELECT s.id, s.name, s.owner, s.kind, s.options,"
		" hashtextextended(row(s.name, s.owner, r.oid, r.rolcanlogin, p.connect,"
		"  s.server, s.topic, s.options, s.seek_number, f.oid, f.srvoptions,"
		"  u.umoptions, t.options, t.schema_version)::text, 0),"
		" r.rolcanlogin, p.connect"
		" FROM evaudit.sources s"
		" LEFT JOIN evaudit.topics t ON t.name = s.topic"
		" LEFT JOIN pg_roles r ON r.rolname = s.owner"
		" LEFT JOIN LATERAL (SELECT has_database_privilege(r.oid, $1, 'CONNECT')"
		"  AS connect) p ON true"
		" LEFT JOIN pg_foreign_server f ON f.srvname = s.server"
		" LEFT JOIN LATERAL (SELECT m.umoptions FROM pg_user_mapping m"
		"  WHERE m.umserver = f.oid AND m.umuser IN (r.oid, 0)"
		"  ORDER BY m.umuser DESC LIMIT 1) u ON true"
		" WHERE NOT s.paused AND s.database = $1"
		" ORDER BY s.id",
		1, {OIDOID}
	};
	Datum		database = ObjectIdGetDatum(MyDatabaseId);
	uint64		n;
	EvauditSpi	spi;

	want_none();
	evaudit_spi_begin(&spi);
	n = evaudit_spi_execute(&read, &database, NULL);
	for (uint64 i = 0; i < n; i++)
		read_source((int) i);
	free_slots_of_dropped();
	evaudit_spi_end(&spi);
}

/* Whether nothing runs and nothing shall. */
bool
evaudit_schedule_is_empty(void)
{
	return evaudit_schedule == NIL;
}
