/*-------------------------------------------------------------------------
 *
 * audit_shape.c
 *	  What the table audit must look like for rows to be written and read.
 *
 * C code puts datums into audit's columns by their numbers, and reads them
 * so.  The owner of audit can alter it; what he must not alter is checked
 * whenever its relcache entry is new, and for each row that is read.  What he
 * may add, and only the executor honours (triggers, rules, constraints, columns
 * with defaults), has rows written through the executor.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_namespace_d.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "rewrite/prs2lock.h"
#include "rewrite/rewriteDefine.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"

#include "audit/audit_log.h"
#include "audit/audit_shape.h"

/* The columns that CREATE EXTENSION gives audit (sql/audit.sql). */
static const struct
{
	const char *name;
	Oid			type;
	bool		notnull;
}			columns[EVAUDIT_AUDIT_NCOLUMNS] =

{
	{"id", UUIDOID, true},
	{"relation", TEXTOID, true},
	{"item_key", TEXTOID, false},
	{"operation", TEXTOID, true},
	{"modification_time", TIMESTAMPTZOID, true},
	{"updated_attribute", TEXTOID, false},
	{"old_value", JSONBOID, false},
	{"new_value", JSONBOID, false},
	{"actor", TEXTOID, false},
	{"request_id", TEXTOID, false},
	{"session_role", TEXTOID, true},
	{"application_name", TEXTOID, false},
	{"client_addr", INETOID, false},
	{"xid", XID8OID, true},
	{"epoch", INT4OID, true},
	{"relid", OIDOID, false},
	{"role_name", TEXTOID, true},
	{"seq", INT8OID, true},
};

/* Refuse columns that are not where, and of what type, C code has them. */
void
evaudit_audit_check_columns(TupleDesc desc)
{
	for (int i = 0; i < EVAUDIT_AUDIT_NCOLUMNS; i++)
	{
		Form_pg_attribute att = i < desc->natts ? TupleDescAttr(desc, i) : NULL;

		if (att == NULL || att->attisdropped ||
			strcmp(NameStr(att->attname), columns[i].name) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("table \"audit\" has no column \"%s\" in its place",
							columns[i].name),
					 errhint("Give the columns back the names that they have after CREATE EXTENSION.")));
		if (att->atttypid != columns[i].type || att->atttypmod != -1 ||
			att->attcollation != (columns[i].type == TEXTOID ?
								  DEFAULT_COLLATION_OID : InvalidOid) ||
			att->attgenerated != '\0')
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of table \"audit\" is not a plain column of type %s",
							columns[i].name, format_type_be(columns[i].type)),
					 errdetail("It must have no type modifier, no collation of its own and no generation expression."),
					 errhint("Give the column back the type that it has after CREATE EXTENSION.")));
	}
}

/*
 * Does Citus, which lists its tables in pg_catalog.pg_dist_partition, keep the
 * rows of a table elsewhere?
 */
static bool
is_distributed(Relation rel)
{
	Oid			relid = get_relname_relid("pg_dist_partition",
										  PG_CATALOG_NAMESPACE);
	AttrNumber	attnum;
	Relation	catalog;
	ScanKeyData key;
	SysScanDesc scan;
	bool		found;

	if (!OidIsValid(relid))
		return false;
	attnum = get_attnum(relid, "logicalrelid");
	if (attnum == InvalidAttrNumber)
		return false;
	catalog = table_open(relid, AccessShareLock);
	ScanKeyInit(&key, attnum, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationGetRelid(rel)));
	scan = systable_beginscan(catalog, InvalidOid, false, NULL, 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}

/* Is a table partitioned as CREATE EXTENSION has it? */
bool
evaudit_audit_is_partitioned(Relation rel)
{
	PartitionKey key;

	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return false;
	key = RelationGetPartitionKey(rel);
	return key->strategy == PARTITION_STRATEGY_RANGE && key->partnatts == 1 &&
		key->partattrs[0] == EVAUDIT_AUDIT_SEQ + 1 &&
		key->partopcintype[0] == INT8OID;
}

/* Refuse an audit table that rows cannot be written to. */
void
evaudit_audit_check_table(Relation rel)
{
	if (!evaudit_audit_is_partitioned(rel))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table that is partitioned by ranges of \"seq\"",
						RelationGetRelationName(rel))));
	if (is_distributed(rel))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is distributed by Citus",
						RelationGetRelationName(rel)),
				 errdetail("Rows would be written where queries do not look for them."),
				 errhint("Call undistribute_table() for it; only tracked tables can be distributed.")));
	evaudit_audit_check_columns(RelationGetDescr(rel));
}

/* Has INSERT a rule that is not disabled? */
static bool
has_insert_rules(const RuleLock *rules)
{
	for (int i = 0; rules && i < rules->numLocks; i++)
	{
		if (rules->rules[i]->event == CMD_INSERT &&
			rules->rules[i]->enabled != RULE_DISABLED)
			return true;
	}
	return false;
}

/* Does INSERT fire any trigger of the table but that of replicated rows? */
static bool
has_insert_triggers(const TriggerDesc *triggers)
{
	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (TRIGGER_FOR_INSERT(trigger->tgtype) &&
			strcmp(trigger->tgname, EVAUDIT_RAISE_TRIGGER) != 0)
			return true;
	}
	return false;
}

/* May a column be NULL whatever else a row holds, with nobody asked? */
static bool
accepts_null(Form_pg_attribute att)
{
	return att->attisdropped ||
		(!att->attnotnull && !att->atthasdef && att->attidentity == '\0' &&
		 get_typtype(att->atttypid) != TYPTYPE_DOMAIN);
}

/* Has a table got what only the executor honours?  Its CHECKs are not meant. */
static bool
needs_executor(Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);

	if (has_insert_triggers(rel->trigdesc) || has_insert_rules(rel->rd_rules))
		return true;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (i >= EVAUDIT_AUDIT_NCOLUMNS ? !accepts_null(att) :
			att->attnotnull && !columns[i].notnull)
			return true;
	}
	return false;
}

/* How many CHECK constraints has a table? */
static int
num_checks(Relation rel)
{
	TupleConstr *constr = RelationGetDescr(rel)->constr;

	return constr ? constr->num_check : 0;
}

/*
 * Has audit got what only the executor honours?  Row security is meant only
 * where it is forced on the owner, in whose name rows are inserted: whoever
 * changes a tracked table writes audit rows without any right on it.
 */
bool
evaudit_audit_needs_executor(Relation rel)
{
	return (rel->rd_rel->relrowsecurity && rel->rd_rel->relforcerowsecurity) ||
		needs_executor(rel) || rel->rd_rel->relispartition ||
		num_checks(rel) > 0;
}

/* Has a partition its columns where C code puts them? */
static bool
has_columns_in_place(TupleDesc desc)
{
	for (int i = 0; i < EVAUDIT_AUDIT_NCOLUMNS; i++)
	{
		if (i >= desc->natts || TupleDescAttr(desc, i)->attisdropped ||
			strcmp(NameStr(TupleDescAttr(desc, i)->attname),
				   columns[i].name) != 0)
			return false;
	}
	return true;
}

/*
 * Must rows go into a partition of audit through the executor?  So they must
 * into one that somebody made in another way than the extension does.
 */
bool
evaudit_segment_needs_executor(Relation rel)
{
	return rel->rd_rel->relkind != RELKIND_RELATION ||
		!has_columns_in_place(RelationGetDescr(rel)) ||
		needs_executor(rel) || num_checks(rel) > 0;
}
