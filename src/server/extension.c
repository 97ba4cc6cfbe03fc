/*-------------------------------------------------------------------------
 *
 * extension.c
 *	  Where the extension is installed.
 *
 * Queries of the extension name their tables with the schema of CREATE
 * EXTENSION, which is the user's choice.  It is looked up once per backend
 * and forgotten with any change of a schema: DROP and CREATE EXTENSION are
 * such changes, as the extension has the schema "evaudit" as a member.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "server/extension.h"

/* InvalidOid and NULL: to be looked up. */
static Oid	schema = InvalidOid;
static char *schema_name = NULL;

/* Invalidation callback: some schema changed. */
static void
forget_schema(Datum arg, int cacheid, uint32 hashvalue)
{
	schema = InvalidOid;
}

/* Read the schema of the extension from the catalog. */
static Oid
look_up_schema(void)
{
	Oid			extension = get_extension_oid("evaudit", false);
	Relation	catalog = table_open(ExtensionRelationId, AccessShareLock);
	Oid			result = InvalidOid;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(catalog, ExtensionOidIndexId, true, NULL, 1,
							  &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		result = ((Form_pg_extension) GETSTRUCT(tuple))->extnamespace;
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	if (!OidIsValid(result))
		elog(ERROR, "cache lookup failed for extension %u", extension);
	return result;
}

/* Make the cached values true, or raise an ERROR. */
static void
refresh(void)
{
	static bool registered = false;
	Oid			found;
	char	   *name;

	if (!registered)
	{
		CacheRegisterSyscacheCallback(NAMESPACEOID, forget_schema, (Datum) 0);
		registered = true;
	}

	/* reading a catalog may invalidate: set "schema" last */
	found = look_up_schema();
	name = get_namespace_name(found);
	if (name == NULL)
		elog(ERROR, "cache lookup failed for schema %u", found);
	if (schema_name != NULL)
		pfree(schema_name);
	schema_name = NULL;
	schema_name = MemoryContextStrdup(TopMemoryContext,
									  quote_identifier(name));
	schema = found;
}

/* The schema of CREATE EXTENSION. */
Oid
evaudit_extension_schema(void)
{
	if (!OidIsValid(schema))
		refresh();
	return schema;
}

/*
 * Its name, quoted for use in SQL.  It lives until some schema changes: copy
 * what is kept.
 */
const char *
evaudit_extension_schema_name(void)
{
	if (!OidIsValid(schema))
		refresh();
	return schema_name;
}
