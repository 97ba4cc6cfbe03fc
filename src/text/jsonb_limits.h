/*-------------------------------------------------------------------------
 *
 * jsonb_limits.h
 *	  The bounds of json_text.h for what is jsonb already.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_JSONB_LIMITS_H
#define EVAUDIT_JSONB_LIMITS_H

#include "text/json_text.h"

/* What a jsonb takes as a text. */
typedef struct EvauditJsonbSize
{
	size_t		shortest;		/* numbers with an exponent where that is
								 * shorter: about what was received */
	size_t		rendered;		/* as the server writes it, numbers without */
} EvauditJsonbSize;

/*
 * Measure a jsonb, and check its depth, its number of values and the digits of
 * each.  Nothing is rendered; of one that breaks a bound the size is none.
 */
extern EvauditJsonStatus evaudit_jsonb_measure(Jsonb *jsonb, int max_depth,
											   EvauditJsonbSize *size);

#endif							/* EVAUDIT_JSONB_LIMITS_H */
