/*-------------------------------------------------------------------------
 *
 * expire.h
 *	  Deleting rows of audit that are too old.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_EXPIRE_H
#define EVAUDIT_EXPIRE_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

/* Is a row, named a, of a relation and key that are held? */
#define EVAUDIT_IS_HELD \
	"EXISTS (SELECT FROM evaudit.held_keys h WHERE h.relation = a.relation" \
	" AND (h.item_key IS NULL OR h.item_key = a.item_key))"

/*
 * Has a sink yet to send a row, named a?  What is complete in the snapshot up
 * to which it has sent everything is sent.
 */
#define EVAUDIT_IS_AWAITED(database, epoch) \
	"(a.epoch = " epoch " AND EXISTS (SELECT FROM evaudit.sinks s" \
	" CROSS JOIN LATERAL (SELECT p.low FROM evaudit.sink_positions p" \
	" WHERE p.sink_id = s.id ORDER BY p.version DESC LIMIT 1) p" \
	" WHERE s.database = " database " AND 'audit' = ANY (s.topics)" \
	" AND s.detached IS NULL AND a.xid >= pg_snapshot_xmin(p.low)))"

/* How long rows are kept, and what becomes of them. */
typedef struct EvauditExpiry
{
	const Interval *keep;
	Jsonb	   *relations;		/* array of those that are kept for another
								 * time: {"relation": name, "keep": interval} */
	const char *directory;		/* where they are exported to; or NULL */
	Oid			role;			/* who said so */
} EvauditExpiry;

/* What is gone through by the numbers of the rows. */
typedef struct EvauditExpireWalk
{
	const char *table;			/* as a command names it */
	const char *relation;		/* whose rows; NULL: those of no other rule */
	const Interval *keep;
	int64		last;			/* the last row that was gone through */
	int64		done;			/* rows up to here need not be gone through
								 * again */
	bool		stays;			/* a row above that could not go */
} EvauditExpireWalk;

/* What became of rows. */
typedef struct EvauditExpired
{
	int64		deleted;
	int64		exported;
	char	   *file;			/* what they were exported to */
	bool		awaited;		/* a sink has not sent some */
} EvauditExpired;

extern bool evaudit_expire(const EvauditExpiry *expiry,
						   EvauditExpireWalk *walk, int limit,
						   EvauditExpired *expired);

#endif							/* EVAUDIT_EXPIRE_H */
