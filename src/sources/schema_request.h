/*-------------------------------------------------------------------------
 *
 * schema_request.h
 *	  Schemas that redrive() misses.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SCHEMA_REQUEST_H
#define EVAUDIT_SCHEMA_REQUEST_H

#include "events/event.h"
#include "runtime/job.h"

extern const EvauditJobKind evaudit_schema_request_job;

extern void evaudit_request_schemas(const EvauditEvent *events, int n);

#endif							/* EVAUDIT_SCHEMA_REQUEST_H */
