/*-------------------------------------------------------------------------
 *
 * retention_job.c
 *	  The job that deletes what is older than a rule of retention says.
 *
 * There is one such job in a database that has rules, due when the first of
 * them is.  Each batch is a transaction of its own: nothing is locked for
 * long, a standby can keep pace, and whatever ends the process loses the last
 * batch alone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "operations/retention.h"
#include "server/guard.h"
#include "server/progress.h"
#include "server/spi.h"

/* Seconds until a rule that waits, or failed, is tried again. */
#define RETRY_SECONDS	60

/* The only job of the kind has this id. */
#define JOB_ID			1

/* evaudit.retention_interval, in seconds. */
static int	retention_interval = 3600;

/* A rule's turn. */
typedef struct Turn
{
	EvauditSweep sweep;
	EvauditProgress *progress;
	uint64		deleted;
	uint64		exported;
	bool		more;
	const char *waiting;		/* for what; NULL: for nothing */
	const char *error;
} Turn;

/* Whatever stands for this database in a statement. */
static void
here(Datum *values)
{
	values[0] = ObjectIdGetDatum(MyDatabaseId);
	values[1] = Int64GetDatum(evaudit_cluster());
}

/* List the job, if there are rules that delete in this database. */
static List *
list_job(bool requested)
{
	static EvauditStatement statement = {
		"SELECT min(next_run_at) FROM evaudit.retention"
		" WHERE database = $1 AND cluster = $2", 2, {OIDOID, INT8OID}
	};
	EvauditJob *job = palloc0(sizeof(EvauditJob));
	Datum		values[2];
	EvauditSpi	spi;

	here(values);
	evaudit_spi_begin(&spi);
	evaudit_spi_execute(&statement, values, NULL);
	if (!evaudit_spi_is_null(0, 0))
		job->due = evaudit_spi_timestamptz(0, 0);
	evaudit_spi_end(&spi);
	if (job->due == 0)
		return NIL;
	job->id = JOB_ID;
	job->name = "retention";
	job->nprocesses = 1;
	return list_make1(job);
}

/* The first rule that is due, in the current context; NULL: none. */
static EvauditRetention *
next_rule(void)
{
	static EvauditStatement statement = {
		"SELECT what, keep, options, next_run_at, positions,"
		" (SELECT oid FROM pg_roles r WHERE r.oid = role_oid"
		" AND r.rolname = role_name) FROM evaudit.retention"
		" WHERE database = $1 AND cluster = $2"
		" AND next_run_at <= clock_timestamp()"
		" ORDER BY next_run_at, what LIMIT 1", 2, {OIDOID, INT8OID}
	};
	enum
	{
		WHAT,
		KEEP,
		OPTIONS,
		DUE,
		POSITIONS,
		ROLE
	};
	MemoryContext context = CurrentMemoryContext;
	EvauditRetention *rule = NULL;
	Datum		values[2];
	EvauditSpi	spi;

	here(values);
	evaudit_spi_begin(&spi);
	if (evaudit_spi_execute(&statement, values, NULL) > 0)
	{
		MemoryContext spi_context = MemoryContextSwitchTo(context);

		rule = palloc(sizeof(EvauditRetention));
		rule->what = pstrdup(evaudit_spi_text(0, WHAT));
		rule->keep = *DatumGetIntervalP(
										evaudit_spi_datum_of(0, KEEP, INTERVALOID));
		rule->options = (Jsonb *) PG_DETOAST_DATUM_COPY(
														JsonbPGetDatum(evaudit_spi_jsonb(0, OPTIONS)));
		rule->due = evaudit_spi_timestamptz(0, DUE);
		rule->positions = (Jsonb *) PG_DETOAST_DATUM_COPY(
														  JsonbPGetDatum(evaudit_spi_jsonb(0, POSITIONS)));
		rule->role = evaudit_spi_oid_or_invalid(0, ROLE);
		MemoryContextSwitchTo(spi_context);
	}
	evaudit_spi_end(&spi);
	return rule;
}

/*
 * Note what a rule's turn came to, and when it is the next time.  A rule that
 * was set meanwhile stays due.
 */
