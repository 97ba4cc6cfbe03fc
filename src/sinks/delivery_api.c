/*-------------------------------------------------------------------------
 *
 * delivery_api.c
 *	  redeliver() and its kin: deliveries as users handle them.
 *
 * These functions only change the state of rows of evaudit.delivery_store;
 * the sink's process is woken when the change commits, and does the rest.
 * They are for the owner of the sink.  No row is loaded, however many there
 * are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "runtime/wakeup.h"
#include "server/spi.h"
#include "sinks/sink.h"

PG_FUNCTION_INFO_V1(evaudit_redeliver_ids);
PG_FUNCTION_INFO_V1(evaudit_redeliver_sink);
PG_FUNCTION_INFO_V1(evaudit_skip_delivery);
PG_FUNCTION_INFO_V1(evaudit_delivery_event);

/*
 * What is tried again is retried now, but for those behind another one of
 * their key, which go when it is gone.  Behind the first part goes what says
 * which rows "d" are meant, with "e" for the same of an earlier row.
 */
#define REDELIVER(chosen, chosen_too) \
	"UPDATE evaudit.delivery_store u" \
	" SET state = CASE WHEN c.waits THEN 'blocked' ELSE 'retrying' END," \
	" next_retry_at = CASE WHEN NOT c.waits THEN clock_timestamp() END" \
	" FROM (SELECT d.id, d.key_hash IS NOT NULL AND EXISTS" \
	"  (SELECT FROM evaudit.delivery_store e WHERE e.sink_id = d.sink_id" \
	"   AND e.key_hash = d.key_hash AND e.seq < d.seq" \
	"   AND (e.state IN ('retrying', 'blocked') OR e.state = 'parked'" \
	"    AND (" chosen_too " OR s.options ->> 'on_failure' = 'block')))" \
	"  AS waits FROM evaudit.delivery_store d" \
	"  JOIN evaudit.sinks s ON s.id = d.sink_id" \
	"  WHERE " chosen " AND d.state IN ('parked', 'retrying')) c" \
	" WHERE u.id = c.id AND u.state IN ('parked', 'retrying')"

/* Refuse a user who does not own all the sinks of some deliveries. */
static void
check_owner_of(Datum ids)
{
	static EvauditStatement find = {
		"SELECT DISTINCT s.name, s.owner_oid FROM evaudit.delivery_store d"
		" JOIN evaudit.sinks s ON s.id = d.sink_id WHERE d.id = ANY ($1)",
		1, {INT8ARRAYOID},.plan_options = CURSOR_OPT_CUSTOM_PLAN
	};
	Oid			user = GetUserId();
	EvauditSpi	spi;
	uint64		n;

	evaudit_spi_begin(&spi);
	n = evaudit_spi_execute(&find, &ids, NULL);
	for (uint64 row = 0; row < n; row++)
		if (!evaudit_owns_server_job(user,
									 evaudit_spi_oid_or_invalid((int) row, 1)))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("must be owner of sink \"%s\"",
							evaudit_spi_text((int) row, 0))));
	evaudit_spi_end(&spi);
}

/* Change rows, and tell their sinks' processes at commit; how many. */
static int64
change(EvauditStatement *statement, Datum value)
{
	EvauditSpi	spi;
	int64		n;

	evaudit_spi_begin(&spi);
	n = (int64) evaudit_spi_execute(statement, &value, NULL);
	evaudit_spi_end(&spi);
	if (n > 0)
		evaudit_wake_processes_at_commit();
	return n;
}

/* redeliver(ids bigint[]) returns bigint */
Datum
evaudit_redeliver_ids(PG_FUNCTION_ARGS)
{
	static EvauditStatement redeliver = {
		REDELIVER("d.id = ANY ($1)", "e.id = ANY ($1)"),
		1, {INT8ARRAYOID},.plan_options = CURSOR_OPT_CUSTOM_PLAN
	};
	Datum		ids = PG_GETARG_DATUM(0);

	check_owner_of(ids);
	PG_RETURN_INT64(change(&redeliver, ids));
}

/* redeliver(sink text) returns bigint */
Datum
evaudit_redeliver_sink(PG_FUNCTION_ARGS)
{
	static EvauditStatement redeliver = {
		REDELIVER("d.sink_id = $1", "true"), 1, {INT8OID},
		.plan_options = CURSOR_OPT_CUSTOM_PLAN
	};
	EvauditServerJobHandle sink =
		evaudit_server_job_find(&evaudit_sink_jobs,
								text_to_cstring(PG_GETARG_TEXT_PP(0)));

	PG_RETURN_INT64(change(&redeliver, Int64GetDatum(sink.id)));
}

/* skip_delivery(ids bigint[]) returns bigint */
Datum
evaudit_skip_delivery(PG_FUNCTION_ARGS)
{
	static EvauditStatement skip = {
		"UPDATE evaudit.delivery_store SET state = 'skipped',"
		" next_retry_at = NULL WHERE id = ANY ($1) AND state <> 'skipped'",
		1, {INT8ARRAYOID},.plan_options = CURSOR_OPT_CUSTOM_PLAN
	};
	Datum		ids = PG_GETARG_DATUM(0);

	check_owner_of(ids);
	PG_RETURN_INT64(change(&skip, ids));
}

/* delivery_event(id bigint) returns evaudit.event */
Datum
evaudit_delivery_event(PG_FUNCTION_ARGS)
{
	static EvauditStatement read = {
		"SELECT ROW(topic, event_id, key, payload, headers, event_time,"
		" subject, source, source_position)::evaudit.event"
		" FROM evaudit.delivery_store WHERE id = $1",
		1, {INT8OID}
	};
	MemoryContext context = CurrentMemoryContext;
	int64		id = PG_GETARG_INT64(0);
	Datum		value = Int64GetDatum(id);
	Datum		event = (Datum) 0;
	bool		isnull;
	EvauditSpi	spi;

	check_owner_of(evaudit_spi_int64_array(&id, 1));
	evaudit_spi_begin(&spi);
	if (evaudit_spi_execute(&read, &value, NULL) > 0)
	{
		event = evaudit_spi_datum(0, 0, &isnull);
		MemoryContextSwitchTo(context);
		event = PointerGetDatum(DatumGetHeapTupleHeaderCopy(event));
	}
	evaudit_spi_end(&spi);
	if (event == (Datum) 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(event);
}
