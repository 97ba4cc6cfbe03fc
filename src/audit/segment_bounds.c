/*-------------------------------------------------------------------------
 *
 * segment_bounds.c
 *	  Which partition of audit a number belongs to, and where segments end.
 *
 * The bounds are those of the relcache, as the executor reads them when it
 * routes a row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/partcache.h"

#include "audit/audit_log.h"
#include "audit/segment.h"

/* The number of a bound, or what it stands for where it has none. */
static int64
bound_of(PartitionBoundInfo bounds, int i)
{
	switch (bounds->kind[i][0])
	{
		case PARTITION_RANGE_DATUM_MINVALUE:
			return PG_INT64_MIN;
		case PARTITION_RANGE_DATUM_MAXVALUE:
			return PG_INT64_MAX;
		default:
			return DatumGetInt64(bounds->datums[i][0]);
	}
}

/*
 * Find the partition that a number belongs to.  Of the default partition, the
 * numbers are those around this one that belong to no other.
 */
void
evaudit_segment_find(Relation audit, int64 seq, EvauditSegmentBounds *result)
{
	PartitionKey key = RelationGetPartitionKey(audit);
	PartitionDesc desc = RelationGetPartitionDesc(audit, true);
	PartitionBoundInfo bounds = desc->boundinfo;
	Datum		value = Int64GetDatum(seq);
	bool		equal;
	int			i;

	result->relid = InvalidOid;
	result->first = PG_INT64_MIN;
	result->last = PG_INT64_MAX;
	if (desc->nparts == 0)
		return;

	/* the last bound that is not above the number */
	i = partition_range_datum_bsearch(key->partsupfunc, key->partcollation,
									  bounds, 1, &value, &equal);
	if (i >= 0)
		result->first = bound_of(bounds, i);
	/* a bound is the first number that is not below it any more */
	if (i + 1 < bounds->ndatums &&
		bounds->kind[i + 1][0] != PARTITION_RANGE_DATUM_MAXVALUE)
		result->last = bound_of(bounds, i + 1) - 1;
	i = bounds->indexes[i + 1];
	if (i < 0)
		i = bounds->default_index;
	if (i >= 0)
		result->relid = desc->oids[i];
}

/* The segments of audit, which is open, in the order of their numbers. */
EvauditSegmentBounds *
evaudit_segments_list(Relation audit, int *n)
{
	PartitionDesc desc = RelationGetPartitionDesc(audit, true);
	PartitionBoundInfo bounds = desc->boundinfo;
	EvauditSegmentBounds *segments = palloc0(sizeof(EvauditSegmentBounds) *
											 (desc->nparts + 1));

	*n = 0;
	for (int i = 1; desc->nparts > 0 && i < bounds->ndatums; i++)
	{
		if (bounds->indexes[i] < 0)
			continue;
		segments[*n].relid = desc->oids[bounds->indexes[i]];
		segments[*n].first = bound_of(bounds, i - 1);
		segments[*n].last = bound_of(bounds, i) - 1;
		(*n)++;
	}
	return segments;
}

/* Find out where the segments stand; audit is open. */
void
evaudit_segments_read(Relation audit, EvauditSegments *segments)
{
	PartitionDesc desc = RelationGetPartitionDesc(audit, true);
	int			n;
	EvauditSegmentBounds *list = evaudit_segments_list(audit, &n);
	bool		unused;

	segments->audit = RelationGetRelid(audit);
	segments->rest = desc->nparts > 0 && desc->boundinfo->default_index >= 0 ?
		desc->oids[desc->boundinfo->default_index] : InvalidOid;
	segments->last = evaudit_audit_drawn(segments->audit, &unused);
	segments->top = n > 0 ? list[n - 1].last : PG_INT64_MIN;
	segments->ahead = 0;
	for (int i = 0; i < n; i++)
		segments->ahead += list[i].first > segments->last;
}
