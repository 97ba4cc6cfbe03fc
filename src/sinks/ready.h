/*-------------------------------------------------------------------------
 *
 * ready.h
 *	  Which deliveries of a batch may be sent now.
 *
 *		ready = evaudit_ready_make(sink, batch);
 *		while ((delivery = evaudit_ready_first(ready)) != NULL)
 *			evaudit_ready_take(ready), send it ...
 *		evaudit_ready_done(ready, delivery);	once its outcome is set
 *		evaudit_ready_again(ready, delivery);	it is to be sent once more
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_READY_H
#define EVAUDIT_READY_H

#include "sinks/sink.h"

typedef struct EvauditReady EvauditReady;

extern EvauditReady *evaudit_ready_make(const EvauditSink *sink,
										EvauditSinkBatch *batch);
extern EvauditDelivery *evaudit_ready_first(EvauditReady *ready);
extern void evaudit_ready_take(EvauditReady *ready);
extern void evaudit_ready_done(EvauditReady *ready,
							   const EvauditDelivery *delivery);
extern void evaudit_ready_failed(EvauditReady *ready,
								 EvauditDelivery *delivery);
extern void evaudit_ready_end(EvauditReady *ready);
extern void evaudit_ready_again(EvauditReady *ready,
								const EvauditDelivery *delivery);

#endif							/* EVAUDIT_READY_H */
