/*-------------------------------------------------------------------------
 *
 * held_locks.h
 *	  Locks that are held to the end of the transaction, and not asked for
 *	  again.
 *
 * Rows of audit are written one at a time, all into the same relations.  To
 * ask the lock manager for a dozen locks that are held already takes some 7 %
 * of capture's time.  So they are taken for the whole transaction, as
 * nextval() does it: by its own resource owner.  That of a portal may go
 * before, if a subtransaction fails in it; a subtransaction's, by ROLLBACK TO.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_HELD_LOCKS_H
#define EVAUDIT_HELD_LOCKS_H

#include "access/xact.h"
#include "storage/lmgr.h"
#include "utils/resowner.h"

/* Keep a relation locked for writing to the end of the transaction. */
static inline void
evaudit_lock_for_transaction(Oid relid)
{
	ResourceOwner owner = CurrentResourceOwner;

	CurrentResourceOwner = TopTransactionResourceOwner;
	LockRelationOid(relid, RowExclusiveLock);
	CurrentResourceOwner = owner;
}

/* Are locks held that a transaction took?  Without an xid it is not known. */
static inline bool
evaudit_locks_held(FullTransactionId taken_in)
{
	return FullTransactionIdIsValid(taken_in) &&
		FullTransactionIdEquals(taken_in, GetTopFullTransactionIdIfAny());
}

#endif							/* EVAUDIT_HELD_LOCKS_H */
