/*-------------------------------------------------------------------------
 *
 * tracked.h
 *	  What capture knows about a tracked table, kept for the backend.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_TRACKED_H
#define EVAUDIT_TRACKED_H

#include "utils/rel.h"

#include "audit/jsonb_write.h"
#include "audit/value.h"

/*
 * Names of the triggers.  Triggers fire in the order of their names: with
 * these, a change is captured before what other triggers and foreign keys
 * do on account of it, so that audit has them in the order of cause.
 */
#define EVAUDIT_CAPTURE_TRIGGER		"00_evaudit_capture"
#define EVAUDIT_TRUNCATE_TRIGGER	"00_evaudit_truncate"

typedef struct EvauditColumn
{
	int			index;			/* into a slot's values: attnum - 1 */
	text	   *name;
	bool		key;
	EvauditValueType type;
} EvauditColumn;

typedef struct EvauditTracked
{
	Oid			relid;			/* the table that a change is made to */
	Oid			root;			/* the table that track() was called for */
	MemoryContext context;		/* of all that is below */
	text	   *name;			/* of the root, schema-qualified */
	int			ncolumns;
	EvauditColumn *columns;		/* in the root's order, key columns last */
	int			nkeys;
	int		   *keys;			/* in the key's order: into columns */
	EvauditObjectKeys *object;	/* of a whole row */
} EvauditTracked;

extern EvauditTracked *evaudit_tracked_get(Relation rel, Oid trigger);
extern Oid	evaudit_tracked_trigger(Relation rel, Oid *parent);

#endif							/* EVAUDIT_TRACKED_H */
