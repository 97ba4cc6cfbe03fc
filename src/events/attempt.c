/*-------------------------------------------------------------------------
 *
 * attempt.c
 *	  Trying what the data may make fail, in a subtransaction.
 *
 * Only an error that is about data is caught, and the subtransaction undoes
 * all that was done until then.  Any other, such as a full disk, a lock
 * timeout or a missing grant, says nothing about an event and goes on its way.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "events/attempt.h"

/* SQLSTATE class P0: raised by PL/pgSQL, such as RAISE EXCEPTION. */
#define ERRCODE_CLASS_PLPGSQL	MAKE_SQLSTATE('P','0','0','0','0')

/*
 * Whether an error is about the data that was written: a value that cannot
 * be (22), a constraint (23), a check option (44), or a trigger or function
 * that raised an exception of its own (P0).
 */
bool
evaudit_blames_data(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_WITH_CHECK_OPTION_VIOLATION:
		case ERRCODE_CLASS_PLPGSQL:
			return true;
		default:
			return false;
	}
}

/*
 * Do something in a subtransaction.  NULL if that worked; else the error, if
 * it is about the data, allocated in the current memory context.
 */
ErrorData *
evaudit_attempt(EvauditAction action, void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		if (action(arg))
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;

	if (error != NULL && !evaudit_blames_data(error->sqlerrcode))
		ReThrowError(error);
	return error;
}
