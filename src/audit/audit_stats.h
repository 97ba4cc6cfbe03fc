/*-------------------------------------------------------------------------
 *
 * audit_stats.h
 *	  How many audit rows were written for each tracked table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_AUDIT_STATS_H
#define EVAUDIT_AUDIT_STATS_H

extern void evaudit_audit_stats_init(void);

extern void evaudit_audit_stats_count(Oid relid, int rows);

#endif							/* EVAUDIT_AUDIT_STATS_H */
