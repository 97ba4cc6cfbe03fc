/*-------------------------------------------------------------------------
 *
 * redact.c
 *	  evaudit.redact(): values are erased from the audit.
 *
 * Of the row of a key, and of the rows that had it before, {"redacted": n}
 * takes the place of old and new values of the attributes given, in images of
 * whole rows, too; n is the number of the audit row that says who did so, and
 * why.  If a column of the key is among them, the keys of these audit rows
 * are replaced by one that says nothing.
 *
 * Of what evaudit.audit_holds holds nothing is erased.
 *
 * The caller needs the right to UPDATE audit; the row REDACT is written as
 * capture writes rows.  What was there goes from the table with VACUUM, and
 * stays in WAL that is archived, and in backups.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/uuid.h"

#include "audit/bulk.h"
#include "audit/jsonb_write.h"
#include "audit/life.h"
#include "audit/live_row.h"
#include "audit/row_id.h"
#include "audit/row_state.h"
#include "server/extension.h"
#include "server/progress.h"
#include "server/spi.h"
#include "text/jsonb.h"

PG_FUNCTION_INFO_V1(evaudit_redact);

/* Rows of audit that are written at a time. */
#define CHUNK_ROWS		1000

/* What is erased. */
typedef struct Redaction
{
	EvauditPast *past;
	bool	   *columns;		/* which, by column of the past */
	int			ncolumns;
	Jsonb	   *mark;			/* what takes their place */
	char	   *key;			/* that of the rows, or NULL: theirs */
	EvauditBulk *bulk;			/* the rows of audit to be written next */
	EvauditProgress *progress;
} Redaction;

/* Find the columns of the names given. */
static void
find_columns(Redaction *redaction, ArrayType *names)
{
	EvauditPast *past = redaction->past;
	int			known = past->ncolumns;
	Datum	   *values;
	bool	   *nulls;
	int			n;

	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls,
					  &n);
	redaction->ncolumns = known;
	redaction->columns = palloc0(sizeof(bool) * Max(known, 1));
	for (int i = 0; i < n; i++)
	{
		char	   *name = nulls[i] ? NULL : TextDatumGetCString(values[i]);
		bool		found = false;

		for (int k = 0; name != NULL && k < known; k++)
		{
			if (strcmp(past->columns[k].label, name) != 0)
				continue;
			redaction->columns[k] = found = true;
		}
		if (!found)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("table %s has and had no column \"%s\"",
							past->name, name ? name : "NULL")));
	}
}

/* Is a column erased? */
static bool
is_erased(const Redaction *redaction, int column)
{
	return column >= 0 && column < redaction->ncolumns &&
		redaction->columns[column];
}

/* Erase the columns of the image of a row; whether there was any. */
static bool
erase_image(const Redaction *redaction, Jsonb **image, int64 seq)
{
	EvauditJsonbState json = {0};
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	value,
				mark;
	bool		erased = false;

	if (*image == NULL)
		return false;
	it = JsonbIteratorInit(&(*image)->root);
	evaudit_jsonb_read(redaction->mark, &mark);
	(void) JsonbIteratorNext(&it, &value, true);
	evaudit_compat_jsonb_push(&json, WJB_BEGIN_OBJECT, NULL);
	while ((token = JsonbIteratorNext(&it, &value, true)) == WJB_KEY)
	{
		char	   *name = pnstrdup(value.val.string.val,
									value.val.string.len);
		int			column = evaudit_past_column(redaction->past, name, seq);

		(void) JsonbIteratorNext(&it, &value, true);
		if (is_erased(redaction, column) && value.type != jbvNull)
		{
			evaudit_jsonb_push(&json, name, &mark);
			erased = true;
		}
		else
			evaudit_jsonb_push(&json, name, &value);
	}
	evaudit_compat_jsonb_push(&json, WJB_END_OBJECT, NULL);
	if (erased)
		*image = JsonbValueToJsonb(json.result);
	return erased;
}

/* Erase what one row of audit has; whether there was anything. */
static bool
erase_change(const Redaction *redaction, EvauditChange *change)
{
	if (change->operation != EVAUDIT_UPDATE)
	{
		bool		erased = erase_image(redaction, &change->old_value,
										 change->seq);

		return erase_image(redaction, &change->new_value, change->seq) ||
			erased;
	}
	if (!is_erased(redaction, change->column))
		return false;
	change->old_value = change->new_value = redaction->mark;
	return true;
}

