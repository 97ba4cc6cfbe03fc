/*-------------------------------------------------------------------------
 *
 * capture.h
 *	  The set-up of capture, and its suspension.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_CAPTURE_H
#define EVAUDIT_CAPTURE_H

/*
 * While set, changes write no audit row.  Whoever sets it clears it again,
 * also when an error passes: the capture trigger of a row fires at the end
 * of the statement that changes it.
 */
extern bool evaudit_capture_suspended;

struct EvauditTracked;
struct TupleTableSlot;

extern void evaudit_audit_init(void);
extern void evaudit_capture_baseline(struct EvauditTracked *tracked,
									 struct TupleTableSlot *slot);

#endif							/* EVAUDIT_CAPTURE_H */
