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

#endif							/* EVAUDIT_MARKER_H */
