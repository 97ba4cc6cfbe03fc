/*-------------------------------------------------------------------------
 *
 * marker.h
 *	  What audit has in place of a value that it does not keep.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_MARKER_H
#define EVAUDIT_MARKER_H

#include "utils/jsonb.h"

extern bool evaudit_is_marker(Jsonb *value);
extern Jsonb *evaudit_marker_of_paths(void);

#endif							/* EVAUDIT_MARKER_H */
