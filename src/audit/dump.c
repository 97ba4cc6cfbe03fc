/*-------------------------------------------------------------------------
 *
 * dump.c
 *	  Rows of audit on their way through pg_dump, and back.
 *
 * pg_dump carries them under the name of an empty table, evaudit.audit_dump
 * (sql/restore.sql), whose trigger puts them in place.  So the order in which
 * a dump is restored does not matter.  The first row that comes has nothing
 * but the last number that the dumped database drew: from then on whatever is
 * captured gets a higher one, and rows that were captured before move there,
 * out of the way of those that come.
 *
 * Columns that somebody added to audit are no part of any dump.  They travel
 * as one JSON object a row; the first row has their types.  Where audit lacks
 * one it is added, without constraints and defaults, if its type is the
 * server's own: what a dump says must not have others' code run for the owner
 * of audit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/typcache.h"

#include "audit/audit_log.h"
#include "audit/audit_shape.h"
#include "audit/datum_jsonb.h"
#include "audit/jsonb_write.h"
#include "audit/row_seq.h"
#include "server/compat.h"
#include "server/spi.h"
#include "server/trigger.h"

PG_FUNCTION_INFO_V1(evaudit_audit_head);
PG_FUNCTION_INFO_V1(evaudit_audit_row);
PG_FUNCTION_INFO_V1(evaudit_restore_audit);

/* The columns of audit_dump: those of audit, and what was added. */
#define ADDED			EVAUDIT_AUDIT_NCOLUMNS
#define DUMP_COLUMNS	(EVAUDIT_AUDIT_NCOLUMNS + 1)

/* A row of audit_dump. */
static Datum
form_row(FunctionCallInfo fcinfo, Datum *values, bool *isnull)
{
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != DUMP_COLUMNS)
		elog(ERROR, "return type must be a row of evaudit.audit_dump");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values,
											 isnull));
}

/* Is a column of audit one that somebody added? */
static bool
is_added(TupleDesc desc, int i)
{
	return i >= EVAUDIT_AUDIT_NCOLUMNS &&
		evaudit_column_is_stored(TupleDescAttr(desc, i));
}

/* The added columns of audit by name, in an object; NULL if there are none. */
static Jsonb *
added_object(TupleDesc desc, void (*get) (TupleDesc desc, int i,
										  void *arg, JsonbValue *value),
			 void *arg)
{
	const char **names = palloc(sizeof(char *) * desc->natts);
	JsonbValue *values = palloc(sizeof(JsonbValue) * desc->natts);
	int			n = 0;

	for (int i = 0; i < desc->natts; i++)
	{
		if (!is_added(desc, i))
			continue;
		names[n] = NameStr(TupleDescAttr(desc, i)->attname);
		get(desc, i, arg, &values[n++]);
	}
	return n == 0 ? NULL :
		evaudit_jsonb_object(evaudit_jsonb_keys(names, n), values);
}

/* The type of a column. */
static void
get_type(TupleDesc desc, int i, void *arg, JsonbValue *value)
{
	Form_pg_attribute att = TupleDescAttr(desc, i);

	value->type = jbvString;
	value->val.string.val = format_type_extended(att->atttypid,
												 att->atttypmod,
												 FORMAT_TYPE_TYPEMOD_GIVEN |
												 FORMAT_TYPE_FORCE_QUALIFY);
	value->val.string.len = strlen(value->val.string.val);
}

/* A row's values, and which are NULL. */
typedef struct RowValues
{
	Datum	   *values;
	bool	   *isnull;
} RowValues;

/* The value of a column. */
static void
get_value(TupleDesc desc, int i, void *arg, JsonbValue *value)
{
	RowValues  *row = arg;
	EvauditDatumType type;
	EvauditPin	pin = {0};

	value->type = jbvNull;
	if (row->isnull[i])
		return;
	evaudit_datum_init(&type, TupleDescAttr(desc, i));
	evaudit_datum_to_json(&type, row->values[i], &pin, value);
	evaudit_unpin_settings(&pin);
}

/* SQL: evaudit.audit_head() RETURNS evaudit.audit_dump */
Datum
evaudit_audit_head(PG_FUNCTION_ARGS)
{
	Relation	rel = table_open(evaudit_audit_relid(), AccessShareLock);
	Datum		values[DUMP_COLUMNS] = {0};
	bool		isnull[DUMP_COLUMNS];
	bool		unused;
	int64		last = evaudit_audit_drawn(RelationGetRelid(rel), &unused);
	Jsonb	   *added = added_object(RelationGetDescr(rel), get_type, NULL);

	table_close(rel, AccessShareLock);
	memset(isnull, true, sizeof(isnull));
	values[EVAUDIT_AUDIT_SEQ] = Int64GetDatum(last);
	isnull[EVAUDIT_AUDIT_SEQ] = unused;
	values[ADDED] = PointerGetDatum(added);
	isnull[ADDED] = added == NULL;
	return form_row(fcinfo, values, isnull);
}

