/*-------------------------------------------------------------------------
 *
 * replicated.c
 *	  Audit where logical replication applies changes.
 *
 * Changes that a subscription applies are captured as any, unless it brings
 * the rows of audit as well: these tell of the changes already, of who made
 * them and when.  They keep their ids and numbers, so that what is captured
 * here must not draw a number that one of them has: a trigger that fires for
 * replicated rows alone raises the sequence.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_subscription_rel.h"
#include "commands/trigger.h"
#include "replication/logicalworker.h"
#include "replication/worker_internal.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "audit/audit_log.h"
#include "audit/audit_shape.h"
#include "audit/replicated.h"
#include "audit/row_seq.h"

PG_FUNCTION_INFO_V1(evaudit_raise_seq);

/* Is this a worker of a subscription that replicates audit, too? */
bool
evaudit_audit_is_replicated(void)
{
	if (!IsLogicalWorker() || MySubscription == NULL)
		return false;
	return SearchSysCacheExists2(SUBSCRIPTIONRELMAP,
								 ObjectIdGetDatum(evaudit_audit_relid()),
								 ObjectIdGetDatum(MySubscription->oid));
}

/*
 * SQL: evaudit.raise_seq() RETURNS trigger
 *
 * Before a replicated row of audit is inserted.
 */
Datum
evaudit_raise_seq(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	EvauditAuditLog log;
	bool		isnull;
	Datum		seq;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!evaudit_is_audit(data->tg_relation) ||
		!TRIGGER_FIRED_BEFORE(data->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be called by trigger \"%s\" of table \"audit\"",
						EVAUDIT_RAISE_TRIGGER)));
	evaudit_audit_open(&log);
	seq = heap_getattr(data->tg_trigtuple,
					   get_attnum(RelationGetRelid(data->tg_relation), "seq"),
					   RelationGetDescr(data->tg_relation), &isnull);
	if (!isnull)
		evaudit_row_seq_raise(log.sequence, DatumGetInt64(seq));
	evaudit_audit_close(&log);
	return PointerGetDatum(data->tg_trigtuple);
}
