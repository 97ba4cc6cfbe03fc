/*-------------------------------------------------------------------------
 *
 * wait.h
 *	  Requests whose events are stored and that wait for sinks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_WAIT_H
#define FRONT_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "request.h"

extern bool wait_begin(Request *request);
extern int64_t waits_tick(int64_t now);

#endif							/* FRONT_WAIT_H */
