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

extern const char *evaudit_live_only(const EvauditPast *past);
extern char *evaudit_live_name(const EvauditPast *past);
extern char *evaudit_live_equals(Oid typid);
extern Jsonb **evaudit_live_values(EvauditPast *past, Datum row);
extern Datum evaudit_live_find(EvauditPast *past, const char *key);

#endif							/* EVAUDIT_LIVE_ROW_H */
