/*-------------------------------------------------------------------------
 *
 * trigger.c
 *	  The one guard of trigger functions.
 *
 * A function that returns trigger can be attached to any relation, with any
 * event, and a hostile dump does so.  The functions behind the triggers of
 * the extension's own tables begin with evaudit_own_trigger(), those of event
 * triggers with evaudit_event_trigger(); the triggers of tracked tables, which
 * are on tables of users, have a guard of their own (audit/capture_trigger.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "server/trigger.h"

/* Is a relation one of the extension's in the schema evaudit? */
bool
evaudit_is_own_table(Relation rel)
{
	Oid			extension = get_extension_oid("evaudit", true);

	return OidIsValid(extension) &&
		RelationGetNamespace(rel) == get_namespace_oid("evaudit", true) &&
		getExtensionOfObject(RelationRelationId,
							 RelationGetRelid(rel)) == extension;
}

/*
 * Make sure that a function is called by the trigger that it was written for:
 * of the name and type, on the table of the extension, or on any of its tables
 * if no table is named.
 */
TriggerData *
evaudit_own_trigger(FunctionCallInfo fcinfo, const char *table,
					const char *name, int16 type)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function of trigger \"%s\" must be called as a trigger",
						name)));
	if (data->tg_trigger->tgtype != type ||
		strcmp(data->tg_trigger->tgname, name) != 0 ||
		!evaudit_is_own_table(data->tg_relation) ||
		(table && strcmp(RelationGetRelationName(data->tg_relation), table) != 0))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" of \"%s\" is not one of extension \"evaudit\"",
						data->tg_trigger->tgname,
						RelationGetRelationName(data->tg_relation)),
				 errhint("Drop the trigger.")));
	return data;
}

/*
 * Have the triggers of an own table fire as the script that makes them does:
 * always, but for what a deletion takes along, which is replicated by itself.
 * Runs as the current user, who may alter the table.
 */
void
evaudit_enable_own_triggers(Oid relid)
{
	Relation	rel = relation_open(relid, NoLock);
	char	   *table = quote_qualified_identifier("evaudit",
												   RelationGetRelationName(rel));
	List	   *actions = NIL;
	ListCell   *cell;

	for (int i = 0; rel->trigdesc && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		bool		always = trigger->tgtype != EVAUDIT_AFTER_DELETE;

		if (!trigger->tgisinternal &&
			trigger->tgenabled != (always ? TRIGGER_FIRES_ALWAYS :
								   TRIGGER_FIRES_ON_ORIGIN))
			actions = lappend(actions, psprintf("ENABLE%s TRIGGER %s",
												always ? " ALWAYS" : "",
												quote_identifier(trigger->tgname)));
	}
	relation_close(rel, NoLock);

	SPI_connect();
	foreach(cell, actions)
	{
		if (SPI_execute(psprintf("ALTER TABLE %s %s", table,
								 (char *) lfirst(cell)), false, 0) < 0)
			elog(ERROR, "could not enable a trigger of %s", table);
	}
	SPI_finish();
}

/* Make sure that a function is called by an event trigger on the event. */
EventTriggerData *
evaudit_event_trigger(FunctionCallInfo fcinfo, const char *event)
{
	EventTriggerData *data = (EventTriggerData *) fcinfo->context;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo) ||
		strcmp(data->event, event) != 0 || data->parsetree == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be called by an event trigger on %s",
						event)));
	return data;
}

/*
 * The first n columns of the row, with nulls as SPI takes them; they must have
 * the types given.
 */
void
evaudit_trigger_values(const TriggerData *trigger, int n, const Oid *types,
					   Datum *values, char *nulls)
{
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);

	for (int i = 0; i < n; i++)
	{
		bool		isnull;

		if (i >= desc->natts || TupleDescAttr(desc, i)->attisdropped ||
			TupleDescAttr(desc, i)->atttypid != types[i])
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("columns of table \"%s\" are not those that extension \"evaudit\" made",
							RelationGetRelationName(trigger->tg_relation))));
		values[i] = heap_getattr(trigger->tg_trigtuple, i + 1, desc, &isnull);
		nulls[i] = isnull ? 'n' : ' ';
	}
}
