/*-------------------------------------------------------------------------
 *
 * health.c
 *	  GET /health: whether events can be accepted, and what fails.
 *
 * It needs no token, so it shows states and no error texts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "utils/timestamp.h"

#include "http/routes.h"
#include "server/spi.h"

/* Two objects under construction. */
typedef struct Report
{
	StringInfoData dependencies;
	StringInfoData failures;
} Report;

/* Report on a dependency; reason is NULL if it does not fail. */
static void
report(Report *report, const char *name, const char *state, const char *reason)
{
	if (report->dependencies.len > 0)
		appendStringInfoChar(&report->dependencies, ',');
	evaudit_response_member(&report->dependencies, name,
							reason != NULL ? reason : state);
	if (reason == NULL)
		return;
	if (report->failures.len > 0)
		appendStringInfoChar(&report->failures, ',');
	evaudit_response_member(&report->failures, name, reason);
}

/*
 * Can this server write?  That this transaction may only read does not
 * matter: fronts are known to open such ones for GET.
 */
static const char *
database_reason(void)
{
	if (RecoveryInProgress())
		return "in recovery, read-only";
	if (DefaultXactReadOnly)
		return "read-only";
	return NULL;
}

/* Report on the sources that are not paused. */
static void
report_sources(Report *all)
{
	static EvauditStatement sources = {
		"SELECT name, state FROM evaudit.stat_sources ORDER BY name", 0, {0}
	};
	enum
	{
		NAME,
		STATE
	};
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&sources, NULL, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		const char *state = evaudit_spi_text_or_null((int) i, STATE);
		const char *reason = NULL;

		if (state == NULL)
			reason = "state is not known";
		else if (strcmp(state, "backoff") == 0)
			reason = "failing, will be tried again";
		else if (strcmp(state, "stopped") == 0)
			reason = "not running";
		else if (strcmp(state, "paused") != 0)
			state = "ok";
		report(all, psprintf("source %s", evaudit_spi_text((int) i, NAME)),
			   state, reason);
	}
	evaudit_spi_end(&spi);
}

/* Report on issuers: without keys, none of their tokens is accepted. */
static void
report_issuers(Report *all)
{
	static EvauditStatement issuers = {
		"SELECT name, invalid IS NULL, keys > 0 FROM evaudit.stat_issuers"
		" ORDER BY name", 0, {0}
	};
	enum
	{
		NAME,
		IS_VALID,
		HAS_KEYS
	};
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&issuers, NULL, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		const char *reason = NULL;

		if (!evaudit_spi_bool((int) i, IS_VALID))
			reason = "is not valid";
		else if (!evaudit_spi_bool((int) i, HAS_KEYS))
			reason = "keys are not here yet";
		report(all, psprintf("issuer %s", evaudit_spi_text((int) i, NAME)), "ok",
			   reason);
	}
	evaudit_spi_end(&spi);
}

/* GET /health */
void
evaudit_route_get_health(EvauditRequest *request,
						 EvauditResponse *response)
{
	Report		all;
	int64		uptime = (GetCurrentTimestamp() - PgStartTime) / USECS_PER_SEC;

	initStringInfo(&all.dependencies);
	initStringInfo(&all.failures);
	report(&all, "database", "ok", database_reason());
	report_sources(&all);
	report_issuers(&all);
	if (all.failures.len == 0)
		appendStringInfo(evaudit_response_begin_json(response, 200),
						 "{\"status\":\"ok\",\"uptime_seconds\":" INT64_FORMAT
						 ",\"dependencies\":{%s}}",
						 Max(uptime, 0), all.dependencies.data);
	else
		appendStringInfo(evaudit_response_begin_json(response, 503),
						 "{\"status\":\"degraded\",\"failures\":{%s},"
						 "\"dependencies\":{%s}}",
						 all.failures.data, all.dependencies.data);
}
