/*-------------------------------------------------------------------------
 *
 * rules_events.c
 *	  Event trigger: the rules of a table follow its columns.
 *
 * See rules_bind.c for what becomes of the rules.  Commands reach tables that
 * they do not name: children of a table, and tables of a composite type.  All
 * of them are locked by the command as far as it changed them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "audit/capture_trigger.h"
#include "audit/identity.h"
#include "audit/rules.h"
#include "audit/track.h"
#include "audit/tracked.h"
#include "server/spi.h"
#include "server/trigger.h"

PG_FUNCTION_INFO_V1(evaudit_keep_rules);
PG_FUNCTION_INFO_V1(evaudit_tracking_options);

/* Tables with rules that a command may have changed. */
static EvauditStatement altered_tables = {
	"WITH RECURSIVE named AS (SELECT d.objid"
	"  FROM pg_catalog.pg_event_trigger_ddl_commands() d"
	"  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass),"
	" reached AS (SELECT n.objid FROM named n"
	"  UNION SELECT c.oid FROM named n"
	"  JOIN pg_catalog.pg_class p ON p.oid = n.objid AND p.relkind = 'c'"
	"  JOIN pg_catalog.pg_class c ON c.reloftype = p.reltype"
	"  UNION SELECT i.inhrelid FROM reached r"
	"  JOIN pg_catalog.pg_inherits i ON i.inhparent = r.objid)"
	"SELECT DISTINCT t.tgrelid FROM reached r"
	" JOIN pg_catalog.pg_trigger t ON t.tgrelid = r.objid"
	" WHERE t.tgfoid = 'evaudit.capture()'::pg_catalog.regprocedure"
	" AND t.tgparentid = 0 AND t.tgnargs > 0", 0
};

/* Tables that a command gave a trigger with rules. */
static EvauditStatement new_triggers = {
	"SELECT DISTINCT t.tgrelid"
	" FROM pg_catalog.pg_event_trigger_ddl_commands() d"
	" JOIN pg_catalog.pg_trigger t ON t.oid = d.objid"
	" WHERE d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass"
	" AND t.tgfoid = 'evaudit.capture()'::pg_catalog.regprocedure"
	" AND t.tgparentid = 0 AND t.tgnargs > 0", 0
};

/* Let the rules of one table follow its columns, or bind them to those. */
static void
keep_rules(Oid relid, bool bind)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	char	   *argument = evaudit_capture_argument(rel);
	EvauditRules *before;
	EvauditRules *rules;
	char	   *new_argument;
	text	   *name;

	if (argument == NULL ||
		evaudit_capture_find(rel, EVAUDIT_CAPTURE_ROW) == NULL)
	{
		relation_close(rel, NoLock);
		return;
	}
	before = evaudit_rules_read(argument);
	rules = evaudit_rules_read(argument);
	name = evaudit_tracked_name(rel);
	if (bind)
		evaudit_rules_bind(rules, rel);
	else
		evaudit_rules_follow(rules, rel);
	relation_close(rel, NoLock);

	new_argument = evaudit_rules_empty(rules) ? NULL : evaudit_rules_format(rules, true);
	if (new_argument != NULL && strcmp(new_argument, evaudit_rules_format(before, true)) == 0)
		return;
	evaudit_track_replace(relid, new_argument);
	if (!bind && strcmp(evaudit_rules_format(rules, false),
						evaudit_rules_format(before, false)) != 0)
		(void) evaudit_record_rules(name, relid, before, rules);
}

/*
 * SQL: evaudit.keep_rules() RETURNS event_trigger
 *
 * Keep the rules of tracked tables with their columns.
 */
Datum
evaudit_keep_rules(PG_FUNCTION_ARGS)
{
	EventTriggerData *data = evaudit_event_trigger(fcinfo, "ddl_command_end");
	bool		bind = IsA(data->parsetree, CreateTrigStmt);
	EvauditSpi	spi;
	Oid		   *relids;
	uint64		n;
	MemoryContext context = CurrentMemoryContext;

	/* track() and its like bind rules themselves */
	if (evaudit_untrack_unrecorded)
		PG_RETURN_NULL();
	evaudit_spi_begin(&spi);
	n = evaudit_spi_execute(bind ? &new_triggers : &altered_tables, NULL, NULL);
	relids = MemoryContextAlloc(context, sizeof(Oid) * Max(n, 1));
	for (uint64 i = 0; i < n; i++)
		relids[i] = evaudit_spi_oid((int) i, 0);
	evaudit_spi_end(&spi);
	for (uint64 i = 0; i < n; i++)
		keep_rules(relids[i], bind);
	PG_RETURN_NULL();
}

/*
 * SQL: evaudit.tracking_options(relation regclass) RETURNS jsonb
 *
 * The options that a table is tracked with; NULL if it is not tracked, or is
 * locked at the moment, as a monitor must wait for nobody.
 */
Datum
evaudit_tracking_options(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Jsonb	   *options = NULL;
	Relation	rel;
	bool		tracked;

	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		PG_RETURN_NULL();
	rel = try_relation_open(relid, NoLock);
	if (rel == NULL)
	{
		UnlockRelationOid(relid, AccessShareLock);
		PG_RETURN_NULL();
	}
	tracked = evaudit_capture_find(rel, EVAUDIT_CAPTURE_ROW) != NULL;
	if (tracked)
		options = evaudit_rules_to_jsonb(evaudit_rules_read(evaudit_capture_argument(rel)));
	relation_close(rel, AccessShareLock);
	if (options != NULL)
		PG_RETURN_JSONB_P(options);
	if (!tracked)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
}
