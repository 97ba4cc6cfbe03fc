/*-------------------------------------------------------------------------
 *
 * table_watch.c
 *	  Knowing in a backend that a table of the extension has changed.
 *
 * What a backend derives from a table, compiled rules for instance, it keeps
 * until the table changes.  A trigger of the table sends a relcache
 * invalidation, as DDL would.  A backend processes those of others when it
 * takes a lock that it does not have yet, which a transaction may not do for
 * long: so evaudit_watch_changed() accepts them first, and a change counts
 * for whatever is decided after its commit.  The backend that made the change
 * processes it at the next command, and again if it is rolled back.
 *
 * What is kept must be read with evaudit_spi_read_latest(): a transaction that
 * sees one snapshot for all of its life would read what was before a change
 * whose invalidation it has processed.
 *
 * All watches share one callback, since the server has room for ten.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "fmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "server/table_watch.h"
#include "server/trigger.h"

PG_FUNCTION_INFO_V1(evaudit_announce_change);

static EvauditWatch *watches = NULL;

/* Relcache callback: a table changed, or, with InvalidOid, any may have. */
static void
invalidate(Datum arg, Oid relid)
{
	for (EvauditWatch *watch = watches; watch != NULL; watch = watch->next)
	{
		if (!OidIsValid(relid) || relid == watch->relid)
			watch->fresh = false;
	}
}

/* Add a watch to those that are invalidated. */
static void
start_watch(EvauditWatch *watch)
{
	for (EvauditWatch *known = watches; known != NULL; known = known->next)
	{
		if (known == watch)
			return;
	}
	if (watches == NULL)
		CacheRegisterRelcacheCallback(invalidate, (Datum) 0);
	watch->next = watches;
	watches = watch;
}

/*
 * Whether the table may have changed since the last call, true at the first
 * one.  Changes committed by now are seen.  Needs a transaction: processing
 * invalidations may read catalogs.
 */
bool
evaudit_watch_changed(EvauditWatch *watch)
{
	AcceptInvalidationMessages();
	if (watch->fresh)
		return false;
	start_watch(watch);
	watch->relid = get_relname_relid(watch->table,
									 get_namespace_oid("evaudit", false));
	/* last, since reading catalogs may process invalidations, too */
	watch->fresh = OidIsValid(watch->relid);
	return true;
}

/* Invalidate a table in all backends, at the end of the transaction. */
void
evaudit_watch_announce(const char *table)
{
	Oid			relid = get_relname_relid(table,
										  get_namespace_oid("evaudit", false));

	if (OidIsValid(relid))
		CacheInvalidateRelcacheByRelid(relid);
}

/* Trigger after any statement that changes a table: invalidate it. */
Datum
evaudit_announce_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = evaudit_own_trigger(fcinfo, NULL,
											   "announce_change",
											   EVAUDIT_AFTER_STATEMENT);

	CacheInvalidateRelcache(trigger->tg_relation);
	return PointerGetDatum(NULL);
}
