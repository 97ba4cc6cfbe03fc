/*-------------------------------------------------------------------------
 *
 * wanted.h
 *	  Which topics a sink wants, remembered by name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_WANTED_H
#define EVAUDIT_WANTED_H

#include "nodes/pg_list.h"

typedef struct EvauditWanted EvauditWanted;

extern EvauditWanted *evaudit_wanted_open(List *topics);
extern bool evaudit_wanted(EvauditWanted *wanted, const char *topic);

#endif							/* EVAUDIT_WANTED_H */
