/*-------------------------------------------------------------------------
 *
 * past.c
 *	  A table as its audit knows it: names, columns and key through time.
 *
 * Audit rows name tables and attributes as they were called at the time;
 * evaudit.tracked_relations and tracked_columns tell which table and which
 * column that was, by range of seq.  Columns are numbered densely here, and
 * labelled by their present name, or the last one they had.  A name that is
 * in no range, of a table that was never adopted, is taken as it is.
 *
 * Everything is allocated in the memory context of the caller, but what is
 * known of the live table, which lasts to the end of the transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/varlena.h"

#include "audit/capture_trigger.h"
#include "audit/context.h"
#include "audit/identity.h"
#include "audit/past.h"
#include "server/compat.h"
#include "server/spi.h"

/* Find a live table by a name, as the caller's search_path has it. */
static Oid
find_live(RangeVar *name)
{
	Oid			relid = RangeVarGetRelid(name, NoLock, true);
	char		kind = OidIsValid(relid) ? get_rel_relkind(relid) : 0;

	return kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE ||
		kind == RELKIND_FOREIGN_TABLE ? relid : InvalidOid;
}

/* Learn about the live table: its name and its key. */
static void
set_live(EvauditPast *past, Relation rel)
{
	const Trigger *trigger = evaudit_capture_find(rel, EVAUDIT_CAPTURE_ROW);

	past->relid = RelationGetRelid(rel);
	past->tracked = evaudit_tracked_get(rel, trigger ? trigger->tgoid :
										InvalidOid);
	past->name = text_to_cstring(past->tracked->name);
}

/*
 * The id of the table that had a name in the audit row of a number, and its
 * oid if it is tracked still, under whatever name.
 */
static bool
find_former(const RangeVar *name, int64 seq, pg_uuid_t *id, Oid *relid)
{
	static EvauditStatement find = {
		"SELECT r.id, (SELECT p.relid FROM evaudit.tracked_relations p"
		"  WHERE p.id = r.id AND p.epoch = $4 AND p.last_seq IS NULL)"
		" FROM evaudit.tracked_relations r"
		" WHERE r.schema_name = $1 AND r.relation_name = $2"
		" AND r.first_seq <= $3 ORDER BY r.first_seq DESC LIMIT 1",
		4, {TEXTOID, TEXTOID, INT8OID, INT4OID}
	};
	Datum		values[4];

	if (name->schemaname == NULL)
		return false;
	values[0] = CStringGetTextDatum(name->schemaname);
	values[1] = CStringGetTextDatum(name->relname);
	values[2] = Int64GetDatum(seq);
	values[3] = Int32GetDatum(evaudit_context_epoch());
	if (evaudit_spi_execute(&find, values, NULL) == 0)
		return false;
	memcpy(id, DatumGetUUIDP(evaudit_spi_datum_of(0, 0, UUIDOID)),
		   sizeof(pg_uuid_t));
	*relid = evaudit_spi_oid_or_invalid(0, 1);
	return true;
}

/* Copy the names of the last query: name, first, last, number of a column. */
static EvauditPastName *
copy_names(MemoryContext context, int n)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	EvauditPastName *names = palloc0(sizeof(EvauditPastName) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		names[i].name = evaudit_spi_text(i, 0);
		names[i].first = evaudit_spi_int64(i, 1);
		names[i].last = evaudit_spi_int64(i, 2);
		names[i].column = evaudit_spi_int32(i, 3);
	}
	MemoryContextSwitchTo(old);
	return names;
}

/* Read the names of a table and of its columns. */
static void
read_names(EvauditPast *past, pg_uuid_t *id, MemoryContext context)
{
	static EvauditStatement relations =
	{
		"SELECT pg_catalog.quote_ident(schema_name) || '.'"
			" || pg_catalog.quote_ident(relation_name), first_seq,"
			" coalesce(last_seq, 9223372036854775807),"
			" CASE WHEN relid = $2 AND epoch = $3 THEN 1 ELSE 0 END"
			" FROM evaudit.tracked_relations WHERE id = $1 ORDER BY first_seq",
			3,
		{
			UUIDOID, OIDOID, INT4OID
		}
	};
	static EvauditStatement columns =
	{
		"SELECT name, first_seq, coalesce(last_seq, 9223372036854775807),"
			" number FROM evaudit.tracked_columns WHERE id = $1"
			" ORDER BY number, first_seq",
			1,
		{
			UUIDOID
		}
	};
	Datum		values[] = {UUIDPGetDatum(id), ObjectIdGetDatum(past->relid),
	Int32GetDatum(evaudit_context_epoch())};

	past->nnames = (int) evaudit_spi_execute(&relations, values, NULL);
	past->names = copy_names(context, past->nnames);
	past->nranges = (int) evaudit_spi_execute(&columns, values, NULL);
	past->ranges = copy_names(context, past->nranges);
	for (int i = past->nnames - 1; i >= 0; i--)
	{
		if (past->names[i].column == 1)
			past->own_first = past->names[i].first;
	}
}

