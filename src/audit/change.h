/*-------------------------------------------------------------------------
 *
 * change.h
 *	  Rows of audit, read back.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_CHANGE_H
#define EVAUDIT_CHANGE_H

#include "utils/jsonb.h"

#include "audit/audit_log.h"
#include "audit/past.h"
#include "server/spi.h"

/* One row of audit; NULL where it says nothing. */
typedef struct EvauditChange
{
	int64		seq;
	char	   *relation;
	char	   *key;
	EvauditOperation operation;
	char	   *attribute;
	int			column;			/* of the past that is read for */
	Jsonb	   *old_value;
	Jsonb	   *new_value;
	Jsonb	   *paths;			/* of an UPDATE that has no values, but these */
	TimestampTz time;
	uint64		xid;
	int32		epoch;
	text	   *actor;
	text	   *request_id;
} EvauditChange;

/* What a statement that reads changes selects. */
#define EVAUDIT_CHANGE_COLUMNS \
	"seq, relation, item_key, operation, updated_attribute, old_value," \
	" new_value, modification_time, xid, epoch, actor, request_id"

/*
 * The number of a row, where it must not choose the index: a generic plan
 * takes a range of numbers for a few rows, and reads all of audit by its
 * primary key rather than sort what another index finds.
 */
#define EVAUDIT_SEQ_UNINDEXED	"(seq OPERATOR(pg_catalog.+) 0)"

/* Receives a change in the memory context given; false: no more of them. */
typedef bool (*EvauditChangeTaker) (EvauditChange *change, void *arg);

/* Who reads the audit, to be given back. */
typedef struct EvauditReader
{
	bool		as_owner;
	EvauditSpi	spi;
} EvauditReader;

extern bool evaudit_history_by_select;

extern void evaudit_history_init(void);
extern void evaudit_changes_begin(EvauditReader *reader, EvauditPast *past);
extern void evaudit_changes_end(EvauditReader *reader);
extern void evaudit_changes_read(EvauditStatement *statement,
								 const Datum *values, MemoryContext context,
								 EvauditChangeTaker take, void *arg);
extern bool evaudit_change_removes(const EvauditChange *change);
extern bool evaudit_change_is_of_row(const EvauditChange *change);
extern int	evaudit_change_group(EvauditChange *const *changes, int n, int at);

#endif							/* EVAUDIT_CHANGE_H */
