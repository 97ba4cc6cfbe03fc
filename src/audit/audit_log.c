/*-------------------------------------------------------------------------
 *
 * audit_log.c
 *	  The table audit, as capture writes it.
 *
 * Rows go straight into the table and its indexes.  Whoever may change a
 * tracked table thereby writes audit rows without any right on audit, and
 * nothing is planned or executed for them.  Any index of any kind that its
 * owner adds is kept up.  Where he adds what only the executor honours, such
 * as triggers or CHECK constraints (audit_shape.c), rows are inserted by a
 * statement, in his name, as referential integrity does.  Row security is
 * passed by, unless it is forced on him.
 *
 * Lifetimes: what is known of audit is kept for the backend and made anew
 * when its relcache entry is invalidated.  Relations are opened for each
 * change, and the lock on audit is held to the end of the transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "audit/audit_log.h"
#include "audit/audit_shape.h"
#include "audit/row_id.h"
#include "audit/row_seq.h"
#include "server/compat.h"
#include "server/extension.h"
#include "server/setting.h"
#include "server/spi.h"

/* What is known of audit, in a memory context of its own. */
typedef struct AuditTable
{
	uint64		generation;		/* when this was found out */
	Oid			relid;
	Oid			sequence;
	MemoryContext context;
	TupleTableSlot *slot;		/* the row's values, for its indexes */
	TupleTableSlot *stored;		/* the row as the table stores it */
	EState	   *estate;			/* for indexes on expressions */
	int			nindexes;
	Oid		   *index_oids;
	IndexInfo **index_infos;
	bool		by_executor;	/* rows are inserted by a statement */
	uint64		writes;			/* how many rows were begun to be written */
	text	   *operations[EVAUDIT_SKIP + 1];
} AuditTable;

/* The types of audit's columns. */
#define EVAUDIT_AUDIT_TYPES \
	{UUIDOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, JSONBOID, \
	JSONBOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INETOID, XID8OID, INT4OID, \
	OIDOID, TEXTOID, INT8OID}

const Oid	evaudit_audit_types[EVAUDIT_AUDIT_NCOLUMNS] = EVAUDIT_AUDIT_TYPES;

static AuditTable *table = NULL;

/* The table that is watched, and the number of its invalidations. */
static Oid	watched = InvalidOid;
static Oid	watched_sequence = InvalidOid;
static uint64 generation = 0;

static const char *const operation_names[] = {
	"INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRACK", "UNTRACK",
	"SKIP"
};

/* Invalidation callback: audit or its sequence changed or was dropped. */
static void
invalidate_table(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == watched || relid == watched_sequence)
		generation++;
}

/* The table audit, or an error if somebody took it away. */
Oid
evaudit_audit_relid(void)
{
	Oid			relid = get_relname_relid("audit", evaudit_extension_schema());

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"audit\" of extension \"evaudit\" does not exist"),
				 errhint("Do not rename or move the table \"audit\".")));
	return relid;
}

/* The sequence that numbers audit's rows. */
static Oid
find_sequence(Relation rel)
{
	List	   *sequences = getOwnedSequences(RelationGetRelid(rel));

	if (sequences == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("table \"%s\" has no sequence for its column \"seq\"",
						RelationGetRelationName(rel)),
				 errhint("Create a sequence that is OWNED BY the column.")));
	return linitial_oid(sequences);
}

/* Learn which indexes audit has, in the current memory context. */
static void
init_indexes(AuditTable *audit, Relation rel)
{
	List	   *oids = RelationGetIndexList(rel);
	ListCell   *cell;

	audit->index_oids = palloc(sizeof(Oid) * Max(list_length(oids), 1));
	audit->index_infos = palloc(sizeof(IndexInfo *) *
								Max(list_length(oids), 1));
	foreach(cell, oids)
	{
		Relation	index = index_open(lfirst_oid(cell), RowExclusiveLock);
		IndexInfo  *info = BuildIndexInfo(index);

		if (info->ii_ReadyForInserts)
		{
			audit->index_oids[audit->nindexes] = lfirst_oid(cell);
			audit->index_infos[audit->nindexes++] = info;
			if (info->ii_ExclusionOps != NULL || !index->rd_index->indimmediate)
				audit->by_executor = true;
		}
		index_close(index, NoLock);
	}
}

