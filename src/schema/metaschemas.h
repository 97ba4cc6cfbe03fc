/*-------------------------------------------------------------------------
 *
 * metaschemas.h
 *	  The meta-schemas of the drafts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_METASCHEMAS_H
#define EVAUDIT_METASCHEMAS_H

#include "utils/jsonb.h"

extern Jsonb *evaudit_metaschema(const char *uri);

#endif							/* EVAUDIT_METASCHEMAS_H */
