/*-------------------------------------------------------------------------
 *
 * audit_log.c
 *	  The table audit, as capture writes it.
 *
 * Rows go straight into a partition of the table (segment.c).  Whoever may
 * change a tracked table thereby writes audit rows without any right on audit,
 * and nothing is planned or executed for them.  Where the owner of audit adds
 * what only the executor honours, such as triggers or CHECK constraints
 * (audit_shape.c), rows are inserted by a statement, in his name, as
 * referential integrity does.  Row security is passed by, unless it is forced
 * on him.
 *
 * Lifetimes: what is known of audit is kept for the backend and made anew
 * when its relcache entry is invalidated.  Relations are opened for each
 * change, and the locks on audit and its partition are held to the end of the
 * transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/partition.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "audit/audit_log.h"
#include "audit/audit_shape.h"
#include "audit/audit_watch.h"
#include "audit/held_locks.h"
#include "audit/row_id.h"
#include "audit/row_seq.h"
#include "audit/segment_job.h"
#include "server/extension.h"
#include "server/setting.h"
#include "server/spi.h"

/* What is known of audit, in a memory context of its own. */
typedef struct AuditTable
{
	uint64		generation;		/* when this was found out */
	Oid			relid;
	Oid			owner;
	Oid			sequence;
	MemoryContext context;
	FullTransactionId locked_in;	/* has it and the sequence locked */
	bool		by_executor;	/* rows are inserted by a statement */
	text	   *operations[EVAUDIT_LAST_OPERATION + 1];
} AuditTable;

/* A row of audit. */
typedef struct RowValues
{
	Datum		values[EVAUDIT_AUDIT_NCOLUMNS];
	bool		isnull[EVAUDIT_AUDIT_NCOLUMNS];
} RowValues;

/* The types of audit's columns. */
#define EVAUDIT_AUDIT_TYPES \
	{UUIDOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, JSONBOID, \
	JSONBOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INETOID, XID8OID, INT4OID, \
	OIDOID, TEXTOID, INT8OID}

const Oid	evaudit_audit_types[EVAUDIT_AUDIT_NCOLUMNS] = EVAUDIT_AUDIT_TYPES;

static AuditTable *table = NULL;

const char *const evaudit_operation_names[] = {
	"INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRACK", "UNTRACK",
	"SKIP", "BASELINE", "REDACT"
};

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

/* Is a relation audit, or one of its partitions at whatever level? */
bool
evaudit_is_audit(Relation rel)
{
	Oid			audit = evaudit_audit_relid();

	return RelationGetRelid(rel) == audit ||
		(rel->rd_rel->relispartition &&
		 list_member_oid(get_partition_ancestors(RelationGetRelid(rel)),
						 audit));
}

/* The last number that was drawn for a row of audit; *unused if none was. */
int64
evaudit_audit_drawn(Oid audit, bool *unused)
{
	List	   *sequences = getOwnedSequences(audit);
	Relation	sequence;
	int64		last;

	*unused = true;
	if (sequences == NIL)
		return 0;
	sequence = relation_open(linitial_oid(sequences), AccessShareLock);
	last = evaudit_row_seq_last(sequence, unused);
	relation_close(sequence, AccessShareLock);
	return last;
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

/* Learn about audit, which is open. */
static AuditTable *
make_table(Relation rel)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "evaudit audit table",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	AuditTable *audit = palloc0(sizeof(AuditTable));

	evaudit_audit_check_table(rel);
	audit->by_executor = evaudit_audit_needs_executor(rel);
	audit->context = context;
	audit->relid = RelationGetRelid(rel);
	audit->owner = rel->rd_rel->relowner;
	audit->sequence = find_sequence(rel);
	evaudit_audit_watch(EVAUDIT_WATCH_SEQUENCE, audit->sequence);
	for (int i = 0; i < lengthof(evaudit_operation_names); i++)
		audit->operations[i] = cstring_to_text(evaudit_operation_names[i]);
	MemoryContextSwitchTo(old);
	return audit;
}

