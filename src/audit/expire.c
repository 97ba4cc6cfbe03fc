/*-------------------------------------------------------------------------
 *
 * expire.c
 *	  Deleting rows of audit that are too old, in batches.
 *
 * Segments go as a whole (segment_drop.c).  By batches go the rows of relations
 * that are kept for a shorter time, those in a segment of which others stay,
 * and those in no segment.  Rows that are held stay, as do those that a sink
 * has not sent.
 *
 * Rows are chosen as a superuser, by what evaudit's own queries compare, and
 * deleted as the owner of audit, whose triggers run.  Whether a row may go
 * and its deletion are one transaction, with the holds locked, so that none
 * comes in between.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "audit/audit_log.h"
#include "audit/expire.h"
#include "audit/export.h"
#include "server/spi.h"

/* The names of the relations that have a rule of their own, as an array. */
static Datum
listed_names(const EvauditExpiry *expiry)
{
	static EvauditStatement names = {
		"SELECT coalesce(array_agg(r.value ->> 'relation'), '{}')"
		" FROM jsonb_array_elements($1) r", 1, {JSONBOID}
	};
	Datum		value = JsonbPGetDatum(expiry->relations);

	(void) evaudit_spi_execute(&names, &value, NULL);
	return evaudit_spi_datum_of(0, 0, TEXTARRAYOID);
}

/* The name of the only relation that is concerned, as an array. */
static Datum
own_name(const EvauditExpireWalk *walk)
{
	Datum		name = CStringGetTextDatum(walk->relation);

	return evaudit_spi_array(&name, NULL, 1, TEXTOID);
}

/*
 * Choose which of the next rows go, into an array in a memory context.  False
 * if what follows is young.
 */
static bool
choose(const EvauditExpiry *expiry, EvauditExpireWalk *walk, int limit,
	   MemoryContext context, Datum *numbers, bool *awaited)
{
	static const char *const sql =
		"WITH scanned AS MATERIALIZED (SELECT a.seq, a.relation, a.item_key,"
		" a.epoch, a.xid, coalesce(a.modification_time < now() - $1, false)"
		" AS old, (a.relation = ANY ($2)) = $3 AS ours"
		" FROM %s a WHERE a.seq > $4 ORDER BY a.seq LIMIT $5),"
		" judged AS (SELECT a.seq, a.old, a.ours,"
		" a.ours AND a.old AND " EVAUDIT_IS_HELD " AS held,"
		" a.ours AND a.old AND " EVAUDIT_IS_AWAITED("$6", "$7") " AS awaited"
		" FROM scanned a)"
		" SELECT coalesce(max(seq), $4), count(*) = $5 AND bool_or(old),"
		" min(seq) FILTER (WHERE NOT old OR held OR awaited),"
		" coalesce(bool_or(awaited), false),"
		" coalesce(array_agg(seq) FILTER"
		" (WHERE ours AND old AND NOT held AND NOT awaited), '{}')"
		" FROM judged";
	enum
	{
		LAST,
		MORE,
		STAYS,
		AWAITED,
		NUMBERS
	};
	Oid			types[] = {INTERVALOID, TEXTARRAYOID, BOOLOID, INT8OID,
	INT4OID, OIDOID, INT4OID};
	Datum		values[] = {
		IntervalPGetDatum(walk->keep),
		walk->relation ? own_name(walk) : listed_names(expiry),
		BoolGetDatum(walk->relation != NULL),
		Int64GetDatum(walk->last),
		Int32GetDatum(limit),
		ObjectIdGetDatum(MyDatabaseId),
		Int32GetDatum(evaudit_context_epoch())
	};
	bool		more;

	PushActiveSnapshot(GetLatestSnapshot());
	if (SPI_execute_with_args(psprintf(sql, walk->table), lengthof(types),
							  types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read table %s", walk->table);
	PopActiveSnapshot();

	walk->last = evaudit_spi_int64(0, LAST);
	more = !evaudit_spi_is_null(0, MORE) && evaudit_spi_bool(0, MORE);
	if (!walk->stays && !evaudit_spi_is_null(0, STAYS))
	{
		walk->stays = true;
		walk->done = evaudit_spi_int64(0, STAYS) - 1;
	}
	if (!walk->stays)
		walk->done = walk->last;
	*awaited = evaudit_spi_bool(0, AWAITED);
	context = MemoryContextSwitchTo(context);
	*numbers = datumCopy(evaudit_spi_datum_of(0, NUMBERS, INT8ARRAYOID),
						 false, -1);
	MemoryContextSwitchTo(context);
	return more;
}

/* Delete rows, which are exported first if they are to be. */
static void
delete_rows(const EvauditExpiry *expiry, const char *table, Datum numbers,
			EvauditExpired *expired)
{
	MemoryContext context = CurrentMemoryContext;
	ArrayType  *array = DatumGetArrayTypeP(numbers);
	EvauditExport export = {
		.directory = expiry->directory,
		.total = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array))
	};
	Oid			type = INT8ARRAYOID;
	char	   *sql = psprintf("DELETE FROM %s a WHERE a.seq = ANY ($1)", table);
	EvauditSpi	spi;

	evaudit_spi_begin_on(&spi, evaudit_audit_relid());
	if (export.directory)
	{
		evaudit_export(&export, psprintf("%s RETURNING " EVAUDIT_EXPORTED,
										 sql), type, numbers);
		expired->deleted = expired->exported = export.rows;
		if (export.file)
			expired->file = MemoryContextStrdup(context, export.file);
	}
	else
	{
		if (SPI_execute_with_args(sql, 1, &type, &numbers, NULL, false,
								  0) != SPI_OK_DELETE)
			elog(ERROR, "could not execute \"%s\"", sql);
		expired->deleted = (int64) SPI_processed;
	}
	evaudit_spi_end(&spi);
}

/*
 * Delete what is too old of the next rows; in a transaction.  False if nothing
 * is too old that follows.
 */
bool
evaudit_expire(const EvauditExpiry *expiry, EvauditExpireWalk *walk,
			   int limit, EvauditExpired *expired)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		numbers;
	bool		more;
	EvauditSpi	spi;

	memset(expired, 0, sizeof(EvauditExpired));
	if (expiry->directory)
		evaudit_export_check_right(expiry->role);
	LockRelationOid(get_relname_relid("audit_holds",
									  get_namespace_oid("evaudit", false)),
					ShareLock);
	evaudit_spi_begin(&spi);
	more = choose(expiry, walk, limit, context, &numbers, &expired->awaited);
	evaudit_spi_end(&spi);
	if (ARR_NDIM(DatumGetArrayTypeP(numbers)) > 0)
		delete_rows(expiry, walk->table, numbers, expired);
	return more;
}
