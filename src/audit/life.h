/*-------------------------------------------------------------------------
 *
 * life.h
 *	  The changes of one row, from its beginning to its end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_LIFE_H
#define EVAUDIT_LIFE_H

#include "nodes/pg_list.h"

#include "audit/change.h"

typedef struct EvauditLife
{
	EvauditChange **changes;	/* by seq; under earlier keys, too */
	int			n;
	int			allocated;
	int			inherited;		/* how many of them are under earlier keys */
	bool		moved;			/* the last one gave it another key */
} EvauditLife;

extern List *evaudit_lives(EvauditPast *past, const char *key,
						   const JsonbValue *elements, bool is_live);

/* history.c */
extern Jsonb *evaudit_row_at(EvauditPast *past, const char *key,
							 const JsonbValue *elements, TimestampTz at);

#endif							/* EVAUDIT_LIFE_H */
