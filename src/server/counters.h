/*-------------------------------------------------------------------------
 *
 * counters.h
 *	  What is counted for metrics, for each database, in shared memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_COUNTERS_H
#define EVAUDIT_COUNTERS_H

/* Counters of one room: static, and registered by its init function. */
typedef struct EvauditCounters
{
	int			n;
	int			first;			/* private to counters.c */
} EvauditCounters;

extern void evaudit_counters_init(void);
extern void evaudit_counters_register(EvauditCounters *counters);
extern void evaudit_count(const EvauditCounters *counters, int which,
						  uint64 n);
extern uint64 evaudit_counted(const EvauditCounters *counters, int which);

#endif							/* EVAUDIT_COUNTERS_H */
