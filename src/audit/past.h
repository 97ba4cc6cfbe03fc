/*-------------------------------------------------------------------------
 *
 * past.h
 *	  A table as its audit knows it: names, columns and key through time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_PAST_H
#define EVAUDIT_PAST_H

#include "utils/jsonb.h"

#include "audit/datum_parse.h"
#include "audit/tracked.h"

/* A name, and the numbers of the audit rows that have it. */
typedef struct EvauditPastName
{
	char	   *name;
	int			column;			/* of a column: which one; of a table: 1 if it
								 * is the live one */
	int64		first;
	int64		last;
} EvauditPastName;

typedef struct EvauditPastColumn
{
	int			number;			/* in tracked_columns; 0: not there */
	char	   *label;			/* its present name, or its last one */
	AttrNumber	attnum;			/* in the live table; 0: not there */
} EvauditPastColumn;

typedef struct EvauditPast
{
	MemoryContext context;		/* of all that is here but "tracked" */
	Oid			relid;			/* the live table; InvalidOid: there is none */
	char	   *name;			/* present or last name, qualified */
	EvauditTracked *tracked;	/* of the live table */
	int			nnames;
	EvauditPastName *names;		/* of the table, as audit.relation has them */
	int64		own_first;		/* first number under this very oid; 0: none */
	int			ncolumns;
	EvauditPastColumn *columns;
	int			nranges;
	EvauditPastName *ranges;	/* names of the columns */
	int			nkeys;
	int		   *keys;			/* the live table's key: into columns */
	int			rank;			/* for callers */
} EvauditPast;

extern EvauditPast *evaudit_past_open(const char *relation);
extern EvauditPast *evaudit_past_at(const char *relation, int64 seq);
extern EvauditPast *evaudit_past_of_table(Oid relid);
extern bool evaudit_past_has_name(const EvauditPast *past,
								  const char *relation, int64 seq);
extern void evaudit_past_refresh(EvauditPast *past);
extern bool evaudit_past_restrict(EvauditPast *past);
extern int	evaudit_past_column(EvauditPast *past, const char *name,
								int64 seq);
extern bool evaudit_past_column_existed(const EvauditPast *past, int column,
										int64 seq);
extern Datum evaudit_past_name_array(const EvauditPast *past);

/* past_key.c */
extern int	evaudit_past_key_place(const EvauditPast *past, int column);
extern char *evaudit_past_key(EvauditPast *past, Jsonb *key,
							  JsonbValue *elements);
extern bool evaudit_past_key_elements(const EvauditPast *past,
									  const char *key, JsonbValue *elements);
extern char *evaudit_past_key_after(const EvauditPast *past, const char *key,
									Jsonb *const *changed);
extern void evaudit_past_key_datums(EvauditPast *past, EvauditParser *parser,
									const char *key,
									Datum *values, bool *nulls);

#endif							/* EVAUDIT_PAST_H */
