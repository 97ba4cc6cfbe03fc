/*-------------------------------------------------------------------------
 *
 * segment_stats.c
 *	  The partitions of audit, for evaudit.stat_segments.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "audit/audit_log.h"
#include "audit/audit_shape.h"
#include "audit/segment.h"

PG_FUNCTION_INFO_V1(evaudit_audit_segments);

/* The state of a segment, where a number is the last that was drawn. */
static const char *
state_of(const EvauditSegmentBounds *segment, int64 last)
{
	if (segment->first > last)
		return "ahead";
	return segment->last > last ? "open" : "closed";
}

/* SQL: evaudit.audit_segments() RETURNS SETOF record */
Datum
evaudit_audit_segments(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation	audit = table_open(evaudit_audit_relid(), AccessShareLock);
	EvauditSegments where;
	EvauditSegmentBounds *segments;
	int			n;
	Datum		values[4];
	bool		nulls[4] = {false};

	InitMaterializedSRF(fcinfo, 0);
	evaudit_audit_check_table(audit);
	evaudit_segments_read(audit, &where);
	segments = evaudit_segments_list(audit, &n);
	table_close(audit, NoLock);
	for (int i = 0; i < n; i++)
	{
		values[0] = ObjectIdGetDatum(segments[i].relid);
		values[1] = Int64GetDatum(segments[i].first);
		values[2] = Int64GetDatum(segments[i].last);
		values[3] = CStringGetTextDatum(state_of(&segments[i], where.last));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
	if (OidIsValid(where.rest))
	{
		nulls[1] = nulls[2] = true;
		values[0] = ObjectIdGetDatum(where.rest);
		values[3] = CStringGetTextDatum("rest");
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
	PG_RETURN_VOID();
}
