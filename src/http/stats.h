/*-------------------------------------------------------------------------
 *
 * stats.h
 *	  Kept events as the rows of POST /stats/{topic}.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_HTTP_STATS_H
#define EVAUDIT_HTTP_STATS_H

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"

/*
 * A row's id is its event's with room for the jobs of a run, so that rows
 * have one order and a page can end within a run.
 */
#define EVAUDIT_STATS_ROWS_BITS		16
#define EVAUDIT_STATS_MAX_ROWS		(1 << EVAUDIT_STATS_ROWS_BITS)

/* A kept event. */
typedef struct EvauditKeptEvent
{
	int64		id;
	const char *event_id;
	const char *subject;		/* NULL: it came by a source */
	TimestampTz received_at;
	Jsonb	   *payload;
} EvauditKeptEvent;

extern int	evaudit_stats_nrows(const EvauditKeptEvent *event);
extern bool evaudit_stats_write_row(StringInfo json,
									const EvauditKeptEvent *event, int n,
									size_t limit);
extern Jsonb *evaudit_stats_oversized_row(const EvauditKeptEvent *event, int n);
extern int64 evaudit_stats_row_id(const EvauditKeptEvent *event, int n);

#endif							/* EVAUDIT_HTTP_STATS_H */
