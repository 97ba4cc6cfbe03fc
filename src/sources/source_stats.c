/*-------------------------------------------------------------------------
 *
 * source_stats.c
 *	  What is behind stat_sources: the sources' slots, as rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "server/spi.h"
#include "sources/source.h"

PG_FUNCTION_INFO_V1(evaudit_source_stats);
PG_FUNCTION_INFO_V1(evaudit_dead_letters_by_reason);

/* Columns of source_stats(). */
enum SourceColumn
{
	SOURCE_ID_COLUMN,
	STATE_COLUMN,
	PIDS_COLUMN,
	RECEIVED_COLUMN,
	MERGED_COLUMN,
	DEAD_LETTERED_COLUMN,
	BATCHES_COLUMN,
	LAST_RECEIVED_COLUMN,
	LAST_COMMITTED_COLUMN,
	LAST_ERROR_COLUMN,
	LAST_ERROR_AT_COLUMN,
	NEXT_RETRY_COLUMN,
	CREDENTIALS_EXPIRE_COLUMN,
	BY_REASON_COLUMN,
	SOURCE_COLUMNS
};

/* The process ids of a source's workers. */
static Datum
pids_datum(const EvauditJobStats *stats)
{
	Datum		pids[EVAUDIT_MAX_PROCESSES];

	for (int i = 0; i < stats->npids; i++)
		pids[i] = Int32GetDatum(stats->pids[i]);
	return PointerGetDatum(construct_array(pids, stats->npids, INT4OID,
										   sizeof(int32), true,
										   TYPALIGN_INT));
}

/* A time that is 0 for never. */
static void
set_time(Datum *values, bool *nulls, int i, TimestampTz time)
{
	values[i] = TimestampTzGetDatum(time);
	nulls[i] = time == 0;
}

/* Add the row of one source. */
static void
add_source_row(ReturnSetInfo *rsinfo, const EvauditJobStats *stats)
{
	const uint64 *counters = stats->counters;
	const uint64 *by_reason = &counters[EVAUDIT_SOURCE_DEAD_LETTERED];
	int64		dead_lettered = 0;
	const TimestampTz *times = stats->times;
	Datum		values[SOURCE_COLUMNS];
	bool		nulls[SOURCE_COLUMNS] = {false};

	values[SOURCE_ID_COLUMN] = Int64GetDatum(stats->id);
	values[STATE_COLUMN] =
		CStringGetTextDatum(evaudit_job_state_name(stats->state));
	values[PIDS_COLUMN] = pids_datum(stats);
	values[RECEIVED_COLUMN] =
		Int64GetDatum((int64) counters[EVAUDIT_SOURCE_RECEIVED]);
	values[MERGED_COLUMN] =
		Int64GetDatum((int64) counters[EVAUDIT_SOURCE_MERGED]);
	for (int i = 0; i < EVAUDIT_NREASONS; i++)
		dead_lettered += (int64) by_reason[i];
	values[DEAD_LETTERED_COLUMN] = Int64GetDatum(dead_lettered);
	values[BATCHES_COLUMN] =
		Int64GetDatum((int64) counters[EVAUDIT_SOURCE_BATCHES]);
	set_time(values, nulls, LAST_RECEIVED_COLUMN,
			 times[EVAUDIT_SOURCE_LAST_RECEIVED]);
	set_time(values, nulls, LAST_COMMITTED_COLUMN,
			 times[EVAUDIT_SOURCE_LAST_COMMITTED]);
	values[LAST_ERROR_COLUMN] = CStringGetTextDatum(stats->last_error);
	nulls[LAST_ERROR_COLUMN] = stats->last_error[0] == '\0';
	set_time(values, nulls, LAST_ERROR_AT_COLUMN, stats->last_error_at);
	set_time(values, nulls, NEXT_RETRY_COLUMN, stats->next_retry_at);
	set_time(values, nulls, CREDENTIALS_EXPIRE_COLUMN,
			 times[EVAUDIT_SOURCE_CREDENTIALS_EXPIRE]);
	values[BY_REASON_COLUMN] =
		evaudit_spi_int64_array((const int64 *) by_reason, EVAUDIT_NREASONS);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * source_stats(): the sources of this database that the user may see; and
 * what is true of each that has no slot, as a row of the id 0.
 */
Datum
evaudit_source_stats(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	EvauditJobStats held_up = {.state = EVAUDIT_JOB_BACKOFF};
	EvauditJobStats *stats;
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	stats = evaudit_job_stats_visible(&evaudit_source_job, &n);
	for (int i = 0; i < n; i++)
		add_source_row(rsinfo, &stats[i]);
	if (evaudit_jobs_held_up(&evaudit_source_job, held_up.last_error))
		add_source_row(rsinfo, &held_up);
	return (Datum) 0;
}

/*
 * dead_letters_by_reason(counts bigint[]): what source_stats() has of a source
 * as rows, 0 for each reason that it has nothing of.
 */
Datum
evaudit_dead_letters_by_reason(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum	   *counts = NULL;
	bool	   *count_nulls = NULL;
	int			n = 0;

	InitMaterializedSRF(fcinfo, 0);
	if (!PG_ARGISNULL(0))
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), INT8OID, sizeof(int64),
						  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &counts,
						  &count_nulls, &n);
	for (int i = EVAUDIT_ACCEPTED + 1; i < EVAUDIT_NREASONS; i++)
	{
		Datum		values[] = {
			CStringGetTextDatum(evaudit_reason_name((EvauditReason) i)),
			i < n && !count_nulls[i] ? counts[i] : Int64GetDatum(0)
		};
		bool		nulls[lengthof(values)] = {false};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}
