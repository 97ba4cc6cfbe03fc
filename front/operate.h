/*-------------------------------------------------------------------------
 *
 * operate.h
 *	  Requests of the admin listener that change something.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_OPERATE_H
#define FRONT_OPERATE_H

#include <stdbool.h>
#include <stdint.h>

#include "request.h"

extern bool operate_wanted(const Request *request);
extern void operate_submit(Request *request);
extern int64_t operate_tick(int64_t now);

#endif							/* FRONT_OPERATE_H */
