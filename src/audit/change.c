/*-------------------------------------------------------------------------
 *
 * change.c
 *	  Rows of audit, read back.
 *
 * They are read as the caller: his grants on audit and its row security
 * decide.  Where evaudit.history_by_select is on, who may SELECT a whole
 * table may also read its audit, with the rights of the owner of audit; but
 * not where row security would hide rows of the table from him, since it says
 * nothing of what the rows were, nor what was audited before under its name.
 *
 * Rows are fetched in batches, so that the server keeps no second copy of
 * them all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "audit/change.h"
#include "audit/marker.h"

/* Rows that are fetched at a time. */
#define BATCH_ROWS	1000

bool		evaudit_history_by_select = false;

/* Define the setting, when the library is loaded. */
void
evaudit_history_init(void)
{
	DefineCustomBoolVariable("evaudit.history_by_select",
							 "Lets who may SELECT a table see its history without SELECT on audit.",
							 NULL,
							 &evaudit_history_by_select,
							 false, PGC_SUSET, 0, NULL, NULL, NULL);
}

/* May the caller see a table's audit on account of the table? */
static bool
may_by_select(const EvauditPast *past)
{
	return evaudit_history_by_select && OidIsValid(past->relid) &&
		pg_class_aclcheck(past->relid, GetUserId(), ACL_SELECT) ==
		ACLCHECK_OK &&
		check_enable_rls(past->relid, InvalidOid, true) == RLS_NONE;
}

/* Connect to SPI as who may read the audit of a table, if anybody's. */
void
evaudit_changes_begin(EvauditReader *reader, EvauditPast *past)
{
	Oid			audit = evaudit_audit_relid();

	reader->as_owner = past != NULL &&
		pg_class_aclcheck(audit, GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
		may_by_select(past) && evaudit_past_restrict(past);
	if (reader->as_owner)
		evaudit_spi_begin_on(&reader->spi, audit);
	else if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
}

/* Disconnect. */
void
evaudit_changes_end(EvauditReader *reader)
{
	if (reader->as_owner)
		evaudit_spi_end(&reader->spi);
	else if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "could not disconnect from SPI");
}

/* What EVAUDIT_CHANGE_COLUMNS selects, in that order. */
enum
{
	CHANGE_SEQ, CHANGE_RELATION, CHANGE_KEY, CHANGE_OPERATION,
	CHANGE_ATTRIBUTE, CHANGE_OLD, CHANGE_NEW, CHANGE_TIME, CHANGE_XID,
	CHANGE_EPOCH, CHANGE_ACTOR, CHANGE_REQUEST, CHANGE_COLUMNS
};

static const struct
{
	Oid			type;
	bool		required;		/* never NULL */
}			change_columns[CHANGE_COLUMNS] = {
	{INT8OID, true}, {TEXTOID, true}, {TEXTOID, false}, {TEXTOID, true},
	{TEXTOID, false}, {JSONBOID, false}, {JSONBOID, false},
	{TIMESTAMPTZOID, true}, {XID8OID, true}, {INT4OID, true},
	{TEXTOID, false}, {TEXTOID, false}
};

/* Check that the result, which has rows, has the columns' types. */
static void
check_types(void)
{
	Assert(SPI_tuptable->tupdesc->natts == CHANGE_COLUMNS);
	for (int i = 0; i < CHANGE_COLUMNS; i++)
	{
		if (SPI_gettypeid(SPI_tuptable->tupdesc, i + 1) !=
			change_columns[i].type)
			(void) evaudit_spi_datum_of(0, i, change_columns[i].type);
	}
}

/* Take one row of the result apart. */
static void
read_row(int row, Datum *values, bool *isnull)
{
	heap_deform_tuple(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, values,
					  isnull);
	for (int i = 0; i < CHANGE_COLUMNS; i++)
	{
		if (isnull[i] && change_columns[i].required)
			(void) evaudit_spi_datum_of(row, i, change_columns[i].type);
	}
}

/* The operation of a name; -1 is one that later versions may have. */
static EvauditOperation
operation_of(Datum name)
{
	text	   *value = DatumGetTextPP(name);
	Size		len = VARSIZE_ANY_EXHDR(value);

	for (int i = 0; i <= EVAUDIT_LAST_OPERATION; i++)
	{
		if (strlen(evaudit_operation_names[i]) == len &&
			memcmp(evaudit_operation_names[i], VARDATA_ANY(value), len) == 0)
			return i;
	}
	return -1;
}

/*
 * A text as a string, or NULL.  It is mostly that of the row before, which is
 * then shared.
 */
static char *
string_of(Datum datum, bool isnull, char *last)
{
	text	   *value = isnull ? NULL : DatumGetTextPP(datum);

	if (value == NULL)
		return NULL;
	if (last && strlen(last) == VARSIZE_ANY_EXHDR(value) &&
		memcmp(last, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)) == 0)
		return last;
	return text_to_cstring(value);
}

