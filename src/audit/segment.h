/*-------------------------------------------------------------------------
 *
 * segment.h
 *	  The partitions of audit: where a number belongs, and writing there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SEGMENT_H
#define EVAUDIT_SEGMENT_H

#include "utils/rel.h"

/* What is known of the partition that numbers from first to last belong to. */
typedef struct EvauditSegment EvauditSegment;

/* A partition, open for writing. */
typedef struct EvauditOpenSegment
{
	EvauditSegment *segment;	/* NULL: none is open */
	Relation	rel;
	Relation   *indexes;		/* NULL: locked, but not needed yet */
} EvauditOpenSegment;

/* Which partition a number belongs to, and which numbers do. */
typedef struct EvauditSegmentBounds
{
	Oid			relid;			/* InvalidOid: there is no partition */
	int64		first;
	int64		last;
} EvauditSegmentBounds;

/* Where the segments stand: the partitions that are made for ranges. */
typedef struct EvauditSegments
{
	Oid			audit;
	Oid			rest;			/* the default partition; or InvalidOid */
	int64		last;			/* the last number that was drawn */
	int64		top;			/* the last number of all segments */
	int			ahead;			/* segments above the last number */
} EvauditSegments;

/* segment_bounds.c */
extern void evaudit_segment_find(Relation audit, int64 seq,
								 EvauditSegmentBounds *bounds);
extern EvauditSegmentBounds *evaudit_segments_list(Relation audit, int *n);
extern void evaudit_segments_read(Relation audit, EvauditSegments *segments);

/* segment.c */
extern bool evaudit_segment_open(EvauditOpenSegment *open, Oid audit,
								 int64 seq);
extern void evaudit_segment_close(EvauditOpenSegment *open);
extern void evaudit_segment_insert(EvauditOpenSegment *open,
								   const Datum *values, const bool *isnull);

#endif							/* EVAUDIT_SEGMENT_H */
