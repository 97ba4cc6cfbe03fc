/*-------------------------------------------------------------------------
 *
 * capture_trigger.c
 *	  The triggers that capture changes: their exact form.
 *
 * Anybody can attach a function that he may execute to a table, a view or a
 * temporary table of his, with any event, and everybody may execute these:
 * CREATE TABLE ... PARTITION OF a tracked table needs it.  So capture trusts
 * no trigger but one of the very form that evaudit.track() or a restore of a
 * dump makes, whoever made it.  The form alone decides: such a trigger reports
 * changes that take place, once each.
 *
 * Whether it fires always, as track() has it, or for the session's own changes
 * alone, as after pg_restore --disable-triggers, is no part of the form: what
 * fires is captured.  evaudit.stat_audit shows the difference.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "audit/capture_trigger.h"
#include "server/compat.h"

PG_FUNCTION_INFO_V1(evaudit_is_audited);

const char *const evaudit_capture_names[EVAUDIT_CAPTURE_KINDS] = {
	"00_evaudit_capture", "00_evaudit_truncate"
};

static const char *const function_names[EVAUDIT_CAPTURE_KINDS] = {
	"capture", "capture_truncate"
};

/* Timing, level and events, as pg_trigger.tgtype has them. */
static const int16 types[EVAUDIT_CAPTURE_KINDS] = {
	TRIGGER_TYPE_AFTER | TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT |
	TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE,
	TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_STATEMENT | TRIGGER_TYPE_TRUNCATE
};

/*
 * A function of capture triggers, looked up without a check of the rights of
 * the role that makes a change.
 */
static Oid
capture_function(EvauditCaptureKind kind)
{
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
						   CStringGetDatum(function_names[kind]),
						   PointerGetDatum(buildoidvector(NULL, 0)),
						   ObjectIdGetDatum(get_namespace_oid("evaudit",
															  false)));
}

/* Has a trigger, of the right function, the form that track() gives it? */
static bool
is_exact(const Trigger *trigger, EvauditCaptureKind kind)
{
	return trigger->tgtype == types[kind] &&
		strcmp(trigger->tgname, evaudit_capture_names[kind]) == 0 &&
		trigger->tgqual == NULL &&
		trigger->tgnargs <= (kind == EVAUDIT_CAPTURE_ROW ? 1 : 0) &&
		trigger->tgnattr == 0 &&
		!OidIsValid(trigger->tgconstraint);
}

/* Does TRUNCATE of a table of this kind, and not of its partitions, fire? */
bool
evaudit_capture_has_truncate(char relkind)
{
	return relkind == RELKIND_RELATION ||
		(relkind == RELKIND_FOREIGN_TABLE && EVAUDIT_FOREIGN_TRUNCATE);
}

/* May a table have a trigger of a kind by track()? */
static bool
belongs_on(Relation rel, EvauditCaptureKind kind)
{
	char		relkind = rel->rd_rel->relkind;

	return rel->rd_rel->relpersistence != RELPERSISTENCE_TEMP &&
		(evaudit_capture_has_truncate(relkind) ||
		 (kind == EVAUDIT_CAPTURE_ROW &&
		  (relkind == RELKIND_FOREIGN_TABLE ||
		   relkind == RELKIND_PARTITIONED_TABLE)));
}

/*
 * The names of the triggers of a table that are capture's, by their own names
 * or by their functions, but have not the form of track(); clones not.  Sets
 * *clone if one is a clone.
 */
List *
evaudit_capture_inexact(Relation rel, bool *clone)
{
	Oid			functions[EVAUDIT_CAPTURE_KINDS];
	List	   *names = NIL;

	/* catalog look-ups may rebuild the relcache entry: do them first */
	for (int kind = 0; kind < EVAUDIT_CAPTURE_KINDS; kind++)
		functions[kind] = capture_function(kind);

	*clone = false;
	for (int i = 0; rel->trigdesc && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];
		bool		ours = false;
		bool		exact = false;

		for (int kind = 0; kind < EVAUDIT_CAPTURE_KINDS; kind++)
		{
			bool		function = trigger->tgfoid == functions[kind];

			ours |= function ||
				strcmp(trigger->tgname, evaudit_capture_names[kind]) == 0;
			exact |= function && is_exact(trigger, kind) &&
				belongs_on(rel, kind);
		}
		if (!ours || exact)
			continue;
		if (trigger->tgisclone)
			*clone = true;
		else
			names = lappend(names, pstrdup(trigger->tgname));
	}
	return names;
}

