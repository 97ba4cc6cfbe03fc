/*-------------------------------------------------------------------------
 *
 * audit_watch.c
 *	  Changes of what capture knows of the table audit.
 *
 * Capture keeps what it knows of audit, of its sequence and of the partition
 * that is written to for the life of the backend.  Each change of one of them
 * has a number: what was found out before the last one is found out anew.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/inval.h"

#include "audit/audit_watch.h"

uint64		evaudit_audit_generation = 0;

static Oid	watched[EVAUDIT_NWATCHES];

/* Invalidation callback: some relation changed or was dropped, or all. */
static void
invalidate(Datum arg, Oid relid)
{
	if (!OidIsValid(relid))
		evaudit_audit_generation++;
	for (int i = 0; i < EVAUDIT_NWATCHES; i++)
	{
		if (OidIsValid(relid) && watched[i] == relid)
			evaudit_audit_generation++;
	}
}

/* Count changes of a relation from here on. */
void
evaudit_audit_watch(EvauditAuditWatch which, Oid relid)
{
	static bool registered = false;

	if (!registered)
		CacheRegisterRelcacheCallback(invalidate, (Datum) 0);
	registered = true;
	watched[which] = relid;
}
