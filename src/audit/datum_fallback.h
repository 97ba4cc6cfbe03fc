/*-------------------------------------------------------------------------
 *
 * datum_fallback.h
 *	  Values that jsonb cannot hold, or that do not become JSON.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_DATUM_FALLBACK_H
#define EVAUDIT_DATUM_FALLBACK_H

#include "audit/datum_jsonb.h"

extern bool evaudit_fallback_needed(Oid typid);
extern void evaudit_fallback_unavailable(EvauditDatumType *type, Datum datum,
										 EvauditPin *pin, JsonbValue *value);

#endif							/* EVAUDIT_DATUM_FALLBACK_H */