/* Find out anew what is known of audit, and lock it. */
static void
refresh_table(void)
{
	Oid			relid = evaudit_audit_relid();
	AuditTable *audit;
	uint64		generation;
	Relation	rel;

	evaudit_audit_watch(EVAUDIT_WATCH_AUDIT, relid);
	rel = table_open(relid, RowExclusiveLock);
	generation = evaudit_audit_generation;
	audit = make_table(rel);
	audit->generation = generation;
	table_close(rel, NoLock);

	/* a write that is under way may still need the old one */
	if (table)
		MemoryContextSetParent(table->context, TopTransactionContext);
	table = audit;
	MemoryContextSetParent(table->context, CacheMemoryContext);
}

/*
 * Open audit and its sequence for writing.  The partition is opened for the
 * first row, when its number is known.
 */
void
evaudit_audit_open(EvauditAuditLog *log)
{
	bool		held = table && evaudit_locks_held(table->locked_in);

	if (table && table->generation == evaudit_audit_generation && !held)
		LockRelationOid(table->relid, RowExclusiveLock);
	/* locking it may have invalidated what is known */
	if (table == NULL || table->generation != evaudit_audit_generation)
	{
		refresh_table();
		held = false;
	}

	log->table = table;
	log->sequence = relation_open(table->sequence,
								  held ? NoLock : RowExclusiveLock);
	log->open.segment = NULL;
	if (held)
		return;
	evaudit_lock_for_transaction(table->relid);
	evaudit_lock_for_transaction(table->sequence);
	table->locked_in = GetTopFullTransactionIdIfAny();
}

/* Close what was opened.  Locks stay, as those of any writer do. */
void
evaudit_audit_close(EvauditAuditLog *log)
{
	evaudit_segment_close(&log->open);
	relation_close(log->sequence, NoLock);
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
set_pointer(RowValues *row, EvauditAuditColumn column, const void *value)
{
	row->values[column] = PointerGetDatum(value);
	row->isnull[column] = value == NULL;
}

/* Put a value that is never NULL into its column. */
static void
set_datum(RowValues *row, EvauditAuditColumn column, Datum value)
{
	row->values[column] = value;
	row->isnull[column] = false;
}

/* Make an audit row of its parts, and return its number. */
static int64
fill_row(EvauditAuditLog *log, const EvauditAuditRow *row, pg_uuid_t *id,
		 RowValues *result)
{
	const EvauditContext *context = row->context;
	int64		previous;
	int64		seq;

	evaudit_row_id(id);
	set_datum(result, EVAUDIT_AUDIT_ID, UUIDPGetDatum(id));
	set_pointer(result, EVAUDIT_AUDIT_RELATION, row->relation);
	set_pointer(result, EVAUDIT_AUDIT_ITEM_KEY, row->item_key);
	set_pointer(result, EVAUDIT_AUDIT_OPERATION,
				log->table->operations[row->operation]);
	set_datum(result, EVAUDIT_AUDIT_MODIFICATION_TIME,
			  TimestampTzGetDatum(context->time));
	set_pointer(result, EVAUDIT_AUDIT_UPDATED_ATTRIBUTE, row->attribute);
	set_pointer(result, EVAUDIT_AUDIT_OLD_VALUE, row->old_value);
	set_pointer(result, EVAUDIT_AUDIT_NEW_VALUE, row->new_value);
	set_pointer(result, EVAUDIT_AUDIT_ACTOR, context->actor);
	set_pointer(result, EVAUDIT_AUDIT_REQUEST_ID, context->request_id);
	set_pointer(result, EVAUDIT_AUDIT_SESSION_ROLE, context->session_role);
	set_pointer(result, EVAUDIT_AUDIT_APPLICATION_NAME,
				context->application_name);
	set_pointer(result, EVAUDIT_AUDIT_CLIENT_ADDR,
				DatumGetPointer(context->client_addr));
	set_datum(result, EVAUDIT_AUDIT_XID,
			  FullTransactionIdGetDatum(GetTopFullTransactionId()));
	set_datum(result, EVAUDIT_AUDIT_EPOCH, Int32GetDatum(context->epoch));
	set_datum(result, EVAUDIT_AUDIT_RELID, ObjectIdGetDatum(row->relid));
	result->isnull[EVAUDIT_AUDIT_RELID] = !OidIsValid(row->relid);
	set_pointer(result, EVAUDIT_AUDIT_ROLE_NAME, context->role_name);
	seq = evaudit_row_seq(log->sequence, &previous);
	evaudit_segments_drawn(previous, seq);
	set_datum(result, EVAUDIT_AUDIT_SEQ, Int64GetDatum(seq));
	return seq;
}

/*
 * Insert a row by a statement, as audit's owner and so with his triggers,
 * constraints and defaults.
 */
static void
insert_by_executor(const AuditTable *audit, const RowValues *row)
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
	char		nulls[EVAUDIT_AUDIT_NCOLUMNS];
	static uint64 planned = 0;	/* for which form of audit */
	EvauditSpi	spi;
	Oid			owner;
	int			security;

	if (planned != audit->generation)
		evaudit_spi_discard(&insert);
	planned = audit->generation;
	for (int i = 0; i < EVAUDIT_AUDIT_NCOLUMNS; i++)
		nulls[i] = row->isnull[i] ? 'n' : ' ';
	evaudit_spi_begin_as(&spi, audit->owner);
	/* the row security that he forces on himself holds, for everybody */
	GetUserIdAndSecContext(&owner, &security);
	SetUserIdAndSecContext(owner, security & ~SECURITY_NOFORCE_RLS);
	evaudit_set_locally("row_security", "on");
	(void) evaudit_spi_execute(&insert, row->values, nulls);
	evaudit_spi_end(&spi);
}