/* SQL: evaudit.audit_row(audit) RETURNS evaudit.audit_dump */
Datum
evaudit_audit_row(PG_FUNCTION_ARGS)
{
	HeapTupleHeader header = PG_GETARG_HEAPTUPLEHEADER(0);
	TupleDesc	desc = lookup_rowtype_tupdesc_copy(HeapTupleHeaderGetTypeId(header),
												   HeapTupleHeaderGetTypMod(header));
	int			natts = Max(desc->natts, DUMP_COLUMNS);
	RowValues	row = {palloc(sizeof(Datum) * natts),
	palloc(sizeof(bool) * natts)};
	HeapTupleData tuple = {0};
	Jsonb	   *added;

	evaudit_audit_check_columns(desc);
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_data = header;
	heap_deform_tuple(&tuple, desc, row.values, row.isnull);
	added = added_object(desc, get_value, &row);
	row.values[ADDED] = PointerGetDatum(added);
	row.isnull[ADDED] = added == NULL;
	return form_row(fcinfo, row.values, row.isnull);
}

/* Rows that were captured here before, in their order. */
static EvauditStatement captured_here = {
	"SELECT seq FROM $S.audit WHERE seq <= $1 AND epoch = $2 ORDER BY seq",
	2, {INT8OID, INT4OID}
};

static EvauditStatement renumber = {
	"UPDATE $S.audit SET seq = $2 WHERE seq = $1", 2, {INT8OID, INT8OID}
};

/* The names that are present here begin with the rows that moved. */
static EvauditStatement move_names = {
	"UPDATE evaudit.tracked_relations SET first_seq = $1 + 1"
	" WHERE epoch = $2 AND first_seq <= $1 AND last_seq IS NULL",
	2, {INT8OID, INT4OID}
};

/* Move what was captured here out of the way of rows up to a number. */
static void
move_captured(EvauditAuditLog *log, int64 last)
{
	Datum		values[] = {Int64GetDatum(last),
	Int32GetDatum(evaudit_context_epoch())};
	EvauditSpi	spi;
	uint64		n;
	int64	   *numbers;
	int64		previous;

	evaudit_spi_begin_on(&spi, evaudit_audit_relid());
	n = evaudit_spi_execute(&captured_here, values, NULL);
	numbers = palloc_extended(sizeof(int64) * Max(n, 1), MCXT_ALLOC_HUGE);
	for (uint64 i = 0; i < n; i++)
		numbers[i] = evaudit_spi_int64(i, 0);
	for (uint64 i = 0; i < n; i++)
	{
		Datum		moved[] = {Int64GetDatum(numbers[i]),
		Int64GetDatum(evaudit_row_seq(log->sequence, &previous))};

		(void) evaudit_spi_execute(&renumber, moved, NULL);
	}
	evaudit_spi_end(&spi);
	if (n == 0)
		return;
	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&move_names, values, NULL);
	evaudit_spi_end(&spi);
}

/* The name of audit as a statement may use it. */
static char *
relation_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  get_rel_name(relid));
}

/* The columns that audit lacks, of types of the server's own. */
static EvauditStatement missing_columns = {
	"SELECT c.key, c.value, t.oid IS NOT NULL"
	" FROM pg_catalog.jsonb_each_text($1) c"
	" LEFT JOIN pg_catalog.pg_type t ON t.oid = pg_catalog.to_regtype("
	"  pg_catalog.regexp_replace(c.value, '\\(.*\\)', ''))"
	"  AND t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace"
	" WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a"
	"  WHERE a.attrelid = $2 AND a.attname = c.key AND NOT a.attisdropped)",
	2, {JSONBOID, OIDOID}
};

/* Add the columns that a dump tells of. */
static void
add_columns(Oid relid, Datum added)
{
	Datum		values[] = {added, ObjectIdGetDatum(relid)};
	char	   *name = relation_name(relid);
	EvauditSpi	spi;
	List	   *commands = NIL;
	ListCell   *cell;
	uint64		n;

	evaudit_spi_begin_on(&spi, relid);
	n = evaudit_spi_execute(&missing_columns, values, NULL);
	for (uint64 i = 0; i < n; i++)
	{
		char	   *column = evaudit_spi_text(i, 0);
		char	   *type = evaudit_spi_text(i, 1);

		if (!evaudit_spi_bool(i, 2))
			ereport(WARNING,
					(errmsg("column \"%s\" of table \"audit\" is not restored",
							column),
					 errdetail("Its type %s is not one of the server's own.",
							   type),
					 errhint("Add the column before the data are restored.")));
		else
			commands = lappend(commands,
							   psprintf("ALTER TABLE %s ADD COLUMN %s %s",
										name, quote_identifier(column), type));
	}
	foreach(cell, commands)
	{
		if (SPI_execute(lfirst(cell), false, 0) < 0)
			elog(ERROR, "could not execute \"%s\"", (char *) lfirst(cell));
	}
	evaudit_spi_end(&spi);
}

