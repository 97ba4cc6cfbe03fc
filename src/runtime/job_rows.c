/*-------------------------------------------------------------------------
 *
 * job_rows.c
 *	  The jobs of a kind as rows, for the views on them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "runtime/job.h"
#include "server/spi.h"

/* Columns of the rows. */
enum JobColumn
{
	ID_COLUMN,
	STATE_COLUMN,
	PIDS_COLUMN,
	COUNTERS_COLUMN,
	TIMES_COLUMN,
	LAST_ERROR_COLUMN,
	LAST_ERROR_AT_COLUMN,
	NEXT_RETRY_COLUMN,
	JOB_COLUMNS
};

/* The jobs of a kind in this database that the current user may see, by id. */
EvauditJobStats *
evaudit_job_stats_visible(const EvauditJobKind *kind, int *n)
{
	int			all;
	EvauditJobStats *stats = evaudit_job_stats(kind, &all);
	Oid			user = GetUserId();
	bool		monitor = has_privs_of_role(user, ROLE_PG_MONITOR);

	*n = 0;
	for (int i = 0; i < all; i++)
	{
		if (monitor || (OidIsValid(stats[i].owner) &&
						has_privs_of_role(user, stats[i].owner)))
			stats[(*n)++] = stats[i];
	}
	return stats;
}

/* Compare an id with that of a job. */
static int
compare_ids(const void *key, const void *element)
{
	int64		id = *(const int64 *) key;
	int64		other = ((const EvauditJobStats *) element)->id;

	return (id > other) - (id < other);
}

/* Whether a job is among these, which are ordered by id. */
bool
evaudit_job_stats_has(const EvauditJobStats *stats, int n, int64 id)
{
	return n > 0 && bsearch(&id, stats, n, sizeof(EvauditJobStats),
							compare_ids) != NULL;
}

/* The processes of a job. */
static Datum
pids_of(const EvauditJobStats *stats)
{
	Datum		pids[EVAUDIT_MAX_PROCESSES];

	for (int i = 0; i < stats->npids; i++)
		pids[i] = Int32GetDatum(stats->pids[i]);
	return evaudit_spi_array(pids, NULL, stats->npids, INT4OID);
}

/* Its counters. */
static Datum
counters_of(const EvauditJobKind *kind, const EvauditJobStats *stats)
{
	return evaudit_spi_int64_array((const int64 *) stats->counters,
								   kind->ncounters);
}

/* Its times; NULL for never. */
static Datum
times_of(const EvauditJobKind *kind, const EvauditJobStats *stats)
{
	Datum		times[EVAUDIT_MAX_TIMES];
	bool		nulls[EVAUDIT_MAX_TIMES];

	for (int i = 0; i < kind->ntimes; i++)
	{
		times[i] = TimestampTzGetDatum(stats->times[i]);
		nulls[i] = stats->times[i] == 0;
	}
	return evaudit_spi_array(times, nulls, kind->ntimes, TIMESTAMPTZOID);
}

/* Add the row of one job. */
static void
add_row(ReturnSetInfo *rsinfo, const EvauditJobKind *kind,
		const EvauditJobStats *stats)
{
	Datum		values[JOB_COLUMNS];
	bool		nulls[JOB_COLUMNS] = {false};

	values[ID_COLUMN] = Int64GetDatum(stats->id);
	values[STATE_COLUMN] =
		CStringGetTextDatum(evaudit_job_state_name(stats->state));
	values[PIDS_COLUMN] = pids_of(stats);
	values[COUNTERS_COLUMN] = counters_of(kind, stats);
	values[TIMES_COLUMN] = times_of(kind, stats);
	values[LAST_ERROR_COLUMN] = CStringGetTextDatum(stats->last_error);
	nulls[LAST_ERROR_COLUMN] = stats->last_error[0] == '\0';
	values[LAST_ERROR_AT_COLUMN] = TimestampTzGetDatum(stats->last_error_at);
	nulls[LAST_ERROR_AT_COLUMN] = stats->last_error_at == 0;
	values[NEXT_RETRY_COLUMN] = TimestampTzGetDatum(stats->next_retry_at);
	nulls[NEXT_RETRY_COLUMN] = stats->next_retry_at == 0;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * The body of a function that returns the jobs of a kind that the user may
 * see; and what is true of each that has no slot, as a row of the id 0.
 */
Datum
evaudit_job_rows(FunctionCallInfo fcinfo, const EvauditJobKind *kind)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	EvauditJobStats held_up = {.state = EVAUDIT_JOB_BACKOFF};
	EvauditJobStats *stats;
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	stats = evaudit_job_stats_visible(kind, &n);
	for (int i = 0; i < n; i++)
		add_row(rsinfo, kind, &stats[i]);
	if (evaudit_jobs_held_up(kind, held_up.last_error))
		add_row(rsinfo, kind, &held_up);
	return (Datum) 0;
}
