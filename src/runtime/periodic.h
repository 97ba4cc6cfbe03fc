/*-------------------------------------------------------------------------
 *
 * periodic.h
 *	  What a scheduler does itself every few seconds.
 *
 * A room registers it from its own init function.  It has to be short: while
 * it runs no process is started or ended.  What takes long is a job.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_PERIODIC_H
#define EVAUDIT_PERIODIC_H

typedef struct EvauditPeriodic
{
	const char *activity;		/* for pg_stat_activity */
	const int  *interval;		/* a setting, in seconds; 0: never */

	/*
	 * Run outside a transaction, with a memory context that is reset
	 * afterwards.  Returns whether a database without jobs is to keep its
	 * scheduler for it.  An ERROR ends the scheduler.
	 */
	bool		(*run) (void);
} EvauditPeriodic;

extern void evaudit_register_periodic(const EvauditPeriodic *periodic);
extern void evaudit_wake_periodic_at_commit(void);
extern bool evaudit_run_periodic(bool idle);

#endif							/* EVAUDIT_PERIODIC_H */