/* Learn about audit. */
static AuditTable *
make_table(Relation rel)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "evaudit audit table",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	AuditTable *audit = palloc0(sizeof(AuditTable));
	TupleDesc	desc = CreateTupleDescCopy(RelationGetDescr(rel));

	evaudit_audit_check_table(rel);
	audit->by_executor = evaudit_audit_needs_executor(rel);
	audit->context = context;
	audit->relid = RelationGetRelid(rel);
	audit->sequence = watched_sequence = find_sequence(rel);
	audit->estate = CreateExecutorState();
	audit->slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	audit->stored = MakeSingleTupleTableSlot(desc, table_slot_callbacks(rel));
	init_indexes(audit, rel);
	for (int i = 0; i < lengthof(operation_names); i++)
		audit->operations[i] = cstring_to_text(operation_names[i]);
	MemoryContextSwitchTo(old);
	return audit;
}

/* Find out anew what is known of audit, and open it. */
static Relation
refresh_table(void)
{
	static bool registered = false;
	AuditTable *audit;
	uint64		before;
	Relation	rel;

	if (!registered)
		CacheRegisterRelcacheCallback(invalidate_table, (Datum) 0);
	registered = true;

	watched = evaudit_audit_relid();
	rel = table_open(watched, RowExclusiveLock);
	before = generation;
	audit = make_table(rel);
	audit->generation = before;

	/* a write that is under way may still need the old one */
	if (table)
		MemoryContextSetParent(table->context, TopTransactionContext);
	table = audit;
	MemoryContextSetParent(table->context, CacheMemoryContext);
	return rel;
}

/* Open audit, its sequence and its indexes for writing. */
void
evaudit_audit_open(EvauditAuditLog *log)
{
	log->rel = NULL;
	if (table && table->generation == generation)
		log->rel = table_open(table->relid, RowExclusiveLock);

	/* locking it may have invalidated what is known */
	if (table == NULL || table->generation != generation)
	{
		if (log->rel)
			table_close(log->rel, NoLock);
		log->rel = refresh_table();
	}

	log->table = table;
	log->sequence = relation_open(table->sequence, RowExclusiveLock);
	log->indexes = palloc(sizeof(Relation) * Max(table->nindexes, 1));
	for (int i = 0; i < table->nindexes; i++)
		log->indexes[i] = index_open(table->index_oids[i], RowExclusiveLock);
}

/* Close what was opened.  Locks stay, as those of any writer do. */
void
evaudit_audit_close(EvauditAuditLog *log)
{
	for (int i = 0; i < log->table->nindexes; i++)
		index_close(log->indexes[i], NoLock);
	relation_close(log->sequence, NoLock);
	table_close(log->rel, NoLock);
}

/* The last number that was drawn for a row of audit, by any session. */
int64
evaudit_audit_last_seq(void)
{
	EvauditAuditLog log;
	int64		last;
	bool		unused;

	evaudit_audit_open(&log);
	last = evaudit_row_seq_last(log.sequence, &unused);
	evaudit_audit_close(&log);
	return last;
}

/* Put a text or other varlena into its column, NULL if there is none. */
static void
set_pointer(TupleTableSlot *slot, EvauditAuditColumn column, const void *value)
{
	slot->tts_values[column] = PointerGetDatum(value);
	slot->tts_isnull[column] = value == NULL;
}

/* Put a value that is never NULL into its column. */
static void
set_datum(TupleTableSlot *slot, EvauditAuditColumn column, Datum value)
{
	slot->tts_values[column] = value;
	slot->tts_isnull[column] = false;
}

/*
 * Fill the slot with an audit row, and return its number.  Columns that
 * others added stay NULL.
 */
