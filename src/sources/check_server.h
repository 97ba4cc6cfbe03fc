/*-------------------------------------------------------------------------
 *
 * check_server.h
 *	  check_server(): whether a server can be used.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_CHECK_SERVER_H
#define EVAUDIT_CHECK_SERVER_H

#include "runtime/job.h"

extern const EvauditJobKind evaudit_check_job;

#endif							/* EVAUDIT_CHECK_SERVER_H */