/* Add a column, that a name leads to. */
static int
add_column(EvauditPast *past, int number, const char *label, bool present)
{
	MemoryContext old = MemoryContextSwitchTo(past->context);
	EvauditPastColumn *column;

	past->columns = past->columns == NULL ? palloc(sizeof(EvauditPastColumn)) :
		repalloc(past->columns,
				 sizeof(EvauditPastColumn) * (past->ncolumns + 1));
	column = &past->columns[past->ncolumns];
	column->number = number;
	column->label = pstrdup(label);
	column->attnum = !present || !OidIsValid(past->relid) ?
		InvalidAttrNumber : get_attnum(past->relid, label);
	MemoryContextSwitchTo(old);
	return past->ncolumns++;
}

/* Number the columns densely; the last of a column's names is its label. */
static void
number_columns(EvauditPast *past)
{
	for (int i = 0; i < past->nranges; i++)
	{
		EvauditPastName *range = &past->ranges[i];
		bool		last = i + 1 == past->nranges ||
		past->ranges[i + 1].column != range->column;
		int			number = range->column;

		range->column = past->ncolumns;
		if (last)
			(void) add_column(past, number, range->name,
							  range->last == PG_INT64_MAX);
	}
}

/* A table without names of its own in the past has its present one. */
static void
take_present_name(EvauditPast *past)
{
	past->nnames = 1;
	past->names = palloc0(sizeof(EvauditPastName));
	past->names[0].name = past->name;
	past->names[0].last = PG_INT64_MAX;
}

/* Where the columns of the live table's key are. */
static void
find_keys(EvauditPast *past)
{
	EvauditTracked *tracked = past->tracked;

	past->nkeys = tracked->nkeys;
	/* a key of which a column is not audited tells no rows apart */
	for (int i = 0; i < tracked->nkeys; i++)
	{
		if (tracked->keys[i] < 0)
			past->nkeys = 0;
	}
	past->keys = palloc(sizeof(int) * Max(past->nkeys, 1));
	for (int i = 0; i < past->nkeys; i++)
		past->keys[i] = evaudit_past_column(past,
											text_to_cstring(tracked->columns[tracked->keys[i]].name),
											PG_INT64_MAX);
}

/*
 * In another transaction: what is known of the live table may be gone, as may
 * be columns of it, or the table.
 */
void
evaudit_past_refresh(EvauditPast *past)
{
	MemoryContext old = MemoryContextSwitchTo(past->context);
	Relation	rel = OidIsValid(past->relid) ?
		try_relation_open(past->relid, AccessShareLock) : NULL;

	past->relid = InvalidOid;
	if (rel)
	{
		set_live(past, rel);
		for (int i = 0; i < past->ncolumns; i++)
		{
			if (past->columns[i].attnum != InvalidAttrNumber)
				past->columns[i].attnum = get_attnum(past->relid,
													 past->columns[i].label);
		}
		find_keys(past);
		relation_close(rel, NoLock);
	}
	MemoryContextSwitchTo(old);
}

/* Read what a table was called, and number its columns. */
static void
complete(EvauditPast *past, pg_uuid_t *id)
{
	EvauditSpi	spi;

	if (id != NULL)
	{
		evaudit_spi_begin(&spi);
		read_names(past, id, past->context);
		evaudit_spi_end(&spi);
	}
	if (past->name == NULL)
		past->name = past->names[past->nnames - 1].name;
	if (past->nnames == 0)
		take_present_name(past);
	number_columns(past);
	if (OidIsValid(past->relid))
		find_keys(past);
}

/* Begin to learn about a table. */
static EvauditPast *
make_past(void)
{
	EvauditPast *past = palloc0(sizeof(EvauditPast));

	past->context = CurrentMemoryContext;
	return past;
}

/* Open a table; anything else is an error. */
static Relation
open_table(Oid relid)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (rel->rd_rel->relkind != RELKIND_RELATION &&
		rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE &&
		rel->rd_rel->relkind != RELKIND_FOREIGN_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table",
						RelationGetRelationName(rel))));
	return rel;
}

