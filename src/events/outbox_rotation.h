/*-------------------------------------------------------------------------
 *
 * outbox_rotation.h
 *	  Giving back the space of what all sinks have sent.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_OUTBOX_ROTATION_H
#define EVAUDIT_OUTBOX_ROTATION_H

/* What became of a partition that was to be truncated. */
typedef enum EvauditTruncation
{
	EVAUDIT_TRUNCATED,
	EVAUDIT_TRUNCATION_NEEDLESS,	/* it is small, or a sink needs it */
	EVAUDIT_TRUNCATION_LOCKED	/* somebody uses it */
} EvauditTruncation;

extern void evaudit_outbox_rotate(void);
extern EvauditTruncation evaudit_outbox_truncate(int part);
extern bool evaudit_outbox_detach_slowest(void);

#endif							/* EVAUDIT_OUTBOX_ROTATION_H */
