/*-------------------------------------------------------------------------
 *
 * partition_status.h
 *	  How partitions of Kafka do, as their workers last saw it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_PARTITION_STATUS_H
#define EVAUDIT_PARTITION_STATUS_H

#include "datatype/timestamp.h"

/* Longest name of a Kafka topic, with its terminating zero. */
#define EVAUDIT_STREAM_BYTES	256

/* The number that stands for a topic as a whole. */
#define EVAUDIT_NO_PARTITION	(-1)

/* What is known of a partition besides its offset. */
typedef struct EvauditPartitionStatus
{
	int64		end_offset;		/* -1: not known */
	TimestampTz fetched_at;		/* its broker's last answer; 0: none yet */
	TimestampTz caught_up_at;	/* when all of it was in; 0: never */
	const char *error;			/* why it is not read now, or NULL */
} EvauditPartitionStatus;

extern void evaudit_partition_status_init(void);
extern bool evaudit_show_partition(int64 source_id, const char *topic,
								   int32 partition,
								   const EvauditPartitionStatus *status);
extern void evaudit_forget_partition(int64 source_id, const char *topic,
									 int32 partition);
extern void evaudit_forget_partitions(Oid database, int64 source_id);

#endif							/* EVAUDIT_PARTITION_STATUS_H */
