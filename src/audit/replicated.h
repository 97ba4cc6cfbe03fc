/*-------------------------------------------------------------------------
 *
 * replicated.h
 *	  Audit where logical replication applies changes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_REPLICATED_H
#define EVAUDIT_REPLICATED_H

extern bool evaudit_audit_is_replicated(void);

#endif							/* EVAUDIT_REPLICATED_H */
