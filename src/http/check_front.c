/*-------------------------------------------------------------------------
 *
 * check_front.c
 *	  evaudit.check_front(): whether this session is set up for a front.
 *
 * A front passes tokens as parameters of its statements, and several settings
 * have the server log these.  Whoever reads the log could then act in the
 * name of others.  The settings are those of the session, so the function is
 * called as the role of the front, or by the front when it connects.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/tuplestore.h"

#include "http/rate_limit.h"
#include "http/settings.h"

PG_FUNCTION_INFO_V1(evaudit_check_front);

/* What keeps parameters out of the log, whatever is logged. */
#define HIDE_PARAMETERS \
	"Set \"log_parameter_max_length\" to 0 for the role of the front."

/* The columns of the result. */
enum
{
	CHECK_NAME,
	OK,
	DETAIL,
	HINT,
	NCOLUMNS
};

/* Add a row; detail and hint are shown if the check fails. */
static void
add_check(ReturnSetInfo *rsinfo, const char *name, bool ok,
		  const char *detail, const char *hint)
{
	Datum		values[NCOLUMNS];
	bool		nulls[NCOLUMNS] = {false};

	values[CHECK_NAME] = CStringGetTextDatum(name);
	values[OK] = BoolGetDatum(ok);
	values[DETAIL] = CStringGetTextDatum(detail);
	values[HINT] = CStringGetTextDatum(hint);
	nulls[DETAIL] = ok;
	nulls[HINT] = ok;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Whether a setting of another module exists and is not the value given. */
static bool
is_set_otherwise(const char *name, const char *value)
{
	const char *current = GetConfigOption(name, true, false);

	return current != NULL && strcmp(current, value) != 0;
}

/* Whether statements are logged by their duration, or a sample of them. */
static bool
logs_duration(void)
{
	return log_min_duration_statement >= 0 ||
		(log_min_duration_sample >= 0 && log_statement_sample_rate > 0) ||
		log_xact_sample_rate > 0;
}

/* Check what may bring tokens into the log. */
static void
check_log(ReturnSetInfo *rsinfo)
{
	bool		parameters = log_parameter_max_length != 0;

	add_check(rsinfo, "log_statement",
			  !(log_statement == LOGSTMT_ALL && parameters),
			  "Statements are logged with their parameters, tokens among them.",
			  HIDE_PARAMETERS);
	add_check(rsinfo, "log_min_duration_statement",
			  !(logs_duration() && parameters),
			  "Statements that take long, or samples, are logged with their parameters, tokens among them.",
			  HIDE_PARAMETERS);
	add_check(rsinfo, "log_parameter_max_length_on_error",
			  log_parameter_max_length_on_error == 0,
			  "Errors are logged with the parameters of the statement, tokens among them.",
			  "Set \"log_parameter_max_length_on_error\" to 0 for the role of the front.");
	add_check(rsinfo, "auto_explain",
			  !(is_set_otherwise("auto_explain.log_min_duration", "-1") &&
				is_set_otherwise("auto_explain.log_parameter_max_length", "0")),
			  "Plans are logged with the parameters of the statement, tokens among them.",
			  "Set \"auto_explain.log_parameter_max_length\" to 0 for the role of the front.");
	add_check(rsinfo, "pgaudit",
			  !(is_set_otherwise("pgaudit.log", "none") &&
				is_set_otherwise("pgaudit.log_parameter", "off")),
			  "The audit log has the parameters of statements, tokens among them.",
			  "Set \"pgaudit.log_parameter\" to off for the role of the front.");
}

/* check_front() RETURNS SETOF (check_name, ok, detail, hint) */
Datum
evaudit_check_front(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	check_log(rsinfo);
	add_check(rsinfo, "rate_limit",
			  evaudit_rate_limit == 0 || evaudit_rate_limit_is_shared(),
			  "\"evaudit.rate_limit\" holds within each session only.",
			  "Add evaudit to \"shared_preload_libraries\" and restart the server.");
	return (Datum) 0;
}
