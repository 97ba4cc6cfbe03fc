/*-------------------------------------------------------------------------
 *
 * spi.c
 *	  How the extension runs its own SQL.
 *
 * Two identities are at work.  What concerns the extension's own tables in
 * the schema evaudit (sources, offsets, dead letters) runs as the owner of
 * that schema between evaudit_spi_begin() and evaudit_spi_end(), with the
 * search_path pinned, as referential integrity checks do: users need no
 * grants on these tables, and nothing they define is run in its name.  Tables
 * that people give to roles of theirs (audit, configuration, events) are
 * written as their owners, since it is the owners' triggers that run.  What
 * touches users' tables runs as the current user with plain SPI, so that
 * their grants, row security and triggers decide.
 *
 * An error between begin and end needs no clean-up of its own: the abort of
 * the (sub)transaction restores the user, the settings and SPI.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "server/compat.h"
#include "server/extension.h"
#include "server/setting.h"
#include "server/spi.h"

/* The owner of the schema evaudit, who owns every table in it. */
static Oid
internal_owner(void)
{
	Oid			schema = get_namespace_oid("evaudit", false);
	HeapTuple	tuple = SearchSysCache1(NAMESPACEOID,
										ObjectIdGetDatum(schema));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for namespace %u", schema);
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* Connect to SPI as a role, in a security context. */
static void
begin(EvauditSpi *spi, Oid role, int security)
{
	SetUserIdAndSecContext(role, security);
	spi->guc_level = NewGUCNestLevel();
	evaudit_set_locally("search_path", "pg_catalog, pg_temp");
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
}

/*
 * Connect to SPI as the owner of a table, as referential integrity does: row
 * security does not apply to him, even where he forces it upon himself.  His
 * triggers run then; unless he could be the current user by SET ROLE, nothing
 * of theirs may outlast it, such as a deferred trigger, which would be fired
 * as the current user.
 */
void
evaudit_spi_begin_as(EvauditSpi *spi, Oid role)
{
	int			security;

	GetUserIdAndSecContext(&spi->user, &spi->security);
	security = spi->security | SECURITY_LOCAL_USERID_CHANGE |
		SECURITY_NOFORCE_RLS;
	if (!evaudit_compat_can_set_role(role, spi->user))
		security |= SECURITY_RESTRICTED_OPERATION;
	begin(spi, role, security);
}

/*
 * Connect to SPI on behalf of a role, with its privileges and its row
 * security; nothing of what runs then may become the current user again, or
 * outlast it.
 */
void
evaudit_spi_begin_for(EvauditSpi *spi, Oid role)
{
	GetUserIdAndSecContext(&spi->user, &spi->security);
	begin(spi, role, spi->security | SECURITY_LOCAL_USERID_CHANGE |
		  SECURITY_RESTRICTED_OPERATION);
}

/* Connect to SPI as the owner of the extension's tables. */
void
evaudit_spi_begin(EvauditSpi *spi)
{
	evaudit_spi_begin_as(spi, internal_owner());
}

/* Connect to SPI as the owner of a table, which others may own as well. */
void
evaudit_spi_begin_on(EvauditSpi *spi, Oid table)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", table);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	evaudit_spi_begin_as(spi, owner);
}

/* Undo what began a connection; settings that triggers changed go back. */
void
evaudit_spi_end(const EvauditSpi *spi)
{
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "could not disconnect from SPI");
	AtEOXact_GUC(false, spi->guc_level);
	SetUserIdAndSecContext(spi->user, spi->security);
}

/* A statement's text with "$S" replaced by the quoted name of a schema. */
static char *
expand_schema(const char *sql, const char *schema)
{
	StringInfoData str;
	const char *found;

	initStringInfo(&str);
	while ((found = strstr(sql, "$S")) != NULL)
	{
		appendBinaryStringInfo(&str, sql, (int) (found - sql));
		appendStringInfoString(&str, schema);
		sql = found + 2;
	}
	appendStringInfoString(&str, sql);
	return str.data;
}

