/*-------------------------------------------------------------------------
 *
 * shape.h
 *	  What a sink's options make of an event that it sends.
 *
 *		filter		sends it or not		JSON Schema, or a jsonpath
 *		transform	another payload		a function of a user
 *		format		bytes and headers	the payload, or a CloudEvent
 *
 * The three are options of all kinds of sinks.  What is kept of an event
 * that cannot go is what was read: redelivered, it passes all three again, by
 * the options that the sink has then.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SHAPE_H
#define EVAUDIT_SHAPE_H

#include "sinks/sink.h"
#include "sinks/stream.h"

typedef struct EvauditFilter EvauditFilter;
typedef struct EvauditTransform EvauditTransform;
typedef struct EvauditFormat EvauditFormat;

/* What a sink makes of events; lives as long as its process. */
typedef struct EvauditShape
{
	EvauditFilter *filter;		/* NULL: all go */
	EvauditTransform *transform;	/* NULL: as they are */
	EvauditFormat *format;		/* NULL: a function takes them as they are */
} EvauditShape;

/* shape.c */
extern void evaudit_shape_check(Jsonb *options, const EvauditSinkKind *kind);
extern EvauditShape *evaudit_shape_open(const EvauditSink *sink,
										const EvauditSinkKind *kind);
extern void evaudit_shape_apply(EvauditShape *shape, const EvauditStreamRow *rows,
								int n, EvauditSinkBatch *batch);

/* filter.c */
extern EvauditFilter *evaudit_filter_read(Jsonb *options);
extern bool evaudit_filter_accepts(EvauditFilter *filter, Jsonb *payload);

/* transform.c */
extern Oid	evaudit_sink_function_owner(const char *name, Oid function);
extern EvauditTransform *evaudit_transform_read(Jsonb *options,
												const char *sink);
extern Jsonb *evaudit_transform_apply(const EvauditTransform *transform,
									  const EvauditEventValue *event);

/* format.c */
extern EvauditFormat *evaudit_format_read(Jsonb *options,
										  const EvauditSinkKind *kind);
extern const char *evaudit_format_utf8(const char *str);
extern void evaudit_format_apply(EvauditFormat *format, Jsonb *payload,
								 EvauditDelivery *delivery);

#endif							/* EVAUDIT_SHAPE_H */
