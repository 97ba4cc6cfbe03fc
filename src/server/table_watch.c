/*-------------------------------------------------------------------------
 *
 * table_watch.c
 *	  Knowing in a backend that a table of the extension has changed.
 *
 * What a backend derives from a table, compiled rules for instance, it keeps
 * until the table changes.  A trigger of the table sends a relcache
 * invalidation, as DDL would, which every backend hears at the next lock it
 * takes or transaction it begins, once the change is committed; the one that
 * made the change hears it at once, and again if it is rolled back.
 *
 * What is kept must be read with evaudit_spi_read_latest(): a transaction that
 * sees one snapshot for all of its life would read what was before a change
 * that it has heard of.
 *
 * All watches share one callback, since the server has room for ten.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "server/table_watch.h"

PG_FUNCTION_INFO_V1(evaudit_announce_change);

static EvauditWatch *watches = NULL;

/* A table changed, or, with InvalidOid, any may have. */
static void
hear(Datum arg, Oid relid)
{
	for (EvauditWatch *watch = watches; watch != NULL; watch = watch->next)
	{
		if (!OidIsValid(relid) || relid == watch->relid)
			watch->fresh = false;
	}
}

/* Add a watch to those that are told. */
static void
start_watch(EvauditWatch *watch)
{
	for (EvauditWatch *known = watches; known != NULL; known = known->next)
	{
		if (known == watch)
			return;
	}
	if (watches == NULL)
		CacheRegisterRelcacheCallback(hear, (Datum) 0);
	watch->next = watches;
	watches = watch;
}

/*
 * Whether the table may have changed since this was asked before, at the
 * first time true.  What is read after this call is newer than the answer.
 */
bool
evaudit_watch_changed(EvauditWatch *watch)
{
	if (watch->fresh)
		return false;
	start_watch(watch);
	watch->relid = get_relname_relid(watch->table,
									 get_namespace_oid("evaudit", false));
	watch->fresh = OidIsValid(watch->relid);
	return true;
}

/* Tell all backends, at the end of the transaction, that a table changed. */
void
evaudit_watch_announce(const char *table)
{
	Oid			relid = get_relname_relid(table,
										  get_namespace_oid("evaudit", false));

	if (OidIsValid(relid))
		CacheInvalidateRelcacheByRelid(relid);
}

/* Trigger after any statement that changes a table: tell all backends. */
Datum
evaudit_announce_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_AFTER(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event))
		elog(ERROR, "must be called as a trigger after a statement");
	CacheInvalidateRelcache(trigger->tg_relation);
	return PointerGetDatum(NULL);
}
