/*-------------------------------------------------------------------------
 *
 * audit_shape.h
 *	  What the table audit must look like for rows to be written and read.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_AUDIT_SHAPE_H
#define EVAUDIT_AUDIT_SHAPE_H

#include "access/tupdesc.h"
#include "utils/rel.h"

/* The trigger of audit that raises its sequence (replicated.c). */
#define EVAUDIT_RAISE_TRIGGER	"00_evaudit_raise"

extern void evaudit_audit_check_columns(TupleDesc desc);
extern bool evaudit_audit_is_partitioned(Relation rel);
extern void evaudit_audit_check_table(Relation rel);
extern bool evaudit_audit_needs_executor(Relation rel);
extern bool evaudit_segment_needs_executor(Relation rel);

#endif							/* EVAUDIT_AUDIT_SHAPE_H */