/* The rows of audit as they are to be. */
static EvauditBulk *
make_bulk(void)
{
	EvauditBulk *bulk = evaudit_bulk_make(4);

	evaudit_bulk_column(bulk, 1, "seq", INT8OID, -1, InvalidOid);
	evaudit_bulk_column(bulk, 2, "item_key", TEXTOID, -1,
						get_typcollation(TEXTOID));
	evaudit_bulk_column(bulk, 3, "old_value", JSONBOID, -1, InvalidOid);
	evaudit_bulk_column(bulk, 4, "new_value", JSONBOID, -1, InvalidOid);
	return bulk;
}

/* The names of what is erased, and why, as JSON. */
static Jsonb *
reason_to_jsonb(const Redaction *redaction, text *reason)
{
	EvauditJsonbState json = {0};
	JsonbValue	value = {.type = jbvString};

	evaudit_compat_jsonb_push(&json, WJB_BEGIN_OBJECT, NULL);
	value.val.string.val = pstrdup("attributes");
	value.val.string.len = (int) strlen(value.val.string.val);
	evaudit_compat_jsonb_push(&json, WJB_KEY, &value);
	evaudit_compat_jsonb_push(&json, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < redaction->ncolumns; i++)
	{
		if (!redaction->columns[i])
			continue;
		value.val.string.val = redaction->past->columns[i].label;
		value.val.string.len = (int) strlen(value.val.string.val);
		evaudit_compat_jsonb_push(&json, WJB_ELEM, &value);
	}
	evaudit_compat_jsonb_push(&json, WJB_END_ARRAY, NULL);
	evaudit_jsonb_push_text(&json, "reason", text_to_cstring(reason));
	evaudit_compat_jsonb_push(&json, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(json.result);
}

/*
 * Write the row that says who erases what, and why, and have its number stand
 * where the values were.  It has no key, which might be erased later.
 */
static void
write_reason(Redaction *redaction, text *reason)
{
	EvauditAuditRow row = {
		.operation = EVAUDIT_REDACT,
		.context = evaudit_context_take(),
		.relation = cstring_to_text(redaction->past->name),
		.relid = redaction->past->relid,
		.new_value = reason_to_jsonb(redaction, reason),
	};
	static const char *const names[] = {"redacted"};
	EvauditAuditLog log;
	JsonbValue	number = {.type = jbvNumeric};

	evaudit_audit_open(&log);
	number.val.numeric = int64_to_numeric(evaudit_audit_write(&log, &row));
	evaudit_audit_close(&log);
	redaction->mark = evaudit_jsonb_object(evaudit_jsonb_keys(names, 1),
										   &number);
}

/* A key that says nothing of a row, the same in all its audit rows. */
static char *
make_key(void)
{
	pg_uuid_t	id;

	evaudit_row_id(&id);
	return psprintf("redacted:%s",
					DatumGetCString(DirectFunctionCall1(uuid_out,
														UUIDPGetDatum(&id))));
}

/* Write the rows of audit as they are to be, as the caller. */
static void
write_bulk(Redaction *redaction)
{
	EvauditBulkQuery query;
	uint64		done;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	evaudit_bulk_begin_query(&query);
	done = evaudit_bulk_execute(redaction->bulk,
								psprintf("UPDATE %s.audit a SET item_key = v.item_key,"
										 " old_value = v.old_value, new_value = v.new_value"
										 " FROM " EVAUDIT_BULK_NAME " v"
										 " WHERE a.seq OPERATOR(pg_catalog.=) v.seq",
										 evaudit_extension_schema_name()),
								false);
	evaudit_bulk_end_query(&query);
	SPI_finish();
	if (done != redaction->bulk->n)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not redact %llu of %llu rows of table \"audit\"",
						(unsigned long long) (redaction->bulk->n - Min(done, redaction->bulk->n)),
						(unsigned long long) redaction->bulk->n)));
}

/* Write what was put aside, say so, and begin anew. */
static void
flush(Redaction *redaction)
{
	int64		n = (int64) redaction->bulk->n;

	write_bulk(redaction);
	evaudit_bulk_end(redaction->bulk);
	evaudit_progress_add(redaction->progress, n);
	redaction->bulk = make_bulk();
}

