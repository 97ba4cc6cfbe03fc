/*-------------------------------------------------------------------------
 *
 * track.c
 *	  evaudit.track() and untrack(): put capture triggers on, and take them off.
 *
 * The triggers are ordinary ones, so that pg_dump, ALTER TABLE and people
 * know what to do with them; the caller's right to make them decides.  The
 * server clones a row trigger to each partition, now and later, but no
 * trigger for TRUNCATE: those are put onto each partition here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/catalog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "commands/event_trigger.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "audit/audit_log.h"
#include "audit/tracked.h"
#include "server/compat.h"

PG_FUNCTION_INFO_V1(evaudit_track);
PG_FUNCTION_INFO_V1(evaudit_untrack);
PG_FUNCTION_INFO_V1(evaudit_track_partitions);

/* Run one command, whose parts are quoted already. */
static void
execute(const char *command)
{
	int			result = SPI_execute(command, false, 0);

	if (result < 0)
		elog(ERROR, "could not execute \"%s\": %s", command,
			 SPI_result_code_string(result));
}

/* The name of a table as a command may use it under any search_path. */
static char *
qualified_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  get_rel_name(relid));
}

/* Refuse what has no row triggers, or nothing worth an audit. */
static void
check_relation(Relation rel)
{
	char		kind = rel->rd_rel->relkind;

	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE &&
		kind != RELKIND_FOREIGN_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot track \"%s\"", RelationGetRelationName(rel)),
				 errdetail_relkind_not_supported(kind)));
	if (IsSystemRelation(rel))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot track system catalog \"%s\"",
						RelationGetRelationName(rel))));
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot track temporary table \"%s\"",
						RelationGetRelationName(rel))));
	if (RelationGetRelid(rel) == evaudit_audit_relid())
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot track table \"%s\": it holds the audit",
						RelationGetRelationName(rel))));
}

/*
 * Check that the caller owns a table, lock it as CREATE TRIGGER does, and
 * open it.  Who does not own it shall not keep its writers waiting.
 */
static Relation
open_relation(Oid relid)
{
	if (!evaudit_owns_relation(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER,
					   get_relkind_objtype(get_rel_relkind(relid)),
					   get_rel_name(relid));
	return relation_open(relid, ShareRowExclusiveLock);
}

/* Has a table a trigger of this name? */
static bool
has_trigger(Oid relid, const char *name)
{
	return OidIsValid(get_trigger_oid(relid, name, true));
}

/* Put a trigger onto a table, firing for replicated changes too. */
static void
add_trigger(Oid relid, const char *trigger, const char *timing,
			const char *function)
{
	char	   *table = qualified_name(relid);

	execute(psprintf("CREATE TRIGGER \"%s\" %s ON %s %s", trigger, timing,
					 table, function));
	execute(psprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER \"%s\"", table,
					 trigger));
}

/* Take a trigger off a table. */
static void
drop_trigger(Oid relid, const char *trigger)
{
	execute(psprintf("DROP TRIGGER \"%s\" ON %s", trigger,
					 qualified_name(relid)));
}

/* The table and all its partitions, if it has any. */
static List *
tracked_tree(Relation rel, LOCKMODE lockmode)
{
	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return list_make1_oid(RelationGetRelid(rel));
	return find_all_inheritors(RelationGetRelid(rel), lockmode, NULL);
}

/*
 * Let TRUNCATE of each table of the tree that has rows of its own be
 * captured.
 */
static void
add_truncate_triggers(List *tree)
{
	ListCell   *cell;

	foreach(cell, tree)
	{
		Oid			relid = lfirst_oid(cell);

		if (get_rel_relkind(relid) == RELKIND_RELATION &&
			!has_trigger(relid, EVAUDIT_TRUNCATE_TRIGGER))
			add_trigger(relid, EVAUDIT_TRUNCATE_TRIGGER,
						"BEFORE TRUNCATE",
						"FOR EACH STATEMENT EXECUTE FUNCTION evaudit.capture_truncate()");
	}
}

/* Put the row trigger onto a table, and so onto its partitions. */
static void
add_capture_trigger(Oid relid, List *tree)
{
	ListCell   *cell;

	/* partitions that were tracked by themselves now belong to this one */
	foreach(cell, tree)
	{
		if (has_trigger(lfirst_oid(cell), EVAUDIT_CAPTURE_TRIGGER))
			drop_trigger(lfirst_oid(cell), EVAUDIT_CAPTURE_TRIGGER);
	}
	add_trigger(relid, EVAUDIT_CAPTURE_TRIGGER,
				"AFTER INSERT OR UPDATE OR DELETE",
				"FOR EACH ROW EXECUTE FUNCTION evaudit.capture()");
}