static int64
fill_slot(EvauditAuditLog *log, const EvauditAuditRow *row, pg_uuid_t *id)
{
	const EvauditContext *context = row->context;
	TupleTableSlot *slot = log->table->slot;
	int64		seq;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts);
	evaudit_row_id(id);
	set_datum(slot, EVAUDIT_AUDIT_ID, UUIDPGetDatum(id));
	set_pointer(slot, EVAUDIT_AUDIT_RELATION, row->relation);
	set_pointer(slot, EVAUDIT_AUDIT_ITEM_KEY, row->item_key);
	set_pointer(slot, EVAUDIT_AUDIT_OPERATION,
				log->table->operations[row->operation]);
	set_datum(slot, EVAUDIT_AUDIT_MODIFICATION_TIME,
			  TimestampTzGetDatum(context->time));
	set_pointer(slot, EVAUDIT_AUDIT_UPDATED_ATTRIBUTE, row->attribute);
	set_pointer(slot, EVAUDIT_AUDIT_OLD_VALUE, row->old_value);
	set_pointer(slot, EVAUDIT_AUDIT_NEW_VALUE, row->new_value);
	set_pointer(slot, EVAUDIT_AUDIT_ACTOR, context->actor);
	set_pointer(slot, EVAUDIT_AUDIT_REQUEST_ID, context->request_id);
	set_pointer(slot, EVAUDIT_AUDIT_SESSION_ROLE, context->session_role);
	set_pointer(slot, EVAUDIT_AUDIT_APPLICATION_NAME,
				context->application_name);
	set_pointer(slot, EVAUDIT_AUDIT_CLIENT_ADDR,
				DatumGetPointer(context->client_addr));
	set_datum(slot, EVAUDIT_AUDIT_XID,
			  FullTransactionIdGetDatum(GetTopFullTransactionId()));
	set_datum(slot, EVAUDIT_AUDIT_EPOCH, Int32GetDatum(context->epoch));
	set_datum(slot, EVAUDIT_AUDIT_RELID, ObjectIdGetDatum(row->relid));
	slot->tts_isnull[EVAUDIT_AUDIT_RELID] = !OidIsValid(row->relid);
	set_pointer(slot, EVAUDIT_AUDIT_ROLE_NAME, context->role_name);
	seq = evaudit_row_seq(log->sequence);
	set_datum(slot, EVAUDIT_AUDIT_SEQ, Int64GetDatum(seq));
	ExecStoreVirtualTuple(slot);
	return seq;
}

/*
 * Insert the row in the slot by a statement, as audit's owner and so with his
 * triggers, constraints and defaults.  The slot is not used once code of his
 * runs, which may itself change a tracked table.
 */
static void
insert_by_executor(EvauditAuditLog *log)
{
	static EvauditStatement insert = {
		"INSERT INTO $S.audit (id, relation, item_key, operation,"
		" modification_time, updated_attribute, old_value, new_value, actor,"
		" request_id, session_role, application_name, client_addr, xid, epoch,"
		" relid, role_name, seq) OVERRIDING SYSTEM VALUE VALUES"
		" ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,"
		" $16, $17, $18)",
		EVAUDIT_AUDIT_NCOLUMNS, EVAUDIT_AUDIT_TYPES
	};
	TupleTableSlot *slot = log->table->slot;
	Datum		values[EVAUDIT_AUDIT_NCOLUMNS];
	char		nulls[EVAUDIT_AUDIT_NCOLUMNS];
	static uint64 planned = 0;	/* for which form of audit */
	EvauditSpi	spi;
	Oid			owner;
	int			security;

	if (planned != log->table->generation)
		evaudit_spi_discard(&insert);
	planned = log->table->generation;
	for (int i = 0; i < EVAUDIT_AUDIT_NCOLUMNS; i++)
	{
		values[i] = slot->tts_values[i];
		nulls[i] = slot->tts_isnull[i] ? 'n' : ' ';
	}
	ExecClearTuple(slot);
	evaudit_spi_begin_as(&spi, log->rel->rd_rel->relowner);
	/* the row security that he forces on himself holds, for everybody */
	GetUserIdAndSecContext(&owner, &security);
	SetUserIdAndSecContext(owner, security & ~SECURITY_NOFORCE_RLS);
	evaudit_set_locally("row_security", "on");
	(void) evaudit_spi_execute(&insert, values, nulls);
	evaudit_spi_end(&spi);
}