static void
note_turn(const Turn *turn)
{
	static EvauditStatement statement = {
		"UPDATE evaudit.retention SET deleted = deleted + $2, waiting = $3,"
		" exported = exported + $7, last_error = $4,"
		" last_run_at = CASE WHEN $3 IS NULL AND $4 IS NULL"
		" THEN clock_timestamp() ELSE last_run_at END,"
		" next_run_at = CASE WHEN next_run_at = $6"
		" THEN clock_timestamp() + make_interval(secs => $5)"
		" ELSE next_run_at END WHERE what = $1", 7,
		{TEXTOID, INT8OID, TEXTOID, TEXTOID, FLOAT8OID, TIMESTAMPTZOID, INT8OID}
	};
	bool		again = turn->waiting != NULL || turn->error != NULL;
	Datum		values[] = {
		CStringGetTextDatum(turn->sweep.rule->what),
		Int64GetDatum((int64) turn->deleted),
		turn->waiting ? CStringGetTextDatum(turn->waiting) : (Datum) 0,
		turn->error ? CStringGetTextDatum(turn->error) : (Datum) 0,
		Float8GetDatum(again ? Min(RETRY_SECONDS, retention_interval) :
					   retention_interval),
		TimestampTzGetDatum(turn->sweep.rule->due),
		Int64GetDatum((int64) turn->exported)
	};
	const char	nulls[] = {' ', ' ', turn->waiting ? ' ' : 'n',
	turn->error ? ' ' : 'n', ' ', ' ', ' '};
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	evaudit_spi_execute(&statement, values, nulls);
	evaudit_spi_end(&spi);
}

/* A batch, for evaudit_guard(). */
static bool
delete_batch(void *arg)
{
	Turn	   *turn = arg;

	turn->waiting = evaudit_sweep_must_wait(&turn->sweep);
	turn->sweep.deleted = turn->sweep.exported = 0;
	turn->more = turn->waiting == NULL && evaudit_sweep_batch(&turn->sweep);
	if (turn->waiting == NULL)
		turn->waiting = turn->sweep.waiting;
	return true;
}

/* Run a batch of a rule; what its table raises is the rule's error. */
static void
run_batch(Turn *turn)
{
	ErrorData  *error = evaudit_guard(delete_batch, turn);

	if (error == NULL)
	{
		turn->deleted += turn->sweep.deleted;
		turn->exported += turn->sweep.exported;
		evaudit_progress_add(turn->progress, (int64) turn->sweep.deleted);
		return;
	}
	turn->error = error->message;
	turn->more = false;
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("retention of %s failed: %s",
					turn->sweep.rule->what, error->message),
			 errdetail_log("what=\"%s\"", turn->sweep.rule->what)));
}

/*
 * Find the rule that is due and delete its rows, each batch in a transaction.
 * False if no rule is due.
 */
static bool
run_rule(EvauditProcess *process, MemoryContext context)
{
	Turn		turn = {0};
	EvauditRetention *rule;

	if (!evaudit_job_begin())
		return false;
	MemoryContextSwitchTo(context);
	rule = next_rule();
	if (rule != NULL)
	{
		pgstat_report_activity(STATE_RUNNING,
							   psprintf("retention of %s", rule->what));
		evaudit_sweep_begin(&turn.sweep, rule);
		turn.progress = evaudit_progress_begin("retention", rule->what,
											   "rows", -1);
	}
	evaudit_job_commit();
	if (rule == NULL)
		return false;

	do
	{
		evaudit_process_iterate(process);
		if (!evaudit_job_begin())
			return false;
		run_batch(&turn);
		if (!turn.more)
			note_turn(&turn);
		evaudit_job_commit();
	} while (turn.more);
	evaudit_progress_end(turn.progress);
	return true;
}

/* Delete what is due. */
static void
run(EvauditProcess *process)
{
	MemoryContext context = AllocSetContextCreate(process->context,
												  "evaudit retention",
												  ALLOCSET_DEFAULT_SIZES);

	evaudit_process_running(process);
	while (run_rule(process, context))
		MemoryContextReset(context);
}

/* Each database can have one. */
static int
retention_slots(void)
{
	return max_worker_processes;
}

const EvauditJobKind evaudit_retention_job = {
	.name = "job",
	.backend_type = "evaudit retention",
	.nslots = retention_slots,
	.no_slot = "all slots for retention are in use",
	.list = list_job,
	.run = run,
};

/* Define the settings of retention, and its job. */
void
evaudit_retention_init(void)
{
	DefineCustomIntVariable("evaudit.retention_interval",
							"Time between two searches for what is too old.",
							NULL,
							&retention_interval, 3600, 1, 86400 * 30,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	evaudit_register_job_kind(&evaudit_retention_job);
}
