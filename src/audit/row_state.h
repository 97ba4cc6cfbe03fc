/*-------------------------------------------------------------------------
 *
 * row_state.h
 *	  What is known of a row at some time: values by column of the past.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_ROW_STATE_H
#define EVAUDIT_ROW_STATE_H

#include "audit/past.h"

typedef struct EvauditRowState
{
	EvauditPast *past;
	Jsonb	  **values;			/* by column; NULL: not known */
	int			n;
	struct EvauditRowShape *shape;	/* of the row that was made last */
} EvauditRowState;

extern void evaudit_state_set(EvauditRowState *state, int column,
							  Jsonb *value);
extern Jsonb *evaudit_state_get(const EvauditRowState *state, int column);
extern void evaudit_state_set_image(EvauditRowState *state, Jsonb *image,
									int64 seq);
extern void evaudit_state_set_live(EvauditRowState *state, Datum row);
extern Jsonb *evaudit_state_row(EvauditRowState *state, int64 seq);

#endif							/* EVAUDIT_ROW_STATE_H */