/*
 * The exact capture trigger of a kind on a table, or NULL.  It lies in the
 * relcache entry: take what is needed of it before anything else is done.
 */
const Trigger *
evaudit_capture_find(Relation rel, EvauditCaptureKind kind)
{
	Oid			function = capture_function(kind);

	if (!belongs_on(rel, kind))
		return NULL;
	for (int i = 0; rel->trigdesc && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		if (trigger->tgfoid == function &&
			is_exact(trigger, kind))
			return trigger;
	}
	return NULL;
}

/*
 * The argument of the row trigger of ours on a table, which has its rules, as
 * a copy; NULL if it has none.  Rules of a trigger whose form was changed are
 * still those of the table.
 */
char *
evaudit_capture_argument(Relation rel)
{
	Oid			function = capture_function(EVAUDIT_CAPTURE_ROW);
	const char *argument = NULL;

	for (int i = 0; rel->trigdesc && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		if (trigger->tgfoid != function || trigger->tgnargs < 1)
			continue;
		argument = trigger->tgargs[0];
		if (is_exact(trigger, EVAUDIT_CAPTURE_ROW))
			break;
	}
	return argument ? pstrdup(argument) : NULL;
}

/*
 * Refuse a call by anything but the exact trigger of a kind.  This is asked
 * for each row, of the trigger as it fires, and reads no catalog.
 */
TriggerData *
evaudit_capture_check(FunctionCallInfo fcinfo, EvauditCaptureKind kind)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called as a trigger",
						function_names[kind])));
	if (!belongs_on(data->tg_relation, kind) ||
		!is_exact(data->tg_trigger, kind))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" of \"%s\" is not as evaudit.track() makes it",
						data->tg_trigger->tgname,
						RelationGetRelationName(data->tg_relation)),
				 errhint("Drop the trigger, or have evaudit.track() make it anew.")));
	return data;
}

/* Has a table the trigger of a kind, and does it fire for all changes? */
static bool
always_fires(Relation rel, EvauditCaptureKind kind)
{
	const Trigger *trigger = evaudit_capture_find(rel, kind);

	return trigger != NULL && trigger->tgenabled == TRIGGER_FIRES_ALWAYS;
}

/* Are all changes of a table captured?  Its partitions are not looked at. */
static bool
is_captured(Relation rel)
{
	return always_fires(rel, EVAUDIT_CAPTURE_ROW) &&
		(!evaudit_capture_has_truncate(rel->rd_rel->relkind) ||
		 always_fires(rel, EVAUDIT_CAPTURE_TRUNCATE));
}

/*
 * SQL: evaudit.is_audited(relation regclass) RETURNS boolean
 *
 * Are all changes of a table and its partitions captured?  NULL if one of
 * them is locked at the moment, by ALTER TABLE for instance: a monitor must
 * wait for nobody.
 */
Datum
evaudit_is_audited(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	List	   *tree = list_make1_oid(relid);
	ListCell   *cell;

	if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
		tree = find_all_inheritors(relid, NoLock, NULL);
	foreach(cell, tree)
	{
		Relation	rel;
		bool		captured;

		if (!ConditionalLockRelationOid(lfirst_oid(cell), AccessShareLock))
			PG_RETURN_NULL();
		rel = try_relation_open(lfirst_oid(cell), NoLock);
		if (rel == NULL)
		{
			UnlockRelationOid(lfirst_oid(cell), AccessShareLock);
			continue;
		}
		captured = is_captured(rel);
		relation_close(rel, AccessShareLock);
		if (!captured)
			PG_RETURN_BOOL(false);
	}
	PG_RETURN_BOOL(true);
}
