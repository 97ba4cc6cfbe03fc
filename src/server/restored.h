/*-------------------------------------------------------------------------
 *
 * restored.h
 *	  Whether this server was started from a backup, rather than as itself or
 *	  as a standby.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_RESTORED_H
#define EVAUDIT_RESTORED_H

extern void evaudit_restored_init(void);
extern int64 evaudit_restored_id(void);

#endif							/* EVAUDIT_RESTORED_H */
