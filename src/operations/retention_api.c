/*-------------------------------------------------------------------------
 *
 * retention_api.c
 *	  set_retention(): rules of retention as users handle them.
 *
 * Nothing is deleted unless a rule says so, in the database in which somebody
 * made the rule: a rule that came with a dump or a copy of the database does
 * nothing, since the copy may be there to look at what is old.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "operations/retention.h"
#include "runtime/wakeup.h"
#include "server/arguments.h"
#include "server/spi.h"

PG_FUNCTION_INFO_V1(evaudit_set_retention);
PG_FUNCTION_INFO_V1(evaudit_retention_is_active);

/* Remove a rule; nothing if there is none. */
static void
remove_rule(const char *what)
{
	static EvauditStatement statement = {
		"DELETE FROM evaudit.retention WHERE what = $1", 1, {TEXTOID}
	};
	Datum		values[] = {CStringGetTextDatum(what)};
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	evaudit_spi_execute(&statement, values, NULL);
	evaudit_spi_end(&spi);
}

/* Make a rule, or set it anew, due at once. */
static void
store_rule(const char *what, const Interval *keep, Jsonb *options)
{
	static EvauditStatement statement = {
		"INSERT INTO evaudit.retention"
		" (what, keep, options, database, cluster, next_run_at,"
		" role_oid, role_name)"
		" VALUES ($1, $2, $3, $4, $5, clock_timestamp(), $6, $7)"
		" ON CONFLICT (what) DO UPDATE SET keep = $2, options = $3,"
		" database = $4, cluster = $5, next_run_at = clock_timestamp(),"
		" role_oid = $6, role_name = $7, positions = '{}',"
		" waiting = NULL, last_error = NULL", 7,
		{TEXTOID, INTERVALOID, JSONBOID, OIDOID, INT8OID, OIDOID, NAMEOID}
	};
	Datum		values[] = {
		CStringGetTextDatum(what),
		IntervalPGetDatum(keep),
		JsonbPGetDatum(options),
		ObjectIdGetDatum(MyDatabaseId),
		Int64GetDatum(evaudit_cluster()),
		ObjectIdGetDatum(GetUserId()),
		DirectFunctionCall1(namein, CStringGetDatum(
													GetUserNameFromId(GetUserId(), false)))
	};
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	evaudit_spi_execute(&statement, values, NULL);
	evaudit_spi_end(&spi);
}

/* Which cluster this is: another one after a restore, or pg_upgrade. */
int64
evaudit_cluster(void)
{
	return (int64) GetSystemIdentifier();
}

/* set_retention(what text, keep interval, options jsonb) */
Datum
evaudit_set_retention(PG_FUNCTION_ARGS)
{
	char	   *what = evaudit_text_argument(fcinfo, 0, "what");
	Jsonb	   *options = evaudit_jsonb_argument(fcinfo, 2, "options");

	evaudit_retention_check_options(what, options);
	if (PG_ARGISNULL(1))
		remove_rule(what);
	else
	{
		evaudit_require_preload();
		evaudit_retention_check_age("keep", PG_GETARG_INTERVAL_P(1));
		evaudit_retention_check_window(what, PG_GETARG_INTERVAL_P(1));
		store_rule(what, PG_GETARG_INTERVAL_P(1), options);
	}
	evaudit_wake_scheduler_at_commit();
	PG_RETURN_VOID();
}

/* retention_is_active(database oid, cluster bigint) */
Datum
evaudit_retention_is_active(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(PG_GETARG_OID(0) == MyDatabaseId &&
				   PG_GETARG_INT64(1) == evaudit_cluster());
}
