/*-------------------------------------------------------------------------
 *
 * format.h
 *	  Events in the form in which they leave.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_FORMAT_H
#define EVAUDIT_FORMAT_H

#include "sinks/sink.h"
#include "sinks/stream.h"

/*
 * Make the deliveries of a chunk's rows, in the batch's context and within a
 * transaction.
 */
extern void evaudit_format(EvauditSink *sink, const EvauditChunk *chunk,
						   EvauditSinkBatch *batch);

#endif							/* EVAUDIT_FORMAT_H */
