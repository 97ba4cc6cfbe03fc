/*-------------------------------------------------------------------------
 *
 * access_log.h
 *	  A line of the log for each request.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_ACCESS_LOG_H
#define FRONT_ACCESS_LOG_H

#include "address.h"
#include "request.h"

extern void access_log(const Request *request, const Address *peer);

#endif							/* FRONT_ACCESS_LOG_H */
