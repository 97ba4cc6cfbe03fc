/*-------------------------------------------------------------------------
 *
 * record.c
 *	  Rows of audit that tell of the audit itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "audit/audit_log.h"
#include "audit/track.h"

/* Write a row that tells of the audit itself, and return its number. */
static int64
record(EvauditAuditRow *row)
{
	EvauditAuditLog log;
	int64		seq;

	row->context = evaudit_context_take();
	evaudit_audit_open(&log);
	seq = evaudit_audit_write(&log, row);
	evaudit_audit_close(&log);
	return seq;
}

/*
 * Record that changes of a table are captured from here on, or no longer, and
 * return the number of the audit row.
 */
int64
evaudit_record(EvauditOperation operation, text *relation, Oid relid)
{
	EvauditAuditRow row = {
		.operation = operation,
		.relation = relation,
		.relid = relid,
	};

	return record(&row);
}

/*
 * Record that changes of a table are captured by these rules from here on, or
 * by these instead of others.
 */
int64
evaudit_record_rules(text *relation, Oid relid, const EvauditRules *before,
					 const EvauditRules *rules)
{
	EvauditAuditRow row = {
		.operation = EVAUDIT_TRACK,
		.relation = relation,
		.relid = relid,
		.old_value = evaudit_rules_to_jsonb(before),
		.new_value = evaudit_rules_to_jsonb(rules),
	};

	return record(&row);
}