/*
 * Have a statement's plan made anew.  The server does that for a change of a
 * table that the plan uses, but a rule may have left nothing to be used.
 */
void
evaudit_spi_discard(EvauditStatement *statement)
{
	if (statement->plan == NULL)
		return;
	SPI_freeplan(statement->plan);
	statement->plan = NULL;
	pfree(statement->schema);
}

/* Make the statement's plan, unless it has a good one. */
static void
prepare(EvauditStatement *statement)
{
	SPIPlanPtr	plan;
	char	   *schema;

	if (statement->plan != NULL)
	{
		/* not its oid: a plan that is made anew reads the old text */
		if (strcmp(statement->schema, evaudit_extension_schema_name()) == 0)
			return;
		evaudit_spi_discard(statement);
	}

	schema = pstrdup(evaudit_extension_schema_name());
	plan = SPI_prepare_cursor(expand_schema(statement->sql, schema),
							  statement->nparams, statement->types,
							  statement->plan_options);
	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", statement->sql,
			 SPI_result_code_string(SPI_result));
	schema = MemoryContextStrdup(TopMemoryContext, schema);
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "could not keep the plan of \"%s\"", statement->sql);
	statement->plan = plan;
	statement->schema = schema;
}

/* Run a statement; returns how many rows were processed. */
static uint64
execute(EvauditStatement *statement, const Datum *values, const char *nulls,
		bool read_only)
{
	int			result;

	prepare(statement);
	result = SPI_execute_plan(statement->plan, (Datum *) values, nulls,
							  read_only, 0);
	if (result < 0)
		elog(ERROR, "could not execute \"%s\": %s", statement->sql,
			 SPI_result_code_string(result));
	return SPI_processed;
}

/*
 * Run a statement within a connection to SPI, with values for its parameters
 * and nulls as SPI_execute_plan() takes them.  Returns how many rows were
 * processed; those returned are in SPI_tuptable.
 */
uint64
evaudit_spi_execute(EvauditStatement *statement, const Datum *values,
					const char *nulls)
{
	return execute(statement, values, nulls, false);
}

/*
 * Run a query likewise, on what is committed now and what this transaction
 * has done, whatever its isolation.  What a backend keeps across transactions
 * is to be read so: a snapshot of REPEATABLE READ would have it keep what is
 * no longer true.
 */
uint64
evaudit_spi_read_latest(EvauditStatement *statement, const Datum *values,
						const char *nulls)
{
	uint64		n;

	PushActiveSnapshot(GetLatestSnapshot());
	n = execute(statement, values, nulls, true);
	PopActiveSnapshot();
	return n;
}

/*
 * Run a query with the active snapshot, that of the query that called us, and
 * with the rights of the current user.
 */
uint64
evaudit_spi_read(EvauditStatement *statement, const Datum *values,
				 const char *nulls)
{
	return execute(statement, values, nulls, true);
}

/* Open a cursor on a query, with the active snapshot. */
Portal
evaudit_spi_open(EvauditStatement *statement, const Datum *values,
				 const char *nulls)
{
	Portal		portal;

	prepare(statement);
	portal = SPI_cursor_open(NULL, statement->plan, (Datum *) values, nulls,
							 true);
	if (portal == NULL)
		elog(ERROR, "could not open a cursor on \"%s\": %s", statement->sql,
			 SPI_result_code_string(SPI_result));
	return portal;
}

/* A column of the result; both count from 0. */
Datum
evaudit_spi_datum(int row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						 column + 1, isnull);
}

/* Whether a column of the result is null. */
bool
evaudit_spi_is_null(int row, int column)
{
	bool		isnull;

	(void) evaudit_spi_datum(row, column, &isnull);
	return isnull;
}

/*
 * A column of the result that is neither null nor of another type, unless
 * somebody changed a table of the extension: that is nobody's data, so its
 * SQLSTATE is not of a class that rejects an event.
 */
