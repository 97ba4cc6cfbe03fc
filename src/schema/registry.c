/*-------------------------------------------------------------------------
 *
 * registry.c
 *	  Registered schemas: evaudit.schemas.
 *
 * The table is read as catalogs are, with the latest snapshot, in parallel
 * workers too, and without a look at the caller's rights: what is compiled is
 * kept beyond the transaction, so it must not be from an older snapshot than
 * the last invalidation processed.  The names of schemas are known to all who
 * may refer to them.
 *
 * Each invalidation of the table (server/table_watch.c) is a new generation.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "schema/compile.h"
#include "schema/limits.h"
#include "schema/metaschemas.h"
#include "schema/uri.h"
#include "server/spi.h"
#include "server/table_watch.h"

PG_FUNCTION_INFO_V1(evaudit_register_schema);
PG_FUNCTION_INFO_V1(evaudit_unregister_schema);

/* Which state of the registered schemas is known of; never 0. */
uint64
evaudit_schema_generation(void)
{
	static EvauditWatch schemas = {.table = "schemas"};
	static uint64 generation = 0;

	if (evaudit_watch_changed(&schemas))
		generation++;
	return generation;
}

/* Refuse to read a table that somebody gave another shape. */
static void
check_shape(Relation relation)
{
	TupleDesc	desc = RelationGetDescr(relation);

	if (desc->natts < 2 || TupleDescAttr(desc, 0)->atttypid != TEXTOID ||
		TupleDescAttr(desc, 1)->atttypid != JSONBOID)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("columns of table \"evaudit.%s\" are not those of the extension",
						RelationGetRelationName(relation))));
}

/* A registered schema, in the current context, or NULL. */
Jsonb *
evaudit_schema_registered(const char *uri)
{
	Oid			schema = get_namespace_oid("evaudit", true);
	Oid			table = get_relname_relid("schemas", schema);
	Oid			index = get_relname_relid("schemas_pkey", schema);
	Relation	relation;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Jsonb	   *result = NULL;

	if (!OidIsValid(table) || !OidIsValid(index))
		return NULL;
	relation = table_open(table, AccessShareLock);
	check_shape(relation);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(uri));
	scan = systable_beginscan(relation, index, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, 2, RelationGetDescr(relation),
										 &isnull);

		if (!isnull)
			result = DatumGetJsonbPCopy(value);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return result;
}

/* register_schema(uri, schema): keep a schema for others to refer to. */
Datum
evaudit_register_schema(PG_FUNCTION_ARGS)
{
	static EvauditStatement insert = {
		"INSERT INTO evaudit.schemas (uri, schema) VALUES ($1, $2)"
		" ON CONFLICT (uri) DO UPDATE SET schema = EXCLUDED.schema",
		2, {TEXTOID, JSONBOID}
	};
	char	   *given = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *uri = pstrdup(given);
	Jsonb	   *schema = PG_GETARG_JSONB_P(1);
	Datum		values[2];
	EvauditSpi	spi;

	if (*evaudit_uri_split(uri) != '\0' || !evaudit_uri_is_absolute(uri) ||
		strlen(uri) > EVAUDIT_SCHEMA_MAX_URI)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not a URI to register a schema under", given),
				 errhint("Use an absolute URI without a fragment, of at most %d bytes.",
						 EVAUDIT_SCHEMA_MAX_URI)));
	if (evaudit_metaschema(uri) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("schema \"%s\" is built in", uri)));
	evaudit_schema_check(schema, uri);

	values[0] = CStringGetTextDatum(uri);
	values[1] = JsonbPGetDatum(schema);
	evaudit_spi_begin(&spi);
	evaudit_spi_execute(&insert, values, NULL);
	evaudit_spi_end(&spi);
	PG_RETURN_VOID();
}

/* unregister_schema(uri): forget a schema. */
Datum
evaudit_unregister_schema(PG_FUNCTION_ARGS)
{
	static EvauditStatement delete = {
		"DELETE FROM evaudit.schemas WHERE uri = $1", 1, {TEXTOID}
	};
	char	   *uri = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Datum		value;
	uint64		deleted;
	EvauditSpi	spi;

	evaudit_uri_split(uri);
	value = CStringGetTextDatum(uri);
	evaudit_spi_begin(&spi);
	deleted = evaudit_spi_execute(&delete, &value, NULL);
	evaudit_spi_end(&spi);
	if (deleted == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("schema \"%s\" is not registered", uri)));
	PG_RETURN_VOID();
}