/* The first row of a dump. */
static void
begin_restore(const Datum *values, const char *nulls)
{
	EvauditAuditLog log;

	evaudit_audit_open(&log);
	if (nulls[EVAUDIT_AUDIT_SEQ] != 'n')
	{
		int64		last = DatumGetInt64(values[EVAUDIT_AUDIT_SEQ]);

		evaudit_row_seq_raise(log.sequence, last);
		move_captured(&log, last);
	}
	evaudit_audit_close(&log);
	/* ALTER TABLE refuses what is open here */
	if (nulls[ADDED] != 'n')
		add_columns(evaudit_audit_relid(), values[ADDED]);
}

/* Put a row in place. */
static void
restore_row(const Datum *values, const char *nulls)
{
	EvauditAuditLog log;

	evaudit_audit_open(&log);
	evaudit_audit_restore(&log, values, nulls);
	evaudit_audit_close(&log);
}

/* The added columns that audit has, and that are no generated ones. */
static EvauditStatement known_columns = {
	"SELECT pg_catalog.string_agg(', ' || pg_catalog.quote_ident(a.attname), ''),"
	" pg_catalog.string_agg(', (p.r).' || pg_catalog.quote_ident(a.attname), '')"
	" FROM pg_catalog.jsonb_object_keys($1) k JOIN pg_catalog.pg_attribute a"
	" ON a.attname = k AND a.attrelid = $2 AND NOT a.attisdropped"
	" AND a.attgenerated = '' AND a.attnum > $3",
	3, {JSONBOID, OIDOID, INT4OID}
};

/*
 * Put a row in place with the values of added columns, by a statement, for
 * they may be of any type.  The sequence was raised by the first row.
 */
static void
restore_with_added(Datum *values, const char *nulls)
{
	Oid			relid = evaudit_audit_relid();
	Datum		asked[] = {values[ADDED], ObjectIdGetDatum(relid),
	Int32GetDatum(EVAUDIT_AUDIT_NCOLUMNS)};
	Oid			types[DUMP_COLUMNS];
	char	   *name = relation_name(relid);
	EvauditSpi	spi;
	char	   *names;
	char	   *fields;

	evaudit_audit_expect(DatumGetInt64(values[EVAUDIT_AUDIT_SEQ]));
	memcpy(types, evaudit_audit_types, sizeof(evaudit_audit_types));
	types[ADDED] = JSONBOID;
	evaudit_spi_begin_on(&spi, relid);
	(void) evaudit_spi_execute(&known_columns, asked, NULL);
	names = evaudit_spi_text_or_null(0, 0);
	fields = evaudit_spi_text_or_null(0, 1);
	if (SPI_execute_with_args(psprintf("INSERT INTO %s (id, relation, item_key,"
									   " operation, modification_time,"
									   " updated_attribute, old_value,"
									   " new_value, actor, request_id,"
									   " session_role, application_name,"
									   " client_addr, xid, epoch, relid,"
									   " role_name, seq%s) OVERRIDING SYSTEM"
									   " VALUE SELECT $1, $2, $3, $4, $5, $6,"
									   " $7, $8, $9, $10, $11, $12, $13, $14,"
									   " $15, $16, $17, $18%s FROM (SELECT"
									   " pg_catalog.jsonb_populate_record("
									   "NULL::%s, $19) AS r) p", name,
									   names ? names : "",
									   fields ? fields : "", name),
							  DUMP_COLUMNS, types, values, nulls, false,
							  0) < 0)
		elog(ERROR, "could not restore a row of audit");
	evaudit_spi_end(&spi);
}

/* Trigger before INSERT on evaudit.audit_dump: keeps it empty. */
Datum
evaudit_restore_audit(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = evaudit_own_trigger(fcinfo, "audit_dump",
											   "restore_audit",
											   EVAUDIT_BEFORE_INSERT);
	Oid			types[DUMP_COLUMNS];
	Datum		values[DUMP_COLUMNS];
	char		nulls[DUMP_COLUMNS];

	memcpy(types, evaudit_audit_types, sizeof(evaudit_audit_types));
	types[ADDED] = JSONBOID;
	evaudit_trigger_values(trigger, DUMP_COLUMNS, types, values, nulls);
	if (nulls[EVAUDIT_AUDIT_ID] == 'n')
		begin_restore(values, nulls);
	else if (nulls[ADDED] != 'n')
		restore_with_added(values, nulls);
	else
		restore_row(values, nulls);
	return PointerGetDatum(NULL);
}
