/*-------------------------------------------------------------------------
 *
 * source_job.c
 *	  Sources as jobs of the runtime.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "sources/check_server.h"
#include "sources/partition_status.h"
#include "sources/queue_status.h"
#include "sources/schema_request.h"
#include "sources/source.h"

static int	max_sources = 64;

/* Refuse a source that cannot run. */
static void
check(const EvauditServerJob *definition)
{
	const EvauditSourceKind *kind = evaudit_source_kind(definition->kind);

	evaudit_check_source_options(kind, definition->options);
	definition->job->nprocesses = kind->workers(definition->options);
	if (evaudit_server_kind(definition->server) != kind)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is not one that a source of kind \"%s\" can read from",
						definition->server, kind->name)));
	(void) kind->read_options(definition->server_oid, definition->job->owner);
}

EvauditServerJobs evaudit_source_jobs = {
	.noun = "source",
	.check = check,
	EVAUDIT_SERVER_JOB_STATEMENTS("sources",
								  "s.topic, s.seek_number, t.options,"
								  " t.schema_version",
								  "LEFT JOIN evaudit.topics t"
								  " ON t.name = s.topic")
};

/* List the sources. */
static List *
list_sources(bool requested)
{
	return evaudit_server_jobs_list(&evaudit_source_jobs);
}

/* Show nothing of a source any longer. */
static void
forget_source(Oid database, int64 id)
{
	evaudit_forget_partitions(database, id);
	evaudit_forget_queues(database, id);
}

/* How many sources have a slot. */
static int
source_slots(void)
{
	return max_sources;
}

const EvauditJobKind evaudit_source_job = {
	.name = "source",
	.backend_type = "evaudit worker",
	.limited = true,
	.ncounters = EVAUDIT_SOURCE_COUNTERS,
	.ntimes = EVAUDIT_SOURCE_TIMES,
	.nslots = source_slots,
	.no_slot = "all evaudit.max_sources slots are in use",
	.list = list_sources,
	.run = evaudit_source_run,
	.forget = forget_source,
};

/* What this room has for the server: settings, memory and jobs. */
void
evaudit_sources_init(void)
{
	evaudit_register_job_kind(&evaudit_source_job);
	evaudit_register_job_kind(&evaudit_check_job);
	evaudit_register_job_kind(&evaudit_schema_request_job);
	if (!process_shared_preload_libraries_in_progress)
		return;
	DefineCustomIntVariable("evaudit.max_sources",
							"Sources that can run at a time, over all databases.",
							NULL,
							&max_sources, 64, 1, 4096,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	evaudit_partition_status_init();
	evaudit_queue_status_init();
}
