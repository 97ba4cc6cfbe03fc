/*-------------------------------------------------------------------------
 *
 * doctor.c
 *	  doctor(): what keeps evaudit from doing what it was set up for.
 *
 * Each check is a query that brings what is wrong as one text, NULL if nothing
 * is.  It is run under a guard with a short lock_timeout, so that a table that
 * is locked or broken is itself the finding.  Nothing outside this server is
 * asked: check_server() does that.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "operations/queries.h"
#include "server/guard.h"
#include "server/setting.h"
#include "server/spi.h"

PG_FUNCTION_INFO_V1(evaudit_doctor);

/* A check. */
typedef struct Check
{
	const char *name;
	EvauditStatement statement;
	const char *hint;
} Check;

/* A check that runs, for evaudit_guard(). */
typedef struct Running
{
	Check	   *check;
	char	   *wrong;			/* NULL: nothing */
	MemoryContext context;
} Running;

/* Failed, and its next attempt is under way: nothing is mended by that yet. */
#define BEING_TRIED_AGAIN \
	"(state IN ('starting', 'running') AND last_error IS NOT NULL)"

static Check checks[] = {
	{
		"preload",
		{"SELECT 'shared_preload_libraries does not name evaudit'"
			" WHERE NOT EXISTS (SELECT FROM unnest(string_to_array("
			"current_setting('shared_preload_libraries'), ',')) l"
			" WHERE btrim(l, ' \"') = 'evaudit')"},
		"Add evaudit to shared_preload_libraries and restart the server: sources, sinks and other background jobs need it."
	},
	{
		"launcher",
		{"SELECT 'no launcher runs' WHERE NOT pg_is_in_recovery()"
			" AND NOT EXISTS (SELECT FROM pg_stat_activity"
			" WHERE backend_type = 'evaudit launcher')"},
		"See the server's log; max_worker_processes may be too small."
	},
	{
		"worker slots",
		{"SELECT format('%s of %s slots of max_worker_processes are in use',"
			" n, m) FROM (" EVAUDIT_WORKERS_IN_USE ") s"
			" WHERE n >= m"},
		"Raise max_worker_processes and restart the server."
	},
	{
		"sources",
		{"SELECT string_agg(format('%s is in state %s: %s', name, state,"
			" coalesce(last_error, 'no error')), '; ' ORDER BY name)"
			" FROM evaudit.stat_sources"
			" WHERE state IN ('backoff', 'degraded', 'stopped')"
			" OR " BEING_TRIED_AGAIN},
		"check_server() tries each step of a connection. What is in backoff is tried again by itself."
	},
	{
		"partitions",
		{"SELECT string_agg(format('%s/%s of %s is %s: %s', topic, partition,"
			" source, state, coalesce(last_error, 'no error')), '; '"
			" ORDER BY source, topic, partition)"
			" FROM (SELECT * FROM evaudit.stat_partitions"
			" WHERE state = 'stalled' LIMIT 20) p"},
		"See the broker that leads the partition."
	},
	{
		"sinks",
		{"SELECT string_agg(format('%s is in state %s: %s', name, state,"
			" coalesce(last_error, 'no error')), '; ' ORDER BY name)"
			" FROM evaudit.stat_sinks"
			" WHERE state IN ('backoff', 'blocked', 'stopped')"
			" OR " BEING_TRIED_AGAIN},
		"Events wait until the sink works again, within the limit of the outbox."
	},
	{
		"restored",
		{"SELECT string_agg(what, ', ' ORDER BY what) FROM ("
			" SELECT 'source ' || s.name AS what FROM evaudit.sources s,"
			" pg_database d WHERE d.datname = current_database()"
			" AND s.database IS DISTINCT FROM d.oid"
			" UNION ALL SELECT 'sink ' || s.name FROM evaudit.sinks s,"
			" pg_database d WHERE d.datname = current_database()"
			" AND (s.database IS DISTINCT FROM d.oid OR s.cluster IS NULL)"
			" UNION ALL SELECT 'retention of ' || r.what"
			" FROM evaudit.stat_retention r WHERE r.state = 'inactive') l"},
		"These came with a restore or a copy and do nothing until resume_source(), resume_sink() or set_retention() is called."
	},
	{
		"audit triggers",
		{"SELECT string_agg(relation::text, ', ' ORDER BY relation::text)"
			" FROM evaudit.stat_audit WHERE enabled IS NOT TRUE"},
		"Changes of these tables are not captured, or a lock hides it: track() puts the triggers in order."
	},
	{
		"own triggers",
		{"SELECT string_agg(format('%s on %s', t.tgname,"
			" t.tgrelid::regclass), ', ' ORDER BY t.tgname)"
			" FROM pg_trigger t JOIN pg_depend d ON d.objid = t.tgrelid"
			" AND d.classid = 'pg_class'::regclass AND d.deptype = 'e'"
			" AND d.refclassid = 'pg_extension'::regclass"
			" JOIN pg_extension e ON e.oid = d.refobjid"
			" AND e.extname = 'evaudit'"
			" WHERE (t.tgenabled = 'D' OR t.tgenabled = 'R'"
			" AND t.tgname <> '00_evaudit_raise') AND t.tgrelid NOT IN"
			" (SELECT relation FROM evaudit.stat_audit)"},
		"ALTER TABLE ... ENABLE TRIGGER: evaudit's own tables rely on them."
	},
	{
		"event triggers",
		{"SELECT string_agg(evtname, ', ' ORDER BY evtname)"
			" FROM pg_event_trigger WHERE evtname LIKE 'evaudit\\_%'"
			" AND evtenabled <> 'A'"},
		"ALTER EVENT TRIGGER ... ENABLE ALWAYS: without it DDL on tracked tables leaves no trace."
	},
	{
		"issuers",
		{"SELECT string_agg(format('%s: %s', name,"
			" coalesce(invalid, last_error, 'has no keys')), '; '"
			" ORDER BY name) FROM evaudit.stat_issuers"
			" WHERE invalid IS NOT NULL OR coalesce(keys, 0) = 0"},
		"No token of these issuers can be verified."
	},
	{
		"retention",
		{"SELECT string_agg(format('%s: %s', what, detail), '; '"
			" ORDER BY what) FROM evaudit.stat_retention"
			" WHERE state IN ('waiting', 'failed')"},
		"It is tried again at next_run_at."
	},
	{
		"settings",
		{"SELECT string_agg(format('%s = %s', name, setting), ', '"
			" ORDER BY name) FROM pg_settings WHERE (name, setting) IN ("
			"('fsync', 'off'), ('full_page_writes', 'off'),"
			" ('autovacuum', 'off'), ('track_counts', 'off'))"},
		"A crash may lose or damage what was committed, or tables grow without VACUUM."
	},
	{
		"statements in the log",
		{"SELECT string_agg(format('%s = %s', name, setting), ', '"
			" ORDER BY name) FROM pg_settings WHERE (name, setting) IN ("
			"('log_min_duration_statement', '0'), ('log_statement', 'all'))"},
		"Calls of http(), publish() and verify_token() are in the log with their tokens and payloads: log slow statements alone, or set this otherwise for the roles that call them."
	},
	{
		"clock",
		{"SELECT format('the last audit row is of %s', modification_time)"
			" FROM (SELECT modification_time FROM $S.audit"
			" ORDER BY seq DESC LIMIT 1) a"
			" WHERE modification_time > clock_timestamp()"
			" + interval '1 minute'"},
		"The server's clock went back; what sorts by time is not in the order of seq."
	},
};

