/*-------------------------------------------------------------------------
 *
 * undo.h
 *	  Bringing rows back to what they were.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_UNDO_H
#define EVAUDIT_UNDO_H

#include "audit/bulk.h"
#include "audit/net.h"
#include "audit/row_state.h"

/* Most rows that undo() changes, and those of a batch of undo_all(). */
#define EVAUDIT_UNDO_ROWS	10000

typedef enum EvauditUndoAction
{
	EVAUDIT_UNDO_NONE,			/* it is as it was */
	EVAUDIT_UNDO_INSERT,
	EVAUDIT_UNDO_UPDATE,
	EVAUDIT_UNDO_DELETE
} EvauditUndoAction;

extern const char *const evaudit_undo_actions[EVAUDIT_UNDO_DELETE + 1];

/* What is to be done to one row. */
typedef struct EvauditUndoRow
{
	EvauditNet *net;
	EvauditUndoAction action;
	const char *key;			/* the live row's, or that of the one to be */
	Datum		live;			/* the live row; 0: there is none */
	int			nvalues;		/* columns to be set */
	AttrNumber *attnums;
	Datum	   *values;
	bool	   *nulls;
	Jsonb	   *changes;		/* what this changes, as JSON */
	char	   *conflict;		/* why it cannot be done as a whole, or NULL */
	bool		impossible;		/* not even in part */
} EvauditUndoRow;

/* What is done in one go. */
typedef struct EvauditUndo
{
	bool		dry_run;
	bool		force;			/* do what can be done, whatever came after */
	bool		ignore_dropped; /* columns that are gone are no conflict */
	EvauditUndoRow **rows;
	int			n;
} EvauditUndo;

/* A live table, open. */
typedef struct EvauditUndoTable
{
	EvauditPast *past;
	Relation	rel;
	EvauditParser *parser;
} EvauditUndoTable;

/* What is to be undone. */
typedef struct EvauditUndoSelection
{
	List	   *pasts;			/* the tables */
	EvauditNets *nets;
} EvauditUndoSelection;

extern void evaudit_undo_select(FunctionCallInfo fcinfo,
								EvauditUndoSelection *selection);
extern char *evaudit_undo_mode(FunctionCallInfo fcinfo, EvauditUndo *undo);
extern void evaudit_undo_check(const EvauditUndo *undo);

/* undo_plan.c */
extern bool evaudit_undo_is_wanted(const EvauditUndo *undo,
								   const EvauditUndoRow *row);
extern EvauditUndoAction evaudit_undo_action(const EvauditNet *net);
extern void evaudit_undo_open(EvauditUndoTable *table, EvauditPast *past);
extern void evaudit_undo_plan(EvauditUndo *undo, EvauditNet **nets, int n);
extern void evaudit_undo_apply(EvauditUndo *undo);

/* undo_rows.c */
extern void evaudit_undo_find_live(EvauditUndoTable *table,
								   EvauditUndoRow **rows, int n, bool lock);
extern void evaudit_undo_key_columns(EvauditUndoTable *table,
									 EvauditBulk *bulk, int column);
extern void evaudit_undo_write(EvauditUndoTable *table, EvauditUndoRow **rows,
							   int n, EvauditUndoAction action);
extern void evaudit_undo_conflict(EvauditUndoRow *row, const char *format,...)
			pg_attribute_printf(2, 3);

#endif							/* EVAUDIT_UNDO_H */
