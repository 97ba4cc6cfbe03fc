/*-------------------------------------------------------------------------
 *
 * fetcher.h
 *	  The key fetcher, as the scheduler of its database keeps it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_FETCHER_H
#define EVAUDIT_FETCHER_H

/* fetch_schedule.c */
extern void evaudit_fetching_read(void);
extern void evaudit_fetching_clear(void);
extern bool evaudit_fetching_wanted(void);
extern bool evaudit_fetching_tend(void);

#endif							/* EVAUDIT_FETCHER_H */
