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

#include "audit/datum_jsonb.h"
#include "audit/jsonb_write.h"
#include "audit/rules.h"

typedef struct EvauditColumn
{
	int			index;			/* into a slot's values: attnum - 1 */
	text	   *name;
	bool		key;
	EvauditColumnRule rule;
	EvauditDatumType type;
} EvauditColumn;

typedef struct EvauditTracked
{
	Oid			relid;			/* the table that a change is made to */
	Oid			root;			/* the table that track() was called for */
	bool		known;			/* tracked_relations has its present name */
	MemoryContext context;		/* of all that is below */
	text	   *name;			/* of the root, schema-qualified */
	bool		operations[EVAUDIT_TRUNCATE + 1];	/* that are audited */
	int			ncolumns;
	EvauditColumn *columns;		/* in the root's order, key columns last;
								 * without those that are excluded */
	int			nkeys;
	int		   *keys;			/* in the key's order: into columns, or -1 for
								 * a column that is excluded */
	EvauditObjectKeys *object;	/* of a whole row */
} EvauditTracked;

extern EvauditTracked *evaudit_tracked_get(Relation rel, Oid trigger);
extern text *evaudit_tracked_name(Relation rel);
extern Oid	evaudit_tracked_root(Relation rel);

#endif							/* EVAUDIT_TRACKED_H */
