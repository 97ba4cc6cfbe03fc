/*-------------------------------------------------------------------------
 *
 * track_events.c
 *	  Event triggers: DDL that tracked tables have to do with.
 *
 * The server clones row triggers to new partitions, but not those of TRUNCATE:
 * evaudit.track_partitions() creates these.  A command that disables or drops
 * the triggers of a tracked table, or the table, ends its audit: it writes an
 * audit row of its own, with the operation UNTRACK, in its transaction.  Its
 * relation is the very table that is no longer captured, also where that is a
 * partition.  Commands that rename tables and columns are kept by identity.c.
 *
 * The triggers of the extension's own tables keep a restore from doing harm.
 * DISABLE TRIGGER ALL, which pg_restore --disable-triggers runs for each table
 * of a dump, is undone for them at once.
 *
 * ALTER TRIGGER ... RENAME writes no row, because changes of the table fail
 * from then on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "audit/audit_log.h"
#include "audit/capture_trigger.h"
#include "audit/identity.h"
#include "audit/row_seq.h"
#include "audit/track.h"
#include "audit/tracked.h"
#include "server/spi.h"
#include "server/trigger.h"

PG_FUNCTION_INFO_V1(evaudit_track_partitions);
PG_FUNCTION_INFO_V1(evaudit_record_disabled);
PG_FUNCTION_INFO_V1(evaudit_record_dropped);
PG_FUNCTION_INFO_V1(evaudit_record_renamed);
PG_FUNCTION_INFO_V1(evaudit_check_attach);

bool		evaudit_untrack_unrecorded = false;

/* Record that changes of a table are no longer captured. */
static void
record_untrack(Relation rel)
{
	(void) evaudit_record(EVAUDIT_UNTRACK, evaudit_tracked_name(rel),
						  RelationGetRelid(rel));
}

/* Open what a command names, which its locks keep; NULL if there is none. */
static Relation
open_named(const RangeVar *name)
{
	Oid			relid = RangeVarGetRelid(name, AccessShareLock, true);

	return OidIsValid(relid) ? relation_open(relid, NoLock) : NULL;
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
	Relation	rel = parent ? open_named(parent) : NULL;

	if (rel == NULL)
		return;
	evaudit_track_new_partitions(rel);
	relation_close(rel, NoLock);
}

/*
 * SQL: evaudit.track_partitions() RETURNS event_trigger
 *
 * Let TRUNCATE of a new partition of a tracked table be captured.  A dump
 * attaches its partitions before it makes their triggers, and is not changed.
 */
Datum
evaudit_track_partitions(PG_FUNCTION_ARGS)
{
	EventTriggerData *data = evaudit_event_trigger(fcinfo, "ddl_command_end");
	List	   *commands;
	ListCell   *cell;

	/* the commands within CREATE SCHEMA have no event of their own */
	if (IsA(data->parsetree, CreateSchemaStmt))
		commands = ((CreateSchemaStmt *) data->parsetree)->schemaElts;
	else
		commands = list_make1(data->parsetree);
	foreach(cell, commands)
		track_partition_of(lfirst(cell));
	PG_RETURN_NULL();
}

/*
 * Does a command of ALTER TABLE have triggers not fire always?  Sets *name to
 * that of the one trigger, or to NULL if it is about all.
 */
static bool
changes_firing(const AlterTableCmd *command, const char **name)
{
	*name = NULL;
	switch (command->subtype)
	{
		case AT_DisableTrig:
		case AT_EnableTrig:
		case AT_EnableReplicaTrig:
			*name = command->name;
			return true;
		case AT_DisableTrigAll:
		case AT_DisableTrigUser:
		case AT_EnableTrigAll:
		case AT_EnableTrigUser:
			return true;
		default:
			return false;
	}
}

/* Has a table a capture trigger of the name, or any, that does not fire always? */
static bool
fires_not_always(Relation rel, const char *name)
{
	for (int kind = 0; kind < EVAUDIT_CAPTURE_KINDS; kind++)
	{
		const Trigger *trigger = evaudit_capture_find(rel, kind);

		if (trigger != NULL && trigger->tgenabled != TRIGGER_FIRES_ALWAYS &&
			(name == NULL || strcmp(name, trigger->tgname) == 0))
			return true;
	}
	return false;
}

/* Record that a partition was detached from a tracked table, if it was. */
static void
record_detached(Relation parent, const RangeVar *name)
{
	Relation	rel;

	if (evaudit_capture_find(parent, EVAUDIT_CAPTURE_ROW) == NULL)
		return;
	rel = open_named(name);
	if (rel == NULL)
		return;
	if (evaudit_capture_find(rel, EVAUDIT_CAPTURE_ROW) == NULL)
		record_untrack(rel);
	relation_close(rel, NoLock);
}