Datum
evaudit_spi_datum_of(int row, int column, Oid type)
{
	TupleDesc	desc = SPI_tuptable->tupdesc;
	bool		isnull;
	Datum		value = evaudit_spi_datum(row, column, &isnull);

	if (isnull || (OidIsValid(type) && SPI_gettypeid(desc, column + 1) != type))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 isnull ?
				 errmsg("unexpected null value in column \"%s\" of a table of the extension",
						SPI_fname(desc, column + 1)) :
				 errmsg("unexpected type %s of column \"%s\" of a table of the extension",
						format_type_be(SPI_gettypeid(desc, column + 1)),
						SPI_fname(desc, column + 1)),
				 errhint("Use the functions of schema \"evaudit\" to change its tables.")));
	return value;
}

/* A column of type boolean. */
bool
evaudit_spi_bool(int row, int column)
{
	return DatumGetBool(evaudit_spi_datum_of(row, column, BOOLOID));
}

/* A column of type oid. */
Oid
evaudit_spi_oid(int row, int column)
{
	return DatumGetObjectId(evaudit_spi_datum_of(row, column, OIDOID));
}

/* A column of type oid; InvalidOid if it is null. */
Oid
evaudit_spi_oid_or_invalid(int row, int column)
{
	return evaudit_spi_is_null(row, column) ? InvalidOid :
		DatumGetObjectId(evaudit_spi_datum_of(row, column, OIDOID));
}

/* A column of type integer. */
int32
evaudit_spi_int32(int row, int column)
{
	return DatumGetInt32(evaudit_spi_datum_of(row, column, INT4OID));
}

/* A column of type bigint. */
int64
evaudit_spi_int64(int row, int column)
{
	return DatumGetInt64(evaudit_spi_datum_of(row, column, INT8OID));
}

/* A column of type timestamp with time zone. */
TimestampTz
evaudit_spi_timestamptz(int row, int column)
{
	return DatumGetTimestampTz(evaudit_spi_datum_of(row, column, TIMESTAMPTZOID));
}

/* A column of type jsonb, copied into the current memory context. */
Jsonb *
evaudit_spi_jsonb(int row, int column)
{
	return DatumGetJsonbPCopy(evaudit_spi_datum_of(row, column, JSONBOID));
}

/* The same, or NULL. */
Jsonb *
evaudit_spi_jsonb_or_null(int row, int column)
{
	return evaudit_spi_is_null(row, column) ? NULL :
		evaudit_spi_jsonb(row, column);
}

/* A column of any type as text, in the current memory context, or NULL. */
char *
evaudit_spi_text_or_null(int row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						column + 1);
}

/* The same, which must not be NULL. */
char *
evaudit_spi_text(int row, int column)
{
	(void) evaudit_spi_datum_of(row, column, InvalidOid);
	return evaudit_spi_text_or_null(row, column);
}

/* A column of type bytea, copied into the current memory context, or NULL. */
bytea *
evaudit_spi_bytea_or_null(int row, int column)
{
	return evaudit_spi_is_null(row, column) ? NULL :
		DatumGetByteaPCopy(evaudit_spi_datum_of(row, column, BYTEAOID));
}

/* See spi.h. */
Datum
evaudit_spi_array(Datum *values, bool *nulls, int n, Oid type)
{
	int			lower = 1;
	int16		len;
	bool		byval;
	char		align;

	get_typlenbyvalalign(type, &len, &byval, &align);
	return PointerGetDatum(construct_md_array(values, nulls, 1, &n, &lower,
											  type, len, byval, align));
}

/* See spi.h. */
Datum
evaudit_spi_int64_array(const int64 *numbers, int n)
{
	Datum	   *values = palloc(Max(n, 1) * sizeof(Datum));
	Datum		result;

	for (int i = 0; i < n; i++)
		values[i] = Int64GetDatum(numbers[i]);
	result = evaudit_spi_array(values, NULL, n, INT8OID);
	pfree(values);
	return result;
}
