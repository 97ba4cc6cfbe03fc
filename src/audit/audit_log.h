/*-------------------------------------------------------------------------
 *
 * audit_log.h
 *	  The table audit, as capture writes it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_AUDIT_LOG_H
#define EVAUDIT_AUDIT_LOG_H

#include "utils/jsonb.h"
#include "utils/rel.h"

#include "audit/context.h"
#include "audit/segment.h"

typedef enum EvauditOperation
{
	EVAUDIT_INSERT,
	EVAUDIT_UPDATE,
	EVAUDIT_DELETE,
	EVAUDIT_TRUNCATE,
	EVAUDIT_TRACK,				/* changes are captured from here on */
	EVAUDIT_UNTRACK,			/* changes are no longer captured */
	EVAUDIT_SKIP,				/* somebody had his changes not captured */
	EVAUDIT_BASELINE,			/* a row that was there before */
	EVAUDIT_REDACT				/* values were erased from the audit */
} EvauditOperation;

#define EVAUDIT_LAST_OPERATION	EVAUDIT_REDACT

extern const char *const evaudit_operation_names[EVAUDIT_LAST_OPERATION + 1];

/* The columns of audit, by their numbers less one. */
typedef enum EvauditAuditColumn
{
	EVAUDIT_AUDIT_ID,
	EVAUDIT_AUDIT_RELATION,
	EVAUDIT_AUDIT_ITEM_KEY,
	EVAUDIT_AUDIT_OPERATION,
	EVAUDIT_AUDIT_MODIFICATION_TIME,
	EVAUDIT_AUDIT_UPDATED_ATTRIBUTE,
	EVAUDIT_AUDIT_OLD_VALUE,
	EVAUDIT_AUDIT_NEW_VALUE,
	EVAUDIT_AUDIT_ACTOR,
	EVAUDIT_AUDIT_REQUEST_ID,
	EVAUDIT_AUDIT_SESSION_ROLE,
	EVAUDIT_AUDIT_APPLICATION_NAME,
	EVAUDIT_AUDIT_CLIENT_ADDR,
	EVAUDIT_AUDIT_XID,
	EVAUDIT_AUDIT_EPOCH,
	EVAUDIT_AUDIT_RELID,
	EVAUDIT_AUDIT_ROLE_NAME,
	EVAUDIT_AUDIT_SEQ,
	EVAUDIT_AUDIT_NCOLUMNS
} EvauditAuditColumn;

extern const Oid evaudit_audit_types[EVAUDIT_AUDIT_NCOLUMNS];

/* What an audit row says of a change; NULL where it says nothing. */
typedef struct EvauditAuditRow
{
	EvauditOperation operation;
	const EvauditContext *context;
	text	   *relation;
	Oid			relid;			/* of the relation, if there is one */
	text	   *item_key;
	text	   *attribute;
	Jsonb	   *old_value;
	Jsonb	   *new_value;
} EvauditAuditRow;

/* Audit and what belongs to it, open for one change. */
typedef struct EvauditAuditLog
{
	struct AuditTable *table;	/* what was known of it then */
	Relation	sequence;
	EvauditOpenSegment open;	/* where the last row went */
} EvauditAuditLog;

extern Oid	evaudit_audit_relid(void);
extern bool evaudit_is_audit(Relation rel);
extern int64 evaudit_audit_drawn(Oid audit, bool *unused);

/* audit_readers.c */
extern void evaudit_audit_wake_readers(void);
extern int64 evaudit_audit_last_seq(void);
extern void evaudit_audit_open(EvauditAuditLog *log);
extern int64 evaudit_audit_write(EvauditAuditLog *log,
								 const EvauditAuditRow *row);
extern void evaudit_audit_expect(int64 seq);
extern void evaudit_audit_restore(EvauditAuditLog *log, const Datum *values,
								  const char *nulls);
extern void evaudit_audit_close(EvauditAuditLog *log);

#endif							/* EVAUDIT_AUDIT_LOG_H */
