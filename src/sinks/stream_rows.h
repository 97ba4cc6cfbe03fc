/*-------------------------------------------------------------------------
 *
 * stream_rows.h
 *	  The rows of a batch's parts, merged by seq into a chunk.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_STREAM_ROWS_H
#define EVAUDIT_STREAM_ROWS_H

#include "utils/portal.h"

#include "sinks/stream.h"
#include "sinks/wanted.h"

/* Columns of the parts' queries. */
enum EvauditRowColumn
{
	EVAUDIT_ROW_SEQ,
	EVAUDIT_ROW_TOPIC,
	EVAUDIT_ROW_EVENT_ID,
	EVAUDIT_ROW_KEY,
	EVAUDIT_ROW_PAYLOAD,
	EVAUDIT_ROW_HEADERS,
	EVAUDIT_ROW_EVENT_TIME,
	EVAUDIT_ROW_SUBJECT,
	EVAUDIT_ROW_SOURCE,
	EVAUDIT_ROW_SOURCE_POSITION,
	EVAUDIT_ROW_RECEIVED_AT
};

extern void evaudit_stream_take(Portal *parts, int n, EvauditWanted *wanted,
								MemoryContext context, EvauditChunk *chunk);

#endif							/* EVAUDIT_STREAM_ROWS_H */
