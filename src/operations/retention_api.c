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

#include "events/topic.h"
#include "operations/retention.h"
#include "runtime/wakeup.h"
#include "server/arguments.h"
#include "server/spi.h"
#include "text/options.h"

PG_FUNCTION_INFO_V1(evaudit_set_retention);
PG_FUNCTION_INFO_V1(evaudit_retention_is_active);

/* What rules there can be, and the options of each. */
typedef struct RuleDef
{
	const char *what;
	const char *options[2];
} RuleDef;

static const RuleDef rule_defs[] = {
	{"audit"},
	{"dead_letters", {"redriven"}},
	{"events"},
	{"schema_versions"},
};

static const char *const no_options[] = {NULL};

/* The options that a rule for this may have; an ERROR if there is none. */
static const char *const *
options_of(const char *what)
{
	for (int i = 0; i < lengthof(rule_defs); i++)
	{
		if (strcmp(what, rule_defs[i].what) == 0)
			return rule_defs[i].options;
	}
	if (strncmp(what, EVAUDIT_EVENTS_OF, strlen(EVAUDIT_EVENTS_OF)) != 0 ||
		strlen(what) - strlen(EVAUDIT_EVENTS_OF) > EVAUDIT_MAX_TOPIC_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no retention of \"%s\"", what),
				 errhint("Retention is of audit, dead_letters, events, events.<topic> and schema_versions.")));
	return no_options;
}

/* Refuse an interval that is no age. */
static void
check_age(const char *name, const Interval *age)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz then = DatumGetTimestampTz(
										   DirectFunctionCall2(timestamptz_mi_interval, TimestampTzGetDatum(now),
															   IntervalPGetDatum(age)));

	if (then >= now || TIMESTAMP_NOT_FINITE(then))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be an interval that is positive", name)));
}

/* Check a rule's options. */
static void
check_options(const char *what, Jsonb *options)
{
	const char *const *known = options_of(what);
	char	   *redriven;

	evaudit_options_check_object(options);
	evaudit_options_check_names(options, known);
	redriven = evaudit_option_text(options, "redriven");
	if (redriven != NULL)
		check_age("redriven", DatumGetIntervalP(
												DirectFunctionCall3(interval_in, CStringGetDatum(redriven),
																	ObjectIdGetDatum(InvalidOid),
																	Int32GetDatum(-1))));
}

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
		" (what, keep, options, database, cluster, next_run_at)"
		" VALUES ($1, $2, $3, $4, $5, clock_timestamp())"
		" ON CONFLICT (what) DO UPDATE SET keep = $2, options = $3,"
		" database = $4, cluster = $5, next_run_at = clock_timestamp(),"
		" waiting = NULL, last_error = NULL", 5,
		{TEXTOID, INTERVALOID, JSONBOID, OIDOID, INT8OID}
	};
	Datum		values[] = {
		CStringGetTextDatum(what),
		IntervalPGetDatum(keep),
		JsonbPGetDatum(options),
		ObjectIdGetDatum(MyDatabaseId),
		Int64GetDatum(evaudit_cluster())
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

	check_options(what, options);
	if (PG_ARGISNULL(1))
		remove_rule(what);
	else
	{
		evaudit_require_preload();
		check_age("keep", PG_GETARG_INTERVAL_P(1));
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
