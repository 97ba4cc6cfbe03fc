/*-------------------------------------------------------------------------
 *
 * row_id.h
 *	  The id of an audit row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_ROW_ID_H
#define EVAUDIT_ROW_ID_H

#include "utils/uuid.h"

extern void evaudit_row_id(pg_uuid_t *id);

#endif							/* EVAUDIT_ROW_ID_H */
