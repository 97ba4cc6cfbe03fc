/*-------------------------------------------------------------------------
 *
 * periodic.c
 *	  What a scheduler does itself every few seconds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pgstat.h"
#include "utils/backend_status.h"
#include "utils/timestamp.h"

#include "runtime/periodic.h"
#include "runtime/wakeup.h"

#define MAX_PERIODIC	4

/* Something to do, and what is known of it in this process. */
typedef struct Entry
{
	const EvauditPeriodic *periodic;
	TimestampTz due;
	bool		wanted;			/* keeps the scheduler */
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

/*
 * Ask for a scheduler that does what is registered, if any of it is done at
 * all.
 */
void
evaudit_wake_periodic_at_commit(void)
{
	for (int i = 0; i < nentries; i++)
	{
		if (*entries[i].periodic->interval != 0)
			evaudit_wake_scheduler_at_commit();
	}
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
			pgstat_report_activity(STATE_RUNNING, entry->periodic->activity);
			entry->wanted = entry->periodic->run();
			pgstat_report_activity(STATE_IDLE, NULL);
			entry->due = TimestampTzPlusMilliseconds(now,
													 (int64) interval * 1000);
		}
		wanted |= entry->wanted;
	}
	return wanted;
}