/* SQL: evaudit.track(relation regclass) */
Datum
evaudit_track(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Relation	rel = open_relation(relid);
	List	   *tree;
	bool		tracked;

	check_relation(rel);
	tree = tracked_tree(rel, ShareRowExclusiveLock);
	tracked = OidIsValid(evaudit_tracked_trigger(rel, NULL));
	relation_close(rel, NoLock);

	if (tracked)
		ereport(NOTICE,
				(errmsg("table \"%s\" is tracked already",
						get_rel_name(relid))));
	SPI_connect();
	if (!tracked)
		add_capture_trigger(relid, tree);
	add_truncate_triggers(tree);
	SPI_finish();
	PG_RETURN_VOID();
}

/* SQL: evaudit.untrack(relation regclass) */
Datum
evaudit_untrack(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Relation	rel = open_relation(relid);
	Oid			parent = InvalidOid;
	List	   *tree = tracked_tree(rel, ShareRowExclusiveLock);
	bool		tracked;
	ListCell   *cell;

	tracked = OidIsValid(evaudit_tracked_trigger(rel, &parent));
	relation_close(rel, NoLock);
	if (!tracked)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is not tracked", get_rel_name(relid))));
	if (OidIsValid(parent))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is tracked as a partition",
						get_rel_name(relid)),
				 errhint("Call evaudit.untrack() for the partitioned table.")));

	SPI_connect();
	drop_trigger(relid, EVAUDIT_CAPTURE_TRIGGER);
	foreach(cell, tree)
	{
		if (has_trigger(lfirst_oid(cell), EVAUDIT_TRUNCATE_TRIGGER))
			drop_trigger(lfirst_oid(cell), EVAUDIT_TRUNCATE_TRIGGER);
	}
	SPI_finish();
	PG_RETURN_VOID();
}

/* The table that a command gives a partition, or NULL if it does not. */
static RangeVar *
parent_of_new_partition(Node *command)
{
	ListCell   *cell;

	if (IsA(command, CreateStmt) && ((CreateStmt *) command)->partbound)
		return linitial_node(RangeVar, ((CreateStmt *) command)->inhRelations);
	if (IsA(command, AlterTableStmt))
	{
		foreach(cell, ((AlterTableStmt *) command)->cmds)
		{
			if (lfirst_node(AlterTableCmd, cell)->subtype == AT_AttachPartition)
				return ((AlterTableStmt *) command)->relation;
		}
	}
	return NULL;
}

/* Let TRUNCATE of what the command made a partition of be captured. */
static void
track_partition_of(Node *command)
{
	RangeVar   *parent = parent_of_new_partition(command);
	Oid			relid = InvalidOid;
	Relation	rel;
	List	   *tree = NIL;

	if (parent != NULL)
		relid = RangeVarGetRelid(parent, AccessShareLock, true);
	if (!OidIsValid(relid))
		return;

	rel = relation_open(relid, NoLock);
	if (OidIsValid(evaudit_tracked_trigger(rel, NULL)))
		tree = tracked_tree(rel, AccessShareLock);
	relation_close(rel, NoLock);
	if (tree != NIL)
	{
		SPI_connect();
		add_truncate_triggers(tree);
		SPI_finish();
	}
}

/*
 * SQL: evaudit.track_partitions() RETURNS event_trigger
 *
 * Let TRUNCATE of a new partition of a tracked table be captured.  A dump
 * attaches its partitions before it makes their triggers, and is let be.
 */
Datum
evaudit_track_partitions(PG_FUNCTION_ARGS)
{
	EventTriggerData *data = (EventTriggerData *) fcinfo->context;
	List	   *commands;
	ListCell   *cell;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be called by an event trigger")));

	/* the commands within CREATE SCHEMA have no event of their own */
	if (IsA(data->parsetree, CreateSchemaStmt))
		commands = ((CreateSchemaStmt *) data->parsetree)->schemaElts;
	else
		commands = list_make1(data->parsetree);
	foreach(cell, commands)
		track_partition_of(lfirst(cell));
	PG_RETURN_NULL();
}
