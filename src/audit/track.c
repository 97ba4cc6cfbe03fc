/*-------------------------------------------------------------------------
 *
 * track.c
 *	  evaudit.track() and the like: put capture triggers on, and take them off.
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
#include "audit/rules.h"
#include "audit/track.h"
#include "audit/tracked.h"
#include "audit/trigger_ddl.h"
#include "runtime/periodic.h"
#include "server/compat.h"

PG_FUNCTION_INFO_V1(evaudit_track);
PG_FUNCTION_INFO_V1(evaudit_alter_tracking);
PG_FUNCTION_INFO_V1(evaudit_untrack);

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
	if (evaudit_is_audit(rel))
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
			evaudit_trigger_drop(lfirst_oid(cell), lfirst(name));
			dropped = true;
		}
	}
	return dropped;
}

/* Put the row trigger onto a table, and so onto its partitions. */
static void
add_capture_trigger(Oid relid, List *tree, const char *argument)
{
	ListCell   *cell;

	/* partitions that were tracked by themselves now belong to this one */
	foreach(cell, tree)
	{
		if (get_state(lfirst_oid(cell)).exact[EVAUDIT_CAPTURE_ROW])
			evaudit_trigger_drop(lfirst_oid(cell),
								 evaudit_capture_names[EVAUDIT_CAPTURE_ROW]);
	}
	evaudit_trigger_put(relid, EVAUDIT_CAPTURE_ROW, argument);
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
		evaudit_trigger_put(relid, EVAUDIT_CAPTURE_TRUNCATE, NULL);
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
			evaudit_trigger_enable(lfirst_oid(cell), kind);
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
put_triggers(Oid relid, List *tree, bool tracked, const char *argument)
{
	bool		repaired = drop_inexact(tree);

	if (!tracked)
		add_capture_trigger(relid, tree, argument);
	repaired |= add_truncate_triggers(tree);
	repaired |= enable_all(tree);
	return repaired;
}

/* The same, while what it changes is not recorded. */
static bool
put_unrecorded(Oid relid, List *tree, bool tracked, const char *argument)
{
	bool		repaired;

	SPI_connect();
	evaudit_untrack_unrecorded = true;
	PG_TRY();
	{
		repaired = put_triggers(relid, tree, tracked, argument);
	}
	PG_FINALLY();
	{
		evaudit_untrack_unrecorded = false;
	}
	PG_END_TRY();
	SPI_finish();
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
begin_audit(Oid relid, List *tree, text *name, const char *argument)
{
	int64		seq = evaudit_record_rules(name, relid, NULL,
										   evaudit_rules_read(argument));
	ListCell   *cell;

	foreach(cell, tree)
	{
		if (lfirst_oid(cell) != relid)
			evaudit_identity_end(lfirst_oid(cell), seq);
	}
	evaudit_identity_begin(relid, seq);
}

/*
 * The argument of the trigger for options that track() is given.  A table that
 * has rules keeps them if none are given, so that a repair is no way round.
 */
static char *
choose_argument(Relation rel, Jsonb *options)
{
	char	   *present = evaudit_capture_argument(rel);
	EvauditRules *rules = evaudit_rules_parse(options);

	if (evaudit_rules_empty(rules))
		return present;
	if (evaudit_capture_find(rel, EVAUDIT_CAPTURE_ROW) == NULL)
		return evaudit_rules_argument(rules, rel, NULL);
	if (present == NULL ||
		strcmp(evaudit_rules_format(rules, false),
			   evaudit_rules_format(evaudit_rules_read(present), false)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is already tracked with other options",
						RelationGetRelationName(rel)),
				 errhint("Call evaudit.alter_tracking().")));
	return present;
}

/* SQL: evaudit.track(relation regclass, options jsonb DEFAULT '{}') */
Datum
evaudit_track(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Relation	rel = open_relation(relid);
	text	   *name = evaudit_tracked_name(rel);
	TriggerState state;
	List	   *tree;
	char	   *argument;
	bool		tracked;
	bool		repaired;

	check_relation(rel);
	tree = tracked_tree(rel, ShareRowExclusiveLock);
	state = get_state(relid);
	if (state.inexact_clone ||
		(state.clone && JB_ROOT_COUNT(PG_GETARG_JSONB_P(1)) > 0))
		report_partition(relid, "track");
	argument = choose_argument(rel, PG_GETARG_JSONB_P(1));
	relation_close(rel, NoLock);
	tracked = state.exact[EVAUDIT_CAPTURE_ROW];

	repaired = put_unrecorded(relid, tree, tracked, argument);
	if (!creating_extension && (repaired || !tracked))
	{
		begin_audit(relid, tree, name, argument);
		/* the scheduler watches the triggers of tracked tables */
		evaudit_wake_periodic_at_commit();
	}
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

/*
 * Have a table that is tracked by itself, and is locked, so from here on with
 * the rules of an argument.
 */
void
evaudit_track_replace(Oid relid, const char *argument)
{
	SPI_connect();
	evaudit_untrack_unrecorded = true;
	PG_TRY();
	{
		evaudit_trigger_put(relid, EVAUDIT_CAPTURE_ROW, argument);
	}
	PG_FINALLY();
	{
		evaudit_untrack_unrecorded = false;
	}
	PG_END_TRY();
	SPI_finish();
}

/* SQL: evaudit.alter_tracking(relation regclass, options jsonb) */
Datum
evaudit_alter_tracking(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Relation	rel = open_relation(relid);
	TriggerState state = get_state(relid);
	text	   *name = evaudit_tracked_name(rel);
	EvauditRules *before;
	EvauditRules *rules;
	char	   *argument;

	if (state.clone || state.inexact_clone)
		report_partition(relid, "alter_tracking");
	if (!state.exact[EVAUDIT_CAPTURE_ROW])
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is not tracked", get_rel_name(relid)),
				 errhint("Call evaudit.track() for it.")));
	before = evaudit_rules_read(evaudit_capture_argument(rel));
	if (before)
		evaudit_rules_follow(before, rel);
	rules = evaudit_rules_merge(before, PG_GETARG_JSONB_P(1));
	argument = evaudit_rules_argument(rules, rel, before);
	relation_close(rel, NoLock);
	evaudit_track_replace(relid, argument);
	(void) evaudit_record_rules(name, relid, before, rules);
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
				evaudit_trigger_drop(lfirst_oid(cell), evaudit_capture_names[kind]);
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