/*
 * Record what a command did to the firing of a table's triggers.  Returns
 * whether all are to fire as track() has it: ENABLE TRIGGER ALL, which knows
 * only one way of firing, undoes DISABLE TRIGGER ALL.
 *
 * pg_restore --disable-triggers has both around the rows of a table.  Of one
 * that only its dump tells of so far, they interrupt no audit.
 */
static bool
record_firing(Relation rel, const AlterTableCmd *command)
{
	const char *name;
	bool		enable;

	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP ||
		!changes_firing(command, &name) || !fires_not_always(rel, name))
		return false;
	enable = command->subtype == AT_EnableTrigAll ||
		command->subtype == AT_EnableTrigUser;
	if (!evaudit_identity_restored(evaudit_tracked_root(rel)))
		(void) evaudit_record(enable ? EVAUDIT_TRACK : EVAUDIT_UNTRACK,
							  evaudit_tracked_name(rel),
							  RelationGetRelid(rel));
	return enable;
}

/* Record what ALTER TABLE did to the audit of a table. */
static void
record_altered(const AlterTableStmt *statement)
{
	Relation	rel = open_named(statement->relation);
	Oid			relid;
	ListCell   *cell;
	bool		enable = false;
	bool		own;

	if (rel == NULL)
		return;
	relid = RelationGetRelid(rel);
	own = evaudit_is_own_table(rel);
	foreach(cell, statement->cmds)
	{
		const AlterTableCmd *command = lfirst_node(AlterTableCmd, cell);
		const char *name;

		if (command->subtype == AT_DetachPartition ||
			command->subtype == AT_DetachPartitionFinalize)
			record_detached(rel, ((PartitionCmd *) command->def)->name);
		else if (own)
			enable |= changes_firing(command, &name) && name == NULL;
		else
			enable |= record_firing(rel, command);
	}
	relation_close(rel, NoLock);
	if (enable && own)
		evaudit_enable_own_triggers(relid);
	else if (enable)
		evaudit_track_enable(relid);
}

/* Record that CREATE OR REPLACE TRIGGER took the place of a capture trigger. */
static void
record_replaced(const CreateTrigStmt *statement)
{
	Relation	rel;

	for (int kind = 0; kind < EVAUDIT_CAPTURE_KINDS; kind++)
	{
		if (!statement->replace ||
			strcmp(statement->trigname, evaudit_capture_names[kind]) != 0)
			continue;
		rel = open_named(statement->relation);
		if (rel == NULL)
			return;
		if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
			;					/* never tracked */
		else if (evaudit_capture_find(rel, kind) == NULL)
			record_untrack(rel);
		else if (kind == EVAUDIT_CAPTURE_ROW)
			(void) evaudit_record_rules(evaudit_tracked_name(rel),
										RelationGetRelid(rel), NULL,
										evaudit_rules_read(evaudit_capture_argument(rel)));
		relation_close(rel, NoLock);
	}
}

/*
 * SQL: evaudit.record_disabled() RETURNS event_trigger
 *
 * Write an audit row when the triggers of a tracked table are disabled or
 * replaced, or a partition is detached from it.
 */
Datum
evaudit_record_disabled(PG_FUNCTION_ARGS)
{
	EventTriggerData *data = evaudit_event_trigger(fcinfo, "ddl_command_end");

	if (evaudit_untrack_unrecorded)
		PG_RETURN_NULL();
	if (IsA(data->parsetree, AlterTableStmt))
		record_altered((AlterTableStmt *) data->parsetree);
	else if (IsA(data->parsetree, CreateTrigStmt))
		record_replaced((CreateTrigStmt *) data->parsetree);
	PG_RETURN_NULL();
}

/* Columns of dropped_triggers. */
enum
{
	DROPPED_SCHEMA,
	DROPPED_TABLE,
	DROPPED_TRIGGER,
	DROPPED_ORIGINAL,
	DROPPED_RELID,
};

/* A table whose audit ended. */
typedef struct EndedTable
{
	text	   *name;
	Oid			relid;
} EndedTable;

/* The capture triggers that a command dropped, those that it named first. */
static EvauditStatement dropped_triggers = {
	"SELECT t.address_names[1], t.address_names[2], t.address_names[3],"
	" t.original, coalesce((SELECT d.objid"
	"  FROM pg_catalog.pg_event_trigger_dropped_objects() d"
	"  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass"
	"  AND d.objsubid = 0 AND d.address_names = t.address_names[1:2]),"
	" pg_catalog.to_regclass(pg_catalog.format('%I.%I',"
	"  t.address_names[1], t.address_names[2])), 0)"
	" FROM pg_catalog.pg_event_trigger_dropped_objects() t"
	" WHERE t.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass"
	" AND t.address_names[3] IN ('00_evaudit_capture', '00_evaudit_truncate')"
	" AND t.address_names[1] <> 'pg_temp' ORDER BY t.original DESC", 0
};

