/*-------------------------------------------------------------------------
 *
 * outbox_space.h
 *	  How large the outbox may become, and what happens then.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_OUTBOX_SPACE_H
#define EVAUDIT_OUTBOX_SPACE_H

#include "runtime/job.h"

/* Partitions of the outbox. */
#define EVAUDIT_OUTBOX_PARTS	3

/* What happens when the outbox is full. */
typedef enum EvauditOutboxPolicy
{
	EVAUDIT_OUTBOX_DETACH,		/* the slowest sink loses its place */
	EVAUDIT_OUTBOX_BLOCK		/* publishers get an error */
} EvauditOutboxPolicy;

extern int	evaudit_outbox_max_size;	/* kB */
extern int	evaudit_outbox_policy;

extern void evaudit_outbox_define_settings(void);
extern Oid	evaudit_outbox_part(int part);
extern bool evaudit_outbox_part_is_large(int part);
extern bool evaudit_outbox_is_full(void);
extern void evaudit_outbox_check_space(int part, TimestampTz now);

/* outbox_job.c */
extern const EvauditJobKind evaudit_outbox_job;

#endif							/* EVAUDIT_OUTBOX_SPACE_H */
