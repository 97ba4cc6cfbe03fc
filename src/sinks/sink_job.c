/*-------------------------------------------------------------------------
 *
 * sink_job.c
 *	  Sinks as jobs of the runtime.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

#include "events/outbox_space.h"
#include "server/restored.h"
#include "sinks/await.h"
#include "sinks/sink.h"

PG_FUNCTION_INFO_V1(evaudit_sink_stats);

static int	max_sinks = 64;

/* Refuse a sink that has lost its place in the outbox. */
static void
check_place(int64 id)
{
	static EvauditStatement read = {
		"SELECT detached FROM evaudit.sinks WHERE id = $1", 1, {INT8OID}
	};
	Datum		value = Int64GetDatum(id);
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	if (evaudit_spi_execute(&read, &value, NULL) > 0 &&
		!evaudit_spi_is_null(0, 0))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s", evaudit_spi_text(0, 0))));
	evaudit_spi_end(&spi);
}

/* Refuse a sink that cannot run. */
static void
check(const EvauditServerJob *definition)
{
	const EvauditSinkKind *kind = evaudit_sink_kind(definition->kind);

	check_place(definition->job->id);
	evaudit_check_sink_options(kind, definition->options);
	if (evaudit_sink_kind_for(definition->server, definition->options) != kind)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is not one that a sink of kind \"%s\" can send to",
						definition->server, kind->name)));
	(void) kind->read_options(definition->server_oid, definition->job->owner);
	evaudit_sink_check_rights(definition->job->owner,
							  evaudit_sink_topics_of(definition->job->id));
}

EvauditServerJobs evaudit_sink_jobs = {
	.noun = "sink",
	.check = check,
	EVAUDIT_SERVER_JOB_STATEMENTS("sinks", "s.topics, s.identity,"
								  " s.seek_number, s.detached", "")
};

/*
 * The destination of a sink wants no more: pause it, until resume_sink(), and
 * end its process.  Outside a transaction.
 */
void
evaudit_sink_stop(const EvauditSink *sink, const char *error)
{
	Datum		id = Int64GetDatum(sink->id);

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	evaudit_server_job_change(&evaudit_sink_jobs.pause, &id);
	PopActiveSnapshot();
	CommitTransactionCommand();
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("sink \"%s\" is paused: %s", sink->name, error)));
}

/*
 * Pause the sinks if this server was started from a backup that they do not
 * know of: its origin may send on.  In a standby that was promoted they go
 * on.
 */
static void
pause_restored(void)
{
	static EvauditStatement note = {
		"INSERT INTO evaudit.restores VALUES ($1) ON CONFLICT DO NOTHING",
		1, {INT8OID}
	};
	static EvauditStatement pause = {
		"UPDATE evaudit.sinks SET paused = true, cluster = NULL"
	};
	static int64 known = 0;
	int64		id = evaudit_restored_id();
	Datum		value = Int64GetDatum(id);
	EvauditSpi	spi;

	if (id == known)
		return;
	evaudit_spi_begin(&spi);
	if (evaudit_spi_execute(&note, &value, NULL) == 0)
		known = id;
	else if (evaudit_spi_execute(&pause, NULL, NULL) > 0)
		ereport(LOG,
				(errmsg("sinks are paused, since this server was started from a backup"),
				 errhint("evaudit.resume_sink() lets one run here, too.")));
	evaudit_spi_end(&spi);
}

/* The sinks that are made from now on belong to this server. */
void
evaudit_sink_note_restored(void)
{
	static EvauditStatement note = {
		"INSERT INTO evaudit.restores SELECT $1"
		" WHERE $1 <> 0 AND NOT EXISTS (SELECT FROM evaudit.sinks)"
		" ON CONFLICT DO NOTHING",
		1, {INT8OID}
	};
	Datum		value = Int64GetDatum(evaudit_restored_id());
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&note, &value, NULL);
	evaudit_spi_end(&spi);
}

/* List the sinks. */
static List *
list_sinks(bool requested)
{
	pause_restored();
	return evaudit_server_jobs_list(&evaudit_sink_jobs);
}

/* How many sinks have a slot. */
static int
sink_slots(void)
{
	return max_sinks;
}

const EvauditJobKind evaudit_sink_job = {
	.name = "sink",
	.backend_type = "evaudit sink",
	.limited = true,
	.woken_at_commit = true,
	.ncounters = EVAUDIT_SINK_COUNTERS,
	.ntimes = EVAUDIT_SINK_TIMES,
	.nslots = sink_slots,
	.no_slot = "all evaudit.max_sinks slots are in use",
	.list = list_sinks,
	.run = evaudit_sink_run,
};

/* sink_stats(): the sinks of this database that the user may see. */
Datum
evaudit_sink_stats(PG_FUNCTION_ARGS)
{
	return evaudit_job_rows(fcinfo, &evaudit_sink_job);
}

/* What this room has for the server: settings and jobs. */
void
evaudit_sinks_init(void)
{
	evaudit_register_job_kind(&evaudit_sink_job);
	evaudit_register_job_kind(&evaudit_outbox_job);
	evaudit_outbox_define_settings();
	if (!process_shared_preload_libraries_in_progress)
		return;
	evaudit_await_init();
	DefineCustomIntVariable("evaudit.max_sinks",
							"Sinks that can run at a time, over all databases.",
							NULL,
							&max_sinks, 64, 1, 4096,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
}
