/*-------------------------------------------------------------------------
 *
 * registry.c
 *	  Reading registered schemas: evaudit.schemas.
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
#include "server/table_watch.h"

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
