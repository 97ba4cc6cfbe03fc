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
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "audit/audit_log.h"
#include "audit/capture_trigger.h"
#include "audit/identity.h"
#include "audit/track.h"
#include "audit/tracked.h"
#include "server/compat.h"

PG_FUNCTION_INFO_V1(evaudit_track);
PG_FUNCTION_INFO_V1(evaudit_untrack);

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
 * open it.  Who does not own it must not block its writers.
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

/* What CREATE TRIGGER says of each kind of trigger. */
static const char *const definitions[EVAUDIT_CAPTURE_KINDS][2] = {
	{"AFTER INSERT OR UPDATE OR DELETE",
	"FOR EACH ROW EXECUTE FUNCTION evaudit.capture()"},
	{"BEFORE TRUNCATE",
	"FOR EACH STATEMENT EXECUTE FUNCTION evaudit.capture_truncate()"},
};

/* Have a trigger fire for replicated changes too. */
static void
enable_always(Oid relid, EvauditCaptureKind kind)
{
	execute(psprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER \"%s\"",
					 qualified_name(relid), evaudit_capture_names[kind]));
}

/* Put a trigger onto a table. */
static void
add_trigger(Oid relid, EvauditCaptureKind kind)
{
	execute(psprintf("CREATE TRIGGER \"%s\" %s ON %s %s",
					 evaudit_capture_names[kind], definitions[kind][0],
					 qualified_name(relid), definitions[kind][1]));
	enable_always(relid, kind);
}

/* Take a trigger off a table. */
static void
drop_trigger(Oid relid, const char *trigger)
{
	execute(psprintf("DROP TRIGGER %s ON %s", quote_identifier(trigger),
					 qualified_name(relid)));
}

/* What is on a table that capture has to do with. */
typedef struct TriggerState
{
	bool		exact[EVAUDIT_CAPTURE_KINDS];	/* of the form of track() */
	bool		always[EVAUDIT_CAPTURE_KINDS];	/* and fires for all changes */
	bool		clone;			/* the row trigger came from a parent */
	List	   *inexact;		/* names of others of ours, clones not */
	bool		inexact_clone;
} TriggerState;

/* Look at the triggers of a table that is locked. */
static TriggerState
get_state(Oid relid)
{
	TriggerState state = {0};
	Relation	rel = relation_open(relid, NoLock);

	for (int kind = 0; kind < EVAUDIT_CAPTURE_KINDS; kind++)
	{
		const Trigger *trigger = evaudit_capture_find(rel, kind);

		if (trigger == NULL)
			continue;
		state.exact[kind] = true;
		state.always[kind] = trigger->tgenabled == TRIGGER_FIRES_ALWAYS;
		state.clone |= trigger->tgisclone;
	}
	state.inexact = evaudit_capture_inexact(rel, &state.inexact_clone);
	relation_close(rel, NoLock);
	return state;
}

/* The table and all its partitions, if it has any. */
static List *
tracked_tree(Relation rel, LOCKMODE lockmode)
{
	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return list_make1_oid(RelationGetRelid(rel));
	return find_all_inheritors(RelationGetRelid(rel), lockmode, NULL);
}

/* Refuse to do to a partition what must be done to its root. */
static void
report_partition(Oid relid, const char *function)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" is tracked as a partition",
					get_rel_name(relid)),
			 errhint("Call evaudit.%s() for the partitioned table.", function)));
}

/* Drop the triggers of ours in a tree that are not of the form of track(). */
static bool
drop_inexact(List *tree)
{
	bool		dropped = false;
	ListCell   *cell;

	foreach(cell, tree)
	{
		List	   *names = get_state(lfirst_oid(cell)).inexact;
		ListCell   *name;

		foreach(name, names)
		{
			drop_trigger(lfirst_oid(cell), lfirst(name));
			dropped = true;
		}
	}
	return dropped;
}

/* Put the row trigger onto a table, and so onto its partitions. */
static void
add_capture_trigger(Oid relid, List *tree)
{
	ListCell   *cell;

	/* partitions that were tracked by themselves now belong to this one */
	foreach(cell, tree)
	{
		if (get_state(lfirst_oid(cell)).exact[EVAUDIT_CAPTURE_ROW])
			drop_trigger(lfirst_oid(cell),
						 evaudit_capture_names[EVAUDIT_CAPTURE_ROW]);
	}
	add_trigger(relid, EVAUDIT_CAPTURE_ROW);
}

/*
 * Let TRUNCATE of each table of the tree that has rows of its own be
 * captured.  Returns whether one had no trigger for it.
 */
static bool
add_truncate_triggers(List *tree)
{
	bool		added = false;
	ListCell   *cell;

	foreach(cell, tree)
	{
		Oid			relid = lfirst_oid(cell);
		char		relkind = get_rel_relkind(relid);

		if (relkind == RELKIND_FOREIGN_TABLE &&
			!evaudit_capture_has_truncate(relkind))
			ereport(NOTICE,
					(errmsg("TRUNCATE of foreign table \"%s\" is not audited",
							get_rel_name(relid)),
					 errdetail("Foreign tables have triggers for it since PostgreSQL 16.")));
		if (!evaudit_capture_has_truncate(relkind) ||
			get_state(relid).exact[EVAUDIT_CAPTURE_TRUNCATE])
			continue;
		add_trigger(relid, EVAUDIT_CAPTURE_TRUNCATE);
		added = true;
	}
	return added;
}