/* A copy of a jsonb, or NULL. */
static Jsonb *
jsonb_of(Datum datum, bool isnull)
{
	return isnull ? NULL : DatumGetJsonbPCopy(datum);
}

/* A copy of a text, or NULL. */
static text *
text_of(Datum datum, bool isnull)
{
	return isnull ? NULL : DatumGetTextPCopy(datum);
}

/*
 * One row of the result, in the current memory context, that of the row
 * before, "last".
 */
static EvauditChange *
copy_change(int row, const EvauditChange *last)
{
	static const EvauditChange none = {0};
	EvauditChange *change = palloc0(sizeof(EvauditChange));
	Datum		values[CHANGE_COLUMNS];
	bool		isnull[CHANGE_COLUMNS];

	if (last == NULL)
		last = &none;
	read_row(row, values, isnull);
	change->seq = DatumGetInt64(values[CHANGE_SEQ]);
	change->relation = string_of(values[CHANGE_RELATION], false,
								 last->relation);
	change->key = string_of(values[CHANGE_KEY], isnull[CHANGE_KEY], last->key);
	change->operation = operation_of(values[CHANGE_OPERATION]);
	change->attribute = string_of(values[CHANGE_ATTRIBUTE],
								  isnull[CHANGE_ATTRIBUTE], last->attribute);
	change->old_value = jsonb_of(values[CHANGE_OLD], isnull[CHANGE_OLD]);
	change->new_value = jsonb_of(values[CHANGE_NEW], isnull[CHANGE_NEW]);
	change->time = DatumGetTimestampTz(values[CHANGE_TIME]);
	change->xid = U64FromFullTransactionId(DatumGetFullTransactionId(values[CHANGE_XID]));
	change->epoch = DatumGetInt32(values[CHANGE_EPOCH]);
	change->actor = text_of(values[CHANGE_ACTOR], isnull[CHANGE_ACTOR]);
	change->request_id = text_of(values[CHANGE_REQUEST],
								 isnull[CHANGE_REQUEST]);
	change->column = -1;
	if (change->operation == EVAUDIT_UPDATE && change->old_value == NULL &&
		change->new_value != NULL)
	{
		change->paths = change->new_value;
		change->old_value = change->new_value = evaudit_marker_of_paths();
	}
	return change;
}

/*
 * Hand on the changes that a statement selects, with the active snapshot.
 * They are allocated in a context, share strings, and are not freed before it.
 */
void
evaudit_changes_read(EvauditStatement *statement, const Datum *values,
					 MemoryContext context, EvauditChangeTaker take, void *arg)
{
	MemoryContext caller = CurrentMemoryContext;
	Portal		portal = evaudit_spi_open(statement, values, NULL);
	EvauditChange *change = NULL;
	bool		more = true;

	while (more)
	{
		uint64		n;

		SPI_cursor_fetch(portal, true, BATCH_ROWS);
		n = SPI_processed;
		more = n > 0;
		if (more)
			check_types();
		for (uint64 i = 0; more && i < n; i++)
		{
			MemoryContext old = MemoryContextSwitchTo(context);

			CHECK_FOR_INTERRUPTS();
			change = copy_change((int) i, change);
			more = take(change, arg);
			MemoryContextSwitchTo(old);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	/* SPI switches to the context of the connection */
	MemoryContextSwitchTo(caller);
}

/* Does a change take a row away? */
bool
evaudit_change_removes(const EvauditChange *change)
{
	return change->operation == EVAUDIT_DELETE ||
		change->operation == EVAUDIT_TRUNCATE;
}

/* Is this a change of a row, or what a row was? */
bool
evaudit_change_is_of_row(const EvauditChange *change)
{
	switch (change->operation)
	{
		case EVAUDIT_INSERT:
		case EVAUDIT_BASELINE:
			return change->new_value != NULL &&
				!JB_ROOT_IS_SCALAR(change->new_value);
		case EVAUDIT_DELETE:
		case EVAUDIT_TRUNCATE:
			return change->old_value != NULL &&
				!JB_ROOT_IS_SCALAR(change->old_value);
		case EVAUDIT_UPDATE:
			return change->attribute != NULL && change->old_value != NULL &&
				change->new_value != NULL;
		default:
			return false;
	}
}

/*
 * How many changes, of those of one key from a place on, are one: the
 * attributes of one UPDATE.
 */
int
evaudit_change_group(EvauditChange *const *changes, int n, int at)
{
	const EvauditChange *first = changes[at];
	int			end = at + 1;

	while (first->operation == EVAUDIT_UPDATE && end < n &&
		   changes[end]->operation == EVAUDIT_UPDATE &&
		   changes[end]->xid == first->xid &&
		   changes[end]->epoch == first->epoch &&
		   changes[end]->time == first->time)
	{
		for (int i = at; i < end; i++)
		{
			if (changes[i]->column == changes[end]->column)
				return end - at;
		}
		end++;
	}
	return end - at;
}