/* Erase what the rows of audit of one life have; returns how many. */
static int64
erase_life(Redaction *redaction, const EvauditLife *life)
{
	int64		n = 0;

	for (int i = 0; i < life->n; i++)
	{
		EvauditChange *change = life->changes[i];
		const char *key = redaction->key ? redaction->key : change->key;
		Datum		values[4];
		bool		nulls[4] = {false};

		CHECK_FOR_INTERRUPTS();
		if (redaction->bulk->n == CHUNK_ROWS)
			flush(redaction);
		if (!erase_change(redaction, change) && redaction->key == NULL)
			continue;
		values[0] = Int64GetDatum(change->seq);
		values[1] = CStringGetTextDatum(key);
		values[2] = PointerGetDatum(change->old_value);
		nulls[2] = change->old_value == NULL;
		values[3] = PointerGetDatum(change->new_value);
		nulls[3] = change->new_value == NULL;
		evaudit_bulk_put(redaction->bulk, values, nulls);
		n++;
	}
	return n;
}

/* Refuse to write the row REDACT for who may not erase anything. */
static void
check_right(void)
{
	Oid			audit = evaudit_audit_relid();

	if (pg_class_aclcheck(audit, GetUserId(), ACL_UPDATE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(audit));
}

/*
 * Refuse to erase what is held.  Nobody adds a hold until the end of the
 * transaction.
 */
static void
check_holds(const EvauditPast *past, const List *lives)
{
	static EvauditStatement find = {
		"SELECT EXISTS (SELECT FROM evaudit.held_keys h"
		" WHERE h.relation = ANY ($1)"
		" AND (h.item_key IS NULL OR h.item_key = ANY ($2)))",
		2, {TEXTARRAYOID, TEXTARRAYOID}
	};
	Datum	   *names = palloc(sizeof(Datum) * Max(past->nnames, 1));
	Datum	   *keys;
	Datum		values[2];
	int			n = 0;
	const ListCell *cell;
	EvauditSpi	spi;
	bool		held;

	LockRelationOid(get_relname_relid("audit_holds",
									  get_namespace_oid("evaudit", false)),
					ShareLock);
	foreach(cell, lives)
		n += ((const EvauditLife *) lfirst(cell))->n;
	keys = palloc(sizeof(Datum) * Max(n, 1));
	n = 0;
	foreach(cell, lives)
	{
		const EvauditLife *life = lfirst(cell);

		for (int i = 0; i < life->n; i++)
		{
			if (life->changes[i]->key != NULL)
				keys[n++] = CStringGetTextDatum(life->changes[i]->key);
		}
	}
	for (int i = 0; i < past->nnames; i++)
		names[i] = CStringGetTextDatum(past->names[i].name);

	evaudit_spi_begin(&spi);
	values[0] = evaudit_spi_array(names, NULL, past->nnames, TEXTOID);
	values[1] = evaudit_spi_array(keys, NULL, n, TEXTOID);
	(void) evaudit_spi_read_latest(&find, values, NULL);
	held = evaudit_spi_bool(0, 0);
	evaudit_spi_end(&spi);
	if (held)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("rows of audit of this key of %s are held", past->name),
				 errhint("What is held is in evaudit.audit_holds.")));
}

/*
 * SQL: evaudit.redact(relation text, key jsonb, attributes text[],
 * reason text) RETURNS bigint, how many rows of audit were redacted
 */
Datum
evaudit_redact(PG_FUNCTION_ARGS)
{
	Redaction	redaction = {
		.past = evaudit_past_open(text_to_cstring(PG_GETARG_TEXT_PP(0))),
	};
	JsonbValue	elements[INDEX_MAX_KEYS];
	char	   *key = evaudit_past_key(redaction.past, PG_GETARG_JSONB_P(1),
									   elements);
	bool		live = evaudit_live_find(redaction.past, key) != (Datum) 0;
	List	   *lives;
	ListCell   *cell;
	int64		total = 0;
	int64		n = 0;

	check_right();
	find_columns(&redaction, PG_GETARG_ARRAYTYPE_P(2));
	lives = evaudit_lives(redaction.past, key, elements, live);
	check_holds(redaction.past, lives);
	for (int i = 0; i < redaction.past->nkeys; i++)
	{
		if (redaction.columns[redaction.past->keys[i]])
			redaction.key = make_key();
	}
	write_reason(&redaction, PG_GETARG_TEXT_PP(3));
	redaction.bulk = make_bulk();
	foreach(cell, lives)
		total += ((EvauditLife *) lfirst(cell))->n;
	redaction.progress = evaudit_progress_begin("redact",
												redaction.past->name, "rows",
												total);
	foreach(cell, lives)
		n += erase_life(&redaction, lfirst(cell));
	flush(&redaction);
	evaudit_progress_end(redaction.progress);
	evaudit_bulk_end(redaction.bulk);
	PG_RETURN_INT64(n);
}