/* Have all triggers of the tree fire always.  Returns whether one did not. */
static bool
enable_all(List *tree)
{
	bool		enabled = false;
	ListCell   *cell;

	foreach(cell, tree)
	{
		TriggerState state = get_state(lfirst_oid(cell));

		for (int kind = 0; kind < EVAUDIT_CAPTURE_KINDS; kind++)
		{
			if (!state.exact[kind] || state.always[kind])
				continue;
			enable_always(lfirst_oid(cell), kind);
			enabled = true;
		}
	}
	return enabled;
}

/*
 * Create the triggers that are missing on a table and its partitions, and
 * repair those that were changed.  Returns whether a trigger other than the
 * table's own row trigger was missing or changed.
 */
static bool
put_triggers(Oid relid, List *tree, bool tracked)
{
	bool		repaired = drop_inexact(tree);

	if (!tracked)
		add_capture_trigger(relid, tree);
	repaired |= add_truncate_triggers(tree);
	repaired |= enable_all(tree);
	return repaired;
}

/* Let TRUNCATE of new partitions of a tracked table be captured. */
void
evaudit_track_new_partitions(Relation rel)
{
	List	   *tree;

	if (evaudit_capture_find(rel, EVAUDIT_CAPTURE_ROW) == NULL)
		return;
	tree = tracked_tree(rel, AccessShareLock);
	SPI_connect();
	(void) add_truncate_triggers(tree);
	SPI_finish();
}

/* Have the triggers of a tracked table and its partitions fire always. */
void
evaudit_track_enable(Oid relid)
{
	List	   *tree = list_make1_oid(relid);

	if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
		tree = find_all_inheritors(relid, ShareRowExclusiveLock, NULL);
	SPI_connect();
	(void) enable_all(tree);
	SPI_finish();
}

/*
 * Record that a table is tracked from here on, and its partitions with it.
 * Restores make the extension anew: configuration, which it tracks itself, is
 * recorded when it changes first.
 */
static void
begin_audit(Oid relid, List *tree, text *name)
{
	int64		seq = evaudit_record(EVAUDIT_TRACK, name, relid);
	ListCell   *cell;

	foreach(cell, tree)
	{
		if (lfirst_oid(cell) != relid)
			evaudit_identity_end(lfirst_oid(cell), seq);
	}
	evaudit_identity_begin(relid, seq);
}

/* SQL: evaudit.track(relation regclass) */
Datum
evaudit_track(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Relation	rel = open_relation(relid);
	text	   *name = evaudit_tracked_name(rel);
	TriggerState state;
	List	   *tree;
	bool		tracked;
	bool		repaired;

	check_relation(rel);
	tree = tracked_tree(rel, ShareRowExclusiveLock);
	relation_close(rel, NoLock);
	state = get_state(relid);
	if (state.inexact_clone)
		report_partition(relid, "track");
	tracked = state.exact[EVAUDIT_CAPTURE_ROW];

	SPI_connect();
	evaudit_untrack_unrecorded = true;
	PG_TRY();
	{
		repaired = put_triggers(relid, tree, tracked);
	}
	PG_FINALLY();
	{
		evaudit_untrack_unrecorded = false;
	}
	PG_END_TRY();
	SPI_finish();

	if (!creating_extension && (repaired || !tracked))
		begin_audit(relid, tree, name);
	if (repaired && (tracked || state.inexact != NIL))
		ereport(NOTICE,
				(errmsg("repaired the triggers that audit table \"%s\"",
						get_rel_name(relid))));
	else if (tracked)
		ereport(NOTICE,
				(errmsg("table \"%s\" is already tracked",
						get_rel_name(relid))));
	PG_RETURN_VOID();
}

/* Take all triggers of ours off a table and its partitions. */
static void
drop_triggers(List *tree)
{
	ListCell   *cell;

	foreach(cell, tree)
	{
		TriggerState state;

		(void) drop_inexact(list_make1_oid(lfirst_oid(cell)));
		state = get_state(lfirst_oid(cell));
		for (int kind = 0; kind < EVAUDIT_CAPTURE_KINDS; kind++)
		{
			if (state.exact[kind])
				drop_trigger(lfirst_oid(cell), evaudit_capture_names[kind]);
		}
	}
}

/* SQL: evaudit.untrack(relation regclass) */
Datum
evaudit_untrack(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Relation	rel = open_relation(relid);
	List	   *tree = tracked_tree(rel, ShareRowExclusiveLock);
	text	   *name = evaudit_tracked_name(rel);
	TriggerState state;

	relation_close(rel, NoLock);
	state = get_state(relid);
	if (state.inexact_clone || state.clone)
		report_partition(relid, "untrack");
	if (!state.exact[EVAUDIT_CAPTURE_ROW] && state.inexact == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is not tracked", get_rel_name(relid))));

	SPI_connect();
	evaudit_untrack_unrecorded = true;
	PG_TRY();
	{
		drop_triggers(tree);
	}
	PG_FINALLY();
	{
		evaudit_untrack_unrecorded = false;
	}
	PG_END_TRY();
	SPI_finish();
	evaudit_identity_end(relid, evaudit_record(EVAUDIT_UNTRACK, name, relid));
	PG_RETURN_VOID();
}
