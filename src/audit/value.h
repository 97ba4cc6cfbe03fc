/*-------------------------------------------------------------------------
 *
 * value.h
 *	  One column's values: are two the same, and what are they as JSON?
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_VALUE_H
#define EVAUDIT_VALUE_H

#include "access/tupdesc.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include "audit/pin.h"

/* How the values of a type become JSON. */
typedef enum EvauditValueKind
{
	EVAUDIT_VALUE_BOOL,
	EVAUDIT_VALUE_INT2,
	EVAUDIT_VALUE_INT4,
	EVAUDIT_VALUE_INT8,
	EVAUDIT_VALUE_FLOAT4,
	EVAUDIT_VALUE_FLOAT8,
	EVAUDIT_VALUE_NUMERIC,
	EVAUDIT_VALUE_TEXT,
	EVAUDIT_VALUE_BYTEA,
	EVAUDIT_VALUE_DATETIME,		/* date, timestamp, timestamptz */
	EVAUDIT_VALUE_JSONB,
	EVAUDIT_VALUE_OUTPUT,		/* a string, from the output function */
	EVAUDIT_VALUE_GENERAL		/* whatever to_jsonb() says */
} EvauditValueKind;

/* What is known of a column's type. */
typedef struct EvauditValueType
{
	EvauditValueKind kind;
	Oid			typid;			/* domains resolved */
	int16		len;
	bool		byval;
	bool		pinned;			/* its text depends on the session */
	FmgrInfo	convert;		/* OUTPUT: that function; GENERAL: to_jsonb */
} EvauditValueType;

extern void evaudit_value_init(EvauditValueType *type,
							   Form_pg_attribute att);
extern bool evaudit_value_equal(EvauditValueType *type, Datum a, Datum b);
extern bool evaudit_value_shows_same(EvauditValueType *type, Datum a, Datum b,
									 EvauditPin *pin);
extern void evaudit_value_to_json(EvauditValueType *type, Datum datum,
								  EvauditPin *pin, JsonbValue *value);
extern text *evaudit_value_to_text(EvauditValueType *type, Datum datum,
								   EvauditPin *pin);
extern void evaudit_value_append_text(StringInfo buf, JsonbValue *value,
									  bool quote);

#endif							/* EVAUDIT_VALUE_H */
