/*-------------------------------------------------------------------------
 *
 * periodic.c
 *	  What a scheduler does itself every few seconds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "pgstat.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "runtime/periodic.h"
#include "server/guard.h"

#define MAX_PERIODIC	4

/* Something to do, and what is known of it in this process. */
typedef struct Entry
{
	const EvauditPeriodic *periodic;
	TimestampTz due;
	bool		wanted;			/* keeps the scheduler */
	bool		failing;
} Entry;

static Entry entries[MAX_PERIODIC];
static int	nentries = 0;

/* Register something, in every process that loads the library. */
void
evaudit_register_periodic(const EvauditPeriodic *periodic)
{
	if (nentries >= MAX_PERIODIC)
		elog(ERROR, "too many things to do periodically");
	entries[nentries++].periodic = periodic;
}

/* Run one, for evaudit_guard(). */
static bool
run_one(void *arg)
{
	Entry	   *entry = arg;

	entry->wanted = entry->periodic->run();
	return true;
}

/* Run one in a transaction of its own, and log an error once. */
static void
run_in_transaction(Entry *entry)
{
	MemoryContext context = CurrentMemoryContext;
	ErrorData  *error = NULL;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(context);
	pgstat_report_activity(STATE_RUNNING, entry->periodic->activity);
	if (OidIsValid(get_extension_oid("evaudit", true)))
		error = evaudit_guard(run_one, entry);
	else
		entry->wanted = false;
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	pgstat_report_activity(STATE_IDLE, NULL);

	if (error != NULL && !entry->failing)
		ereport(LOG,
				(errcode(error->sqlerrcode),
				 errmsg("%s failed: %s", entry->periodic->activity,
						error->message)));
	entry->failing = error != NULL;
}

/*
 * Run what is due, in the scheduler and outside a transaction.  True if some
 * of it keeps a scheduler that is idle otherwise; nothing that does not is
 * trusted to be so until it has run once more.
 */
bool
evaudit_run_periodic(bool idle)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		wanted = false;

	for (int i = 0; i < nentries; i++)
	{
		Entry	   *entry = &entries[i];
		int			interval = *entry->periodic->interval;

		if (interval == 0)
			continue;
		if (now >= entry->due || (idle && !entry->wanted))
		{
			run_in_transaction(entry);
			entry->due = TimestampTzPlusMilliseconds(now,
													 (int64) interval * 1000);
		}
		wanted |= entry->wanted;
	}
	return wanted;
}