/*
 * Insert a row.  No partition stays open while code of the owner's may run,
 * which may itself change a tracked table.
 */
static void
insert_row(EvauditAuditLog *log, const RowValues *row)
{
	int64		seq = DatumGetInt64(row->values[EVAUDIT_AUDIT_SEQ]);

	if (evaudit_segment_open(&log->open, log->table->relid, seq) &&
		!log->table->by_executor)
	{
		evaudit_segment_insert(&log->open, row->values, row->isnull);
		return;
	}
	evaudit_segment_close(&log->open);
	insert_by_executor(log->table, row);
}

/* Have the partition of a number ready for a row that a statement inserts. */
void
evaudit_audit_expect(int64 seq)
{
	EvauditAuditLog log;

	evaudit_audit_open(&log);
	(void) evaudit_segment_open(&log.open, log.table->relid, seq);
	evaudit_audit_close(&log);
}

/* Write one audit row, and return its number. */
int64
evaudit_audit_write(EvauditAuditLog *log, const EvauditAuditRow *row)
{
	RowValues	values;
	pg_uuid_t	id;
	int64		seq;

	evaudit_audit_wake_readers();
	seq = fill_row(log, row, &id, &values);
	insert_row(log, &values);
	return seq;
}

/* Write a row of a dump, which keeps its number; later rows come after it. */
void
evaudit_audit_restore(EvauditAuditLog *log, const Datum *values,
					  const char *nulls)
{
	RowValues	row;

	evaudit_row_seq_raise(log->sequence,
						  DatumGetInt64(values[EVAUDIT_AUDIT_SEQ]));
	memcpy(row.values, values, sizeof(row.values));
	for (int i = 0; i < EVAUDIT_AUDIT_NCOLUMNS; i++)
		row.isnull[i] = nulls[i] == 'n';
	insert_row(log, &row);
}
