/*-------------------------------------------------------------------------
 *
 * partition_end.h
 *	  Where partitions of Kafka end, as their workers last saw it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_PARTITION_END_H
#define EVAUDIT_PARTITION_END_H

/* Longest name of a Kafka topic, with its terminating zero. */
#define EVAUDIT_STREAM_BYTES	256

extern void evaudit_partition_ends_init(void);
extern void evaudit_show_partition_end(int64 source_id, const char *topic,
									   int32 partition, int64 end_offset);
extern void evaudit_forget_partition_ends(Oid database, int64 source_id);

#endif							/* EVAUDIT_PARTITION_END_H */
