/*-------------------------------------------------------------------------
 *
 * metrics.h
 *	  What is counted, for /metrics of the admin listener.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_METRICS_H
#define FRONT_METRICS_H

#include <stdint.h>

#include "buffer.h"

extern void metrics_request(int status, int64_t ms);
extern void metrics_batch(bool read_only, int requests);
extern void metrics_write(Buffer *text);

#endif							/* FRONT_METRICS_H */
