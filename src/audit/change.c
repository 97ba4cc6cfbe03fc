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

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
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

/* The operation of a name; -1 is one that later versions may have. */
static EvauditOperation
operation_of(const char *name)
{
	for (int i = 0; i <= EVAUDIT_LAST_OPERATION; i++)
	{
		if (strcmp(evaudit_operation_names[i], name) == 0)
			return i;
	}
	return -1;
}

/* A column of the result as a text, or NULL. */
static text *
text_of(int row, int column)
{
	char	   *string = evaudit_spi_text_or_null(row, column);

	return string ? cstring_to_text(string) : NULL;
}

/* One row of the result, in the current memory context. */
static EvauditChange *
copy_change(int row)
{
	EvauditChange *change = palloc0(sizeof(EvauditChange));

	change->seq = evaudit_spi_int64(row, 0);
	change->relation = evaudit_spi_text(row, 1);
	change->key = evaudit_spi_text_or_null(row, 2);
	change->operation = operation_of(evaudit_spi_text(row, 3));
	change->attribute = evaudit_spi_text_or_null(row, 4);
	change->old_value = evaudit_spi_jsonb_or_null(row, 5);
	change->new_value = evaudit_spi_jsonb_or_null(row, 6);
	change->time = evaudit_spi_timestamptz(row, 7);
	change->xid = U64FromFullTransactionId(DatumGetFullTransactionId(evaudit_spi_datum_of(row, 8, XID8OID)));
	change->epoch = evaudit_spi_int32(row, 9);
	change->actor = text_of(row, 10);
	change->request_id = text_of(row, 11);
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
 * Hand on the changes that a statement selects, each allocated in a context,
 * with the active snapshot.
 */
void
evaudit_changes_read(EvauditStatement *statement, const Datum *values,
					 MemoryContext context, EvauditChangeTaker take, void *arg)
{
	MemoryContext caller = CurrentMemoryContext;
	Portal		portal = evaudit_spi_open(statement, values, NULL);
	bool		more = true;

	while (more)
	{
		uint64		n;

		SPI_cursor_fetch(portal, true, BATCH_ROWS);
		n = SPI_processed;
		more = n > 0;
		for (uint64 i = 0; more && i < n; i++)
		{
			MemoryContext old = MemoryContextSwitchTo(context);

			CHECK_FOR_INTERRUPTS();
			more = take(copy_change((int) i), arg);
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