/*
 * Does a dropped trigger end the audit of its table?  That for TRUNCATE does
 * if rows are still captured; else the row trigger is what counts.
 */
static bool
ends_audit(char *schema, char *table, const char *trigger)
{
	Relation	rel;
	bool		captured;

	if (strcmp(trigger, evaudit_capture_names[EVAUDIT_CAPTURE_ROW]) == 0)
		return true;
	rel = open_named(makeRangeVar(schema, table, -1));
	if (rel == NULL)
		return false;
	captured = evaudit_capture_find(rel, EVAUDIT_CAPTURE_ROW) != NULL;
	relation_close(rel, NoLock);
	return captured;
}

/* The tables whose audit a command ended by dropping something. */
static List *
list_dropped(void)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *tables = NIL;
	EvauditSpi	spi;
	uint64		n;
	bool		original = false;

	evaudit_spi_begin(&spi);
	n = evaudit_spi_execute(&dropped_triggers, NULL, NULL);
	for (int i = 0; i < n; i++)
	{
		char	   *schema = evaudit_spi_text(i, DROPPED_SCHEMA);
		char	   *table = evaudit_spi_text(i, DROPPED_TABLE);
		EndedTable *ended;
		bool		named;
		MemoryContext old;

		/* DROP TRIGGER drops those of the partitions, too: record it once */
		named = evaudit_spi_bool(i, DROPPED_ORIGINAL);
		if (original && !named)
			break;
		original = named;
		if (!ends_audit(schema, table, evaudit_spi_text(i, DROPPED_TRIGGER)))
			continue;
		old = MemoryContextSwitchTo(context);
		ended = palloc(sizeof(EndedTable));
		ended->name = cstring_to_text(quote_qualified_identifier(schema,
																 table));
		ended->relid = evaudit_spi_oid(i, DROPPED_RELID);
		tables = lappend(tables, ended);
		MemoryContextSwitchTo(old);
	}
	evaudit_spi_end(&spi);
	return tables;
}

/*
 * SQL: evaudit.record_dropped() RETURNS event_trigger
 *
 * Write an audit row for each table that was dropped while it was tracked, or
 * lost a trigger.
 */
Datum
evaudit_record_dropped(PG_FUNCTION_ARGS)
{
	List	   *tables;
	ListCell   *cell;

	(void) evaudit_event_trigger(fcinfo, "sql_drop");
	if (evaudit_untrack_unrecorded)
		PG_RETURN_NULL();
	tables = list_dropped();
	foreach(cell, tables)
	{
		EndedTable *ended = lfirst(cell);

		evaudit_identity_end(ended->relid,
							 evaudit_record(EVAUDIT_UNTRACK, ended->name,
											ended->relid));
	}
	PG_RETURN_NULL();
}

/*
 * SQL: evaudit.record_renamed() RETURNS event_trigger
 *
 * Keep what tracked tables and their columns were called.
 */
Datum
evaudit_record_renamed(PG_FUNCTION_ARGS)
{
	(void) evaudit_event_trigger(fcinfo, "ddl_command_end");
	evaudit_identity_rename();
	PG_RETURN_NULL();
}

/*
 * Refuse a partition that is tracked by itself: the server would fail on the
 * name of its trigger.
 */
static void
check_attached(const RangeVar *parent_name, const RangeVar *name)
{
	Relation	parent = relation_openrv_extended(parent_name, AccessShareLock,
												  true);
	Relation	rel = relation_openrv_extended(name, AccessShareLock, true);

	if (parent && rel &&
		evaudit_capture_find(parent, EVAUDIT_CAPTURE_ROW) != NULL &&
		evaudit_capture_find(rel, EVAUDIT_CAPTURE_ROW) != NULL &&
		!evaudit_capture_find(rel, EVAUDIT_CAPTURE_ROW)->tgisclone)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is tracked by itself",
						RelationGetRelationName(rel)),
				 errdetail("As a partition it is tracked with \"%s\".",
						   RelationGetRelationName(parent)),
				 errhint("Call evaudit.untrack() for it, and attach it then.")));
	if (rel)
		relation_close(rel, AccessShareLock);
	if (parent)
		relation_close(parent, AccessShareLock);
}

/*
 * SQL: evaudit.check_attach() RETURNS event_trigger
 *
 * Before a partition is attached to a tracked table.
 */
Datum
evaudit_check_attach(PG_FUNCTION_ARGS)
{
	EventTriggerData *data = evaudit_event_trigger(fcinfo,
												   "ddl_command_start");
	AlterTableStmt *statement = (AlterTableStmt *) data->parsetree;
	ListCell   *cell;

	if (!IsA(statement, AlterTableStmt))
		PG_RETURN_NULL();
	foreach(cell, statement->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, cell);

		if (command->subtype == AT_AttachPartition)
			check_attached(statement->relation,
						   ((PartitionCmd *) command->def)->name);
	}
	PG_RETURN_NULL();
}