/* Run a check as the owner of the extension. */
static bool
run_check(void *arg)
{
	Running    *running = arg;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	evaudit_set_locally("lock_timeout", EVAUDIT_LOCK_TIMEOUT);
	if (evaudit_spi_execute(&running->check->statement, NULL, NULL) > 0)
	{
		char	   *wrong = evaudit_spi_text_or_null(0, 0);

		if (wrong != NULL)
			running->wrong = MemoryContextStrdup(running->context, wrong);
	}
	evaudit_spi_end(&spi);
	return true;
}

/* doctor() returns setof (check_name text, ok boolean, detail text, hint text) */
Datum
evaudit_doctor(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < lengthof(checks); i++)
	{
		Running		running = {&checks[i],.context = CurrentMemoryContext};
		ErrorData  *error = evaudit_guard(run_check, &running);
		Datum		values[4];
		bool		nulls[4] = {false};

		if (error != NULL)
			running.wrong = error->message;
		values[0] = CStringGetTextDatum(checks[i].name);
		values[1] = BoolGetDatum(running.wrong == NULL);
		nulls[2] = nulls[3] = running.wrong == NULL;
		if (running.wrong != NULL)
		{
			values[2] = CStringGetTextDatum(running.wrong);
			values[3] = CStringGetTextDatum(checks[i].hint);
		}
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}
