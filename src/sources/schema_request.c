/*-------------------------------------------------------------------------
 *
 * schema_request.c
 *	  Schemas that redrive() misses: a process fetches them.
 *
 * A backend asks no registry: it is in a transaction, and has no user mapping
 * of the source's owner.  It notes what is missing in evaudit.schema_requests;
 * once that is committed a process of the owner fetches it, and the next
 * redrive() finds it.
 *
 * The process takes requests out of the table before it asks.  A registry
 * that is away is so one error in the log, and not a process that asks for
 * ever: the next redrive() requests again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "formats/format.h"
#include "formats/schema_store.h"
#include "runtime/wakeup.h"
#include "server/spi.h"
#include "sources/schema_request.h"
#include "sources/source.h"

/* The names of the sources whose events miss a schema, as an array. */
static Datum
source_names(const EvauditEvent *events, int n)
{
	Datum	   *names = palloc(n * sizeof(Datum));
	int			nnames = 0;

	for (int i = 0; i < n; i++)
	{
		if (events[i].reason == EVAUDIT_UNKNOWN_SCHEMA)
			names[nnames++] = CStringGetTextDatum(events[i].source);
	}
	return evaudit_spi_array(names, NULL, nnames, TEXTOID);
}

/*
 * Request the schemas that these dead letters of one topic missed just now, in
 * the name of their sources; within the transaction that tried them.
 */
void
evaudit_request_schemas(const EvauditEvent *events, int n)
{
	static EvauditStatement add = {
		"INSERT INTO evaudit.schema_requests (source_id, server_oid, schema_id)"
		" SELECT s.id, $2, i.id FROM evaudit.sources s, unnest($3) AS i (id)"
		" WHERE s.name = ANY ($1) AND NOT EXISTS"
		"  (SELECT FROM evaudit.schema_requests r WHERE r.source_id = s.id"
		"  AND r.server_oid = $2 AND r.schema_id = i.id)",
		3, {TEXTARRAYOID, OIDOID, TEXTARRAYOID}
	};
	List	   *missing = evaudit_schemas_take_missing();
	int			nmissing = list_length(missing);
	const EvauditRegistry *registry;
	Datum	   *ids;
	Datum		values[3];
	uint64		added;
	EvauditSpi	spi;

	if (missing == NIL)
		return;
	registry = &((EvauditMissingSchema *) linitial(missing))->registry;
	ids = palloc(nmissing * sizeof(Datum));
	for (int i = 0; i < nmissing; i++)
	{
		const EvauditMissingSchema *schema = list_nth(missing, i);

		ids[i] = CStringGetTextDatum(schema->id);
	}
	values[0] = source_names(events, n);
	values[1] = ObjectIdGetDatum(registry->server);
	values[2] = evaudit_spi_array(ids, NULL, nmissing, TEXTOID);
	evaudit_spi_begin(&spi);
	added = evaudit_spi_execute(&add, values, NULL);
	evaudit_spi_end(&spi);
	if (added == 0)
		return;
	evaudit_wake_scheduler_at_commit();
	ereport(NOTICE,
			(errmsg_plural("%d schema is requested from registry \"%s\"",
						   "%d schemas are requested from registry \"%s\"",
						   nmissing, nmissing, registry->name),
			 errhint("Redrive again once this is committed and the schemas are fetched.")));
}

/* Whether a source has requests. */
static bool
has_requests(int64 source_id)
{
	static EvauditStatement find = {
		"SELECT FROM evaudit.schema_requests WHERE source_id = $1 LIMIT 1",
		1, {INT8OID}
	};
	Datum		value = Int64GetDatum(source_id);
	EvauditSpi	spi;
	bool		found;

	evaudit_spi_begin(&spi);
	found = evaudit_spi_execute(&find, &value, NULL) > 0;
	evaudit_spi_end(&spi);
	return found;
}

/* Whether there is any request. */
static bool
any_requests(void)
{
	static EvauditStatement find = {
		"SELECT FROM evaudit.schema_requests LIMIT 1", 0
	};
	EvauditSpi	spi;
	bool		found;

	evaudit_spi_begin(&spi);
	found = evaudit_spi_execute(&find, NULL, NULL) > 0;
	evaudit_spi_end(&spi);
	return found;
}

/*
 * List the sources that have requests.  The rights of their owners are checked
 * as those of the sources themselves are; a source that is paused waits.
 */
static List *
list_requests(bool requested)
{
	List	   *jobs = NIL;
	ListCell   *lc;

	if (!any_requests())
		return NIL;
	foreach(lc, evaudit_server_jobs_list(&evaudit_source_jobs))
	{
		EvauditJob *job = lfirst(lc);

		if (!has_requests(job->id))
			continue;
		job->nprocesses = 1;
		job->due = GetCurrentTimestamp();
		jobs = lappend(jobs, job);
	}
	return jobs;
}

/*
 * Take the requests of a source that are of one registry out of the table, in
 * a transaction of its own; the ids are in the current memory context.  False
 * if there are none.
 */
static bool
take_requests(int64 source_id, EvauditRegistry *registry, List **ids)
{
	static EvauditStatement take = {
		"DELETE FROM evaudit.schema_requests WHERE source_id = $1"
		" AND server_oid = (SELECT min(server_oid)"
		"  FROM evaudit.schema_requests WHERE source_id = $1)"
		" RETURNING server_oid, schema_id",
		1, {INT8OID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		value = Int64GetDatum(source_id);
	ForeignServer *server = NULL;
	EvauditSpi	spi;
	int			n;

	*ids = NIL;
	if (!evaudit_job_begin())
		return false;
	evaudit_spi_begin(&spi);
	n = (int) evaudit_spi_execute(&take, &value, NULL);
	MemoryContextSwitchTo(context);
	for (int i = 0; i < n; i++)
		*ids = lappend(*ids, evaudit_spi_text(i, 1));
	if (n > 0)
		server = GetForeignServerExtended(evaudit_spi_oid_or_invalid(0, 0),
										  FSV_MISSING_OK);
	evaudit_spi_end(&spi);
	MemoryContextSwitchTo(context);
	if (server == NULL)
		*ids = NIL;
	else
		evaudit_registry_find(server->servername, registry);
	evaudit_job_commit();
	MemoryContextSwitchTo(context);
	return n > 0;
}

/* Fetch what is requested for a source. */
static void
run(EvauditProcess *process)
{
	EvauditRegistry registry;
	List	   *ids;

	pgstat_report_activity(STATE_RUNNING, "fetching schemas");
	evaudit_process_running(process);
	for (;;)
	{
		evaudit_process_iterate(process);
		MemoryContextSwitchTo(process->iteration);
		if (!take_requests(process->id, &registry, &ids))
			return;
		if (ids != NIL)
			evaudit_schemas_fetch_ids(&registry, ids);
	}
}

/* Sources that are served at a time, over all databases. */
static int
request_slots(void)
{
	return max_worker_processes;
}

const EvauditJobKind evaudit_schema_request_job = {
	.name = "schemas of source",
	.backend_type = "evaudit schema fetcher",
	.nslots = request_slots,
	.no_slot = "all slots for fetching schemas are in use",
	.list = list_requests,
	.run = run,
};
