/*-------------------------------------------------------------------------
 *
 * metrics.h
 *	  What is counted, for the admin listener.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_METRICS_H
#define FRONT_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"

extern void metrics_init(void);
extern void metrics_begin(int process);
extern void metrics_request(int status, int64_t us);
extern void metrics_batch(bool read_only, int requests);
extern void metrics_lane(bool read_only, int queued, bool up);
extern void metrics_clients(int count);
extern void metrics_refused(void);
extern void metrics_memory(uint64_t bytes);
extern void metrics_waits(int count);
extern bool metrics_ready(void);
extern void metrics_write(Buffer *text);

#endif							/* FRONT_METRICS_H */
