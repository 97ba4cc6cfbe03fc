/*-------------------------------------------------------------------------
 *
 * row_seq.h
 *	  The next number of the audit's sequence.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_ROW_SEQ_H
#define EVAUDIT_ROW_SEQ_H

#include "utils/rel.h"

extern int64 evaudit_row_seq(Relation sequence, int64 *previous);
extern void evaudit_row_seq_raise(Relation sequence, int64 seq);
extern int64 evaudit_row_seq_last(Relation sequence, bool *unused);

#endif							/* EVAUDIT_ROW_SEQ_H */
