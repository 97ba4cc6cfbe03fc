/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  What is behind stat_sources and stat_partitions: the slots in shared
 *	  memory, as rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "server/shmem.h"

PG_FUNCTION_INFO_V1(evaudit_source_stats);
PG_FUNCTION_INFO_V1(evaudit_partition_stats);

/* Whether the current user may see how a source does. */
static bool
may_see(Oid owner)
{
	Oid			user = GetUserId();

	return has_privs_of_role(user, ROLE_PG_MONITOR) ||
		(OidIsValid(owner) && has_privs_of_role(user, owner));
}

/* The name of a state, as stat_sources.state shows it. */
static const char *
state_name(EvauditSourceState state)
{
	switch (state)
	{
		case EVAUDIT_SOURCE_STARTING:
			return "starting";
		case EVAUDIT_SOURCE_RUNNING:
			return "running";
		case EVAUDIT_SOURCE_BACKOFF:
			return "backoff";
		case EVAUDIT_SOURCE_STOPPED:
			break;
	}
	return "stopped";
}

/* The process ids of a source's workers. */
static Datum
pids_datum(const EvauditSourceSlot *slot)
{
	Datum		pids[EVAUDIT_MAX_WORKERS];
	int			n = 0;

	for (int i = 0; i < EVAUDIT_MAX_WORKERS; i++)
	{
		if (slot->pids[i] != 0)
			pids[n++] = Int32GetDatum(slot->pids[i]);
	}
	return PointerGetDatum(construct_array(pids, n, INT4OID, sizeof(int32),
										   true, TYPALIGN_INT));
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
add_source_row(ReturnSetInfo *rsinfo, const EvauditSourceSlot *slot)
{
	Datum		values[13];
	bool		nulls[13] = {false};

	values[0] = Int64GetDatum(slot->source_id);
	values[1] = CStringGetTextDatum(state_name(slot->state));
	values[2] = pids_datum(slot);
	values[3] = Int64GetDatum((int64) slot->received);
	values[4] = Int64GetDatum((int64) slot->merged);
	values[5] = Int64GetDatum((int64) slot->dead_lettered);
	values[6] = Int64GetDatum((int64) slot->batches);
	set_time(values, nulls, 7, slot->last_received_at);
	set_time(values, nulls, 8, slot->last_committed_at);
	values[9] = CStringGetTextDatum(slot->last_error);
	nulls[9] = slot->last_error[0] == '\0';
	set_time(values, nulls, 10, slot->last_error_at);
	set_time(values, nulls, 11, slot->next_retry_at);
	set_time(values, nulls, 12, slot->credentials_expire_at);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * Add what is true of each source that has no slot, while all are in use or
 * there is no process for a scheduler: a row of the id 0.
 */
static void
add_waiting_row(ReturnSetInfo *rsinfo, const char *trouble)
{
	EvauditSourceSlot slot = {.state = EVAUDIT_SOURCE_BACKOFF};

	strlcpy(slot.last_error, trouble, sizeof(slot.last_error));
	add_source_row(rsinfo, &slot);
}

/* source_stats(): the sources of this database that the user may see. */
Datum
evaudit_source_stats(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	EvauditSourceSlot *slots;
	EvauditDatabase *database;
	const char *trouble = NULL;
	int			n = 0;

	InitMaterializedSRF(fcinfo, 0);
	if (evaudit_shared == NULL)
		return (Datum) 0;

	/* rows are made from a copy: no catalog look-ups under the lock */
	slots = palloc(evaudit_shared->nsources * sizeof(EvauditSourceSlot));
	LWLockAcquire(evaudit_shared->lock, LW_SHARED);
	for (int i = 0; i < evaudit_shared->nsources; i++)
	{
		if (evaudit_shared->sources[i].database == MyDatabaseId)
			slots[n++] = evaudit_shared->sources[i];
	}
	database = evaudit_find_database(MyDatabaseId);
	if (database != NULL && database->starved)
		trouble = EVAUDIT_NO_PROCESS;
	else if (evaudit_free_slot() == NULL)
		trouble = EVAUDIT_NO_SLOT;
	LWLockRelease(evaudit_shared->lock);

	for (int i = 0; i < n; i++)
	{
		if (may_see(slots[i].owner))
			add_source_row(rsinfo, &slots[i]);
	}
	if (trouble != NULL)
		add_waiting_row(rsinfo, trouble);
	return (Datum) 0;
}

/* Copies of the ends of this database's partitions. */
static EvauditPartitionEnd *
copy_ends(int *n)
{
	EvauditPartitionEnd *ends;
	EvauditPartitionEnd *end;
	HASH_SEQ_STATUS scan;

	*n = 0;
	LWLockAcquire(evaudit_shared->lock, LW_SHARED);
	ends = palloc(Max(hash_get_num_entries(evaudit_partition_ends), 1) *
				  sizeof(EvauditPartitionEnd));
	hash_seq_init(&scan, evaudit_partition_ends);
	while ((end = hash_seq_search(&scan)) != NULL)
	{
		if (end->key.database == MyDatabaseId)
			ends[(*n)++] = *end;
	}
	LWLockRelease(evaudit_shared->lock);
	return ends;
}

/* Whether the user may see how the source of an id does. */
static bool
may_see_source(int64 source_id)
{
	EvauditSourceSlot *slot;
	Oid			owner = InvalidOid;

	LWLockAcquire(evaudit_shared->lock, LW_SHARED);
	slot = evaudit_find_source(MyDatabaseId, source_id);
	if (slot != NULL)
		owner = slot->owner;
	LWLockRelease(evaudit_shared->lock);
	return may_see(owner);
}

/* partition_stats(): where partitions end, of sources the user may see. */
Datum
evaudit_partition_stats(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	EvauditPartitionEnd *ends;
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	if (evaudit_shared == NULL)
		return (Datum) 0;

	ends = copy_ends(&n);
	for (int i = 0; i < n; i++)
	{
		Datum		values[4];
		bool		nulls[4] = {false};

		if (!may_see_source(ends[i].key.source_id))
			continue;
		values[0] = Int64GetDatum(ends[i].key.source_id);
		values[1] = CStringGetTextDatum(ends[i].key.stream);
		values[2] = Int32GetDatum(ends[i].key.partition);
		values[3] = Int64GetDatum(ends[i].end_offset);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc,
							 values, nulls);
	}
	return (Datum) 0;
}
