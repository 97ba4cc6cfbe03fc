/*-------------------------------------------------------------------------
 *
 * counts.c
 *	  How many requests were responded to, by status, for metrics.
 *
 * Statuses are those that there can be, so that each has its series from the
 * beginning and no request makes another.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "http/counts.h"
#include "server/counters.h"

PG_FUNCTION_INFO_V1(evaudit_http_counts);

/* Statuses of responses; what is none of them counts as the last. */
static const int statuses[] = {
	200, 202, 204, 303, 304, 400, 401, 403, 404, 405, 409, 413, 414, 415,
	422, 429, 431, 503, 500
};

#define NSTATUSES	lengthof(statuses)

/* Of http() and of http_admin(). */
static EvauditCounters counters = {.n = 2 * NSTATUSES};

/* Register what is counted. */
void
evaudit_http_counts_init(void)
{
	evaudit_counters_register(&counters);
}

/* Count a response. */
void
evaudit_http_count(bool admin, int status)
{
	int			which = 0;

	while (which < NSTATUSES - 1 && statuses[which] != status)
		which++;
	evaudit_count(&counters, (admin ? NSTATUSES : 0) + which, 1);
}

/*
 * http_counts() returns setof (listener text, status text, requests bigint)
 */
Datum
evaudit_http_counts(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < counters.n; i++)
	{
		Datum		values[] = {
			CStringGetTextDatum(i < NSTATUSES ? "public" : "admin"),
			CStringGetTextDatum(psprintf("%d", statuses[i % NSTATUSES])),
			Int64GetDatum((int64) evaudit_counted(&counters, i))
		};
		bool		nulls[lengthof(values)] = {false};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}
