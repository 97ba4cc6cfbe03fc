/*-------------------------------------------------------------------------
 *
 * datum_parse.h
 *	  Values of a table's columns from the JSON that audit has of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_DATUM_PARSE_H
#define EVAUDIT_DATUM_PARSE_H

#include "fmgr.h"
#include "utils/jsonb.h"
#include "utils/rel.h"

#include "audit/pin.h"

/* How the columns of one table are read. */
typedef struct EvauditParser
{
	TupleDesc	desc;			/* of the table */
	Oid			rowtype;
	FmgrInfo	populate;		/* jsonb_populate_record(), for containers */
	Datum		empty;			/* a row of nulls */
	EvauditPin	pin;			/* settings while values are read */
} EvauditParser;

extern EvauditParser *evaudit_parser_make(Relation rel);
extern void evaudit_parse_value(EvauditParser *parser, AttrNumber attnum,
								Jsonb *jsonb, Datum *value, bool *isnull);
extern bool evaudit_parse_value_safe(EvauditParser *parser, AttrNumber attnum,
									 Jsonb *jsonb, Datum *value, bool *isnull,
									 char **error);
extern Datum evaudit_parse_text(EvauditParser *parser, AttrNumber attnum,
								const char *string);
extern void evaudit_parser_end(EvauditParser *parser);

#endif							/* EVAUDIT_DATUM_PARSE_H */
