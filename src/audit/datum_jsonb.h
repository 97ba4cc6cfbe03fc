/*-------------------------------------------------------------------------
 *
 * datum_jsonb.h
 *	  One column's values: are two the same, and what are they as JSON?
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_DATUM_JSONB_H
#define EVAUDIT_DATUM_JSONB_H

#include "access/tupdesc.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include "audit/pin.h"

/* How the values of a type become JSON. */
typedef enum EvauditDatumKind
{
	EVAUDIT_DATUM_BOOL,
	EVAUDIT_DATUM_INT2,
	EVAUDIT_DATUM_INT4,
	EVAUDIT_DATUM_INT8,
	EVAUDIT_DATUM_FLOAT4,
	EVAUDIT_DATUM_FLOAT8,
	EVAUDIT_DATUM_NUMERIC,
	EVAUDIT_DATUM_TEXT,
	EVAUDIT_DATUM_BYTEA,
	EVAUDIT_DATUM_DATETIME,		/* date, timestamp, timestamptz */
	EVAUDIT_DATUM_JSONB,
	EVAUDIT_DATUM_OUTPUT,		/* a string, from the output function */
	EVAUDIT_DATUM_GENERAL		/* whatever to_jsonb() says */
} EvauditDatumKind;

/* What is known of a column's type. */
typedef struct EvauditDatumType
{
	EvauditDatumKind kind;
	Oid			typid;			/* domains resolved */
	int16		len;
	bool		byval;
	bool		pinned;			/* its text depends on the session */
	bool		fails;			/* its conversion may, whatever the value is */
	FmgrInfo	convert;		/* OUTPUT: that function; GENERAL: to_jsonb */
} EvauditDatumType;

extern void evaudit_datum_init(EvauditDatumType *type,
							   Form_pg_attribute att);
extern bool evaudit_datum_equal(EvauditDatumType *type, Datum a, Datum b);
extern bool evaudit_datum_shows_same(EvauditDatumType *type, Datum a, Datum b,
									 EvauditPin *pin);
extern void evaudit_datum_to_json(EvauditDatumType *type, Datum datum,
								  EvauditPin *pin, JsonbValue *value);
extern void evaudit_datum_convert(EvauditDatumType *type, Datum datum,
								  JsonbValue *value);
extern text *evaudit_datum_to_text(EvauditDatumType *type, Datum datum,
								   EvauditPin *pin);
extern void evaudit_datum_append_text(StringInfo buf, JsonbValue *value,
									  bool quote);

#endif							/* EVAUDIT_DATUM_JSONB_H */
