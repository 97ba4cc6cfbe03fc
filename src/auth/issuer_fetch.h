/*-------------------------------------------------------------------------
 *
 * issuer_fetch.h
 *	  Keys that come from a URL: when they are fetched, and the result.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_ISSUER_FETCH_H
#define EVAUDIT_ISSUER_FETCH_H

#include "datatype/timestamp.h"
#include "auth/issuer.h"
#include "runtime/job.h"

/* All of these within a transaction. */
extern bool evaudit_fetches_next(TimestampTz *due, TimestampTz *if_wanted);
extern List *evaudit_fetches_due(bool wanted);
extern void evaudit_fetch_take(const EvauditIssuer *issuer, const char *body,
							   size_t len);
extern void evaudit_fetch_failed(const EvauditIssuer *issuer,
								 const char *error);

/* key_fetch_job.c */
extern const EvauditJobKind evaudit_key_fetch_job;

extern void evaudit_auth_init(void);

#endif							/* EVAUDIT_ISSUER_FETCH_H */