/* A live table; of a partition, the table that is tracked with it. */
EvauditPast *
evaudit_past_of_table(Oid relid)
{
	Relation	rel = open_table(relid);
	Oid			root = evaudit_tracked_root(rel);
	EvauditPast *past = make_past();
	EvauditSpi	spi;
	pg_uuid_t	id;
	bool		found,
				by_name;

	if (root != relid)
	{
		relation_close(rel, NoLock);
		rel = relation_open(root, AccessShareLock);
	}
	set_live(past, rel);
	evaudit_spi_begin(&spi);
	found = evaudit_identity_find(root, &id, &by_name);
	evaudit_spi_end(&spi);
	complete(past, found ? &id : NULL);
	relation_close(rel, NoLock);
	return past;
}

/*
 * The table that had a name in the audit row of a number; NULL if none is
 * known.
 */
static EvauditPast *
open_former(const RangeVar *name, int64 seq)
{
	EvauditPast *past;
	EvauditSpi	spi;
	pg_uuid_t	id;
	Oid			relid;
	bool		found;

	evaudit_spi_begin(&spi);
	found = find_former(name, seq, &id, &relid);
	evaudit_spi_end(&spi);
	if (!found)
		return NULL;
	if (OidIsValid(relid) && get_rel_relkind(relid) != '\0')
		return evaudit_past_of_table(relid);
	past = make_past();
	complete(past, &id);
	return past;
}

/* The parts of a name. */
static RangeVar *
parse_name(const char *relation)
{
	return makeRangeVarFromNameList(evaudit_compat_qualified_name(relation));
}

/*
 * A table by its name: a live one, else one that was tracked under it, whether
 * it was renamed or dropped.
 */
EvauditPast *
evaudit_past_open(const char *relation)
{
	RangeVar   *name = parse_name(relation);
	Oid			relid = find_live(name);
	EvauditPast *past;

	if (OidIsValid(relid))
		return evaudit_past_of_table(relid);
	past = open_former(name, PG_INT64_MAX);
	if (past == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s\" does not exist", relation),
				 errhint("Name a table that was dropped with its schema.")));
	return past;
}

/*
 * The table that the audit row of a number is about.  One that is known by no
 * name of old is the live one of that name, if any.
 */
EvauditPast *
evaudit_past_at(const char *relation, int64 seq)
{
	RangeVar   *name = parse_name(relation);
	EvauditPast *past = open_former(name, seq);
	Oid			relid = InvalidOid;

	if (past != NULL && (OidIsValid(past->relid) ||
						 past->names[past->nnames - 1].last != PG_INT64_MAX))
		return past;
	relid = find_live(name);
	if (OidIsValid(relid))
		return evaudit_past_of_table(relid);
	if (past == NULL)
	{
		past = make_past();
		past->name = pstrdup(relation);
		complete(past, NULL);
	}
	return past;
}

/* Had the table this name in the audit row of a number? */
bool
evaudit_past_has_name(const EvauditPast *past, const char *relation,
					  int64 seq)
{
	for (int i = 0; i < past->nnames; i++)
	{
		if (seq >= past->names[i].first && seq <= past->names[i].last &&
			strcmp(past->names[i].name, relation) == 0)
			return true;
	}
	return false;
}

/* Which column an attribute of the audit row of a number is. */
int
evaudit_past_column(EvauditPast *past, const char *name, int64 seq)
{
	for (int i = 0; i < past->nranges; i++)
	{
		if (seq >= past->ranges[i].first && seq <= past->ranges[i].last &&
			strcmp(past->ranges[i].name, name) == 0)
			return past->ranges[i].column;
	}
	for (int i = 0; i < past->ncolumns; i++)
	{
		if (past->columns[i].number == 0 &&
			strcmp(past->columns[i].label, name) == 0)
			return i;
	}
	return add_column(past, 0, name, true);
}

/*
 * Keep to what was audited of this very table: what a restore brought, or a
 * table of its name that was dropped, may have been others'.  False if there
 * is nothing of it.
 */
bool
evaudit_past_restrict(EvauditPast *past)
{
	for (int i = 0; i < past->nnames; i++)
		past->names[i].first = Max(past->names[i].first, past->own_first);
	return past->own_first > 0;
}

/* Was a column there when the audit row of a number was written? */
bool
evaudit_past_column_existed(const EvauditPast *past, int column, int64 seq)
{
	if (past->columns[column].number == 0)
		return true;
	for (int i = 0; i < past->nranges; i++)
	{
		if (past->ranges[i].column == column &&
			seq >= past->ranges[i].first && seq <= past->ranges[i].last)
			return true;
	}
	return false;
}

/* The names of a table as an array of texts. */
Datum
evaudit_past_name_array(const EvauditPast *past)
{
	Datum	   *names = palloc(sizeof(Datum) * past->nnames);

	for (int i = 0; i < past->nnames; i++)
		names[i] = CStringGetTextDatum(past->names[i].name);
	return evaudit_spi_array(names, NULL, past->nnames, TEXTOID);
}
