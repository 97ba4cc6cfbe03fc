/*-------------------------------------------------------------------------
 *
 * live_row.h
 *	  Rows of a tracked table as they are now.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_LIVE_ROW_H
#define EVAUDIT_LIVE_ROW_H

#include "lib/stringinfo.h"

#include "audit/past.h"

/* Receives a row of the table. */
typedef void (*EvauditLiveTaker) (Datum row, void *arg);

extern const char *evaudit_live_only(const EvauditPast *past);
extern char *evaudit_live_name(const EvauditPast *past);
extern char *evaudit_live_whole(const EvauditPast *past);
extern void evaudit_live_check_whole(const EvauditPast *past, int column);
extern char *evaudit_live_equals(Oid typid);
extern Jsonb **evaudit_live_values(EvauditPast *past, Datum row);
extern void evaudit_live_scan(EvauditPast *past, EvauditLiveTaker take,
							  void *arg);
extern Datum evaudit_live_find(EvauditPast *past, const char *key);

#endif							/* EVAUDIT_LIVE_ROW_H */
