/*-------------------------------------------------------------------------
 *
 * skip.h
 *	  Changes that are not audited by the wish of who makes them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SKIP_H
#define EVAUDIT_SKIP_H

#include "audit/tracked.h"

extern void evaudit_skip_init(void);
extern bool evaudit_skip(const EvauditTracked *tracked);

#endif							/* EVAUDIT_SKIP_H */