/* Does the row in the context's slot belong into a partial index? */
static bool
index_wants(IndexInfo *info, EState *estate, ExprContext *econtext)
{
	MemoryContext old;

	if (info->ii_Predicate == NIL)
		return true;
	if (info->ii_PredicateState == NULL)
	{
		old = MemoryContextSwitchTo(estate->es_query_cxt);
		info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate, estate);
		MemoryContextSwitchTo(old);
	}
	return ExecQual(info->ii_PredicateState, econtext);
}

/*
 * Refuse that the function of an index on audit, which ought to be immutable,
 * has changed a tracked table: its audit row took the slots.
 */
static void
check_undisturbed(const AuditTable *audit, uint64 writes)
{
	if (audit->writes != writes)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("function of an index on table \"audit\" has changed a tracked table")));
}

/* Add the row in the table's slot to its index number i. */
static void
insert_index(EvauditAuditLog *log, int i)
{
	AuditTable *audit = log->table;
	Relation	index = log->indexes[i];
	IndexInfo  *info = audit->index_infos[i];
	ExprContext *econtext = GetPerTupleExprContext(audit->estate);
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];
	uint64		writes = audit->writes;
	bool		wanted;

	econtext->ecxt_scantuple = audit->slot;
	wanted = index_wants(info, audit->estate, econtext);
	check_undisturbed(audit, writes);
	if (!wanted)
		return;
	FormIndexDatum(info, audit->slot, audit->estate, values, isnull);
	check_undisturbed(audit, writes);

	/*
	 * What an access method keeps between rows refers to the open index, so
	 * it must not outlive this call.
	 */
	info->ii_Context = CurrentMemoryContext;
	info->ii_AmCache = NULL;
	index_insert(index, values, isnull, &audit->stored->tts_tid, log->rel,
				 index->rd_index->indisunique ?
				 UNIQUE_CHECK_YES : UNIQUE_CHECK_NO,
				 false, info);
	evaudit_index_insert_cleanup(index, info);
	info->ii_AmCache = NULL;
}

/* Insert the row in the slot into the table and its indexes. */
static void
insert_directly(EvauditAuditLog *log)
{
	AuditTable *audit = log->table;

	ExecCopySlot(audit->stored, audit->slot);
	table_tuple_insert(log->rel, audit->stored, GetCurrentCommandId(true), 0,
					   NULL);
	for (int i = 0; i < audit->nindexes; i++)
		insert_index(log, i);
	ExecClearTuple(audit->stored);
	ExecClearTuple(audit->slot);
	ResetPerTupleExprContext(audit->estate);
}

/* Write one audit row, and return its number. */
int64
evaudit_audit_write(EvauditAuditLog *log, const EvauditAuditRow *row)
{
	pg_uuid_t	id;
	int64		seq;

	log->table->writes++;
	/* before the slot has anything that another statement could take */
	evaudit_audit_wake_readers();
	seq = fill_slot(log, row, &id);
	if (log->table->by_executor)
		insert_by_executor(log);
	else
		insert_directly(log);
	return seq;
}

/* Write a row of a dump, which keeps its number; later rows come after it. */
void
evaudit_audit_restore(EvauditAuditLog *log, const Datum *values,
					  const char *nulls)
{
	AuditTable *audit = log->table;
	TupleTableSlot *slot = audit->slot;

	evaudit_row_seq_raise(log->sequence,
						  DatumGetInt64(values[EVAUDIT_AUDIT_SEQ]));
	audit->writes++;
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts);
	for (int i = 0; i < EVAUDIT_AUDIT_NCOLUMNS; i++)
	{
		slot->tts_values[i] = values[i];
		slot->tts_isnull[i] = nulls[i] == 'n';
	}
	ExecStoreVirtualTuple(slot);
	if (audit->by_executor)
		insert_by_executor(log);
	else
		insert_directly(log);
}
