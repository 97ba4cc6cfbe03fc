/*-------------------------------------------------------------------------
 *
 * offsets.h
 *	  How far each partition of a source has been read: evaudit.offsets.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_OFFSETS_H
#define EVAUDIT_OFFSETS_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

/* A partition and how far it has been read. */
typedef struct EvauditOffset
{
	char	   *topic;
	int32		partition;
	int64		next_offset;	/* the first record not read yet, */
	char	   *seek;			/* unless it is to be looked up: of what; or
								 * NULL */

	/* the last record read: another one there means another log */
	bool		seen;
	int64		seen_offset;
	int64		seen_time;		/* milliseconds since 1970, or -1 */
	uint32		seen_checksum;	/* CRC-32C of key and payload */

	/* read again after seek_source(); until 0 or less than from: nothing is */
	int64		reread_from;
	int64		reread_until;
	TimestampTz reread_since;

	int			incarnation;	/* of the topic, from 1 */
	bool		remade;			/* the topic is another one: its incarnation
								 * is to be counted up */
	bool		stopped;		/* waits for seek_source() */
	char	   *error;			/* why, or what else is wrong; or NULL */
} EvauditOffset;

/* What a batch changes of a partition. */
typedef struct EvauditOffsetChange
{
	EvauditOffset *now;
	int64		expected;		/* next_offset as it must be before */
} EvauditOffsetChange;

extern EvauditOffset *evaudit_offsets_load(int64 source_id, int *n);
extern void evaudit_offsets_count_incarnation(const char *cluster,
											  EvauditOffset *offset);
extern bool evaudit_offsets_save(int64 source_id, const char *cluster,
								 const EvauditOffsetChange *changes, int n);
extern void evaudit_offsets_add(int64 source_id, const char *cluster,
								const EvauditOffset *offsets, int n);
extern void evaudit_offsets_found(int64 source_id,
								  const EvauditOffset *offsets, int n);
extern void evaudit_offsets_move(int64 source_id, int seek_number,
								 const EvauditOffset *offsets, int n);

#endif							/* EVAUDIT_OFFSETS_H */
