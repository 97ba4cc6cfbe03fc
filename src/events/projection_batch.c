/*-------------------------------------------------------------------------
 *
 * projection_batch.c
 *	  Events as an array of evaudit.event, the argument of a projection.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "events/event_json.h"
#include "events/projection_batch.h"

/* The columns of evaudit.event. */
#define NCOLUMNS	9

/* The type evaudit.event. */
Oid
evaudit_event_type(void)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
						   CStringGetDatum("event"),
						   ObjectIdGetDatum(get_namespace_oid("evaudit",
															  false)));
}

/* Set a column that is a text, or NULL. */
static void
set_text(Datum *values, bool *nulls, int i, const char *string)
{
	nulls[i] = string == NULL;
	if (string != NULL)
		values[i] = CStringGetTextDatum(string);
}

/* Set a column that is a varlena, or NULL. */
static void
set_pointer(Datum *values, bool *nulls, int i, const void *value)
{
	nulls[i] = value == NULL;
	values[i] = PointerGetDatum(value);
}

/* The key of an event: its transport's, or what its payload has as one. */
static bytea *
event_key(const EvauditEvent *event)
{
	bytea	   *key;

	/* a text has the layout of a bytea */
	if (event->key == NULL)
		return (bytea *) event->payload_key;
	key = palloc(VARHDRSZ + event->key_len);
	SET_VARSIZE(key, VARHDRSZ + event->key_len);
	memcpy(VARDATA(key), event->key, event->key_len);
	return key;
}

/* An event as a value, in the current memory context. */
void
evaudit_event_value(const char *topic, const EvauditEvent *event,
					EvauditEventValue *value)
{
	value->topic = topic;
	value->event_id = event->event_id;
	value->key = event_key(event);
	value->payload = event->document;
	value->headers = evaudit_event_headers(event);
	value->event_time = event->event_time;
	value->subject = event->subject;
	value->source = event->source;
	value->source_position = evaudit_event_position(event);
}

/* One event as a value of evaudit.event. */
static Datum
event_datum(const EvauditEventValue *event, TupleDesc desc)
{
	Datum		values[NCOLUMNS];
	bool		nulls[NCOLUMNS] = {false};

	set_text(values, nulls, 0, event->topic);
	set_pointer(values, nulls, 1, event->event_id);
	set_pointer(values, nulls, 2, event->key);
	set_pointer(values, nulls, 3, event->payload);
	set_pointer(values, nulls, 4, event->headers);
	values[5] = TimestampTzGetDatum(event->event_time);
	set_text(values, nulls, 6, event->subject);
	set_text(values, nulls, 7, event->source);
	set_pointer(values, nulls, 8, event->source_position);
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

/* The row type evaudit.event. */
static TupleDesc
event_desc(Oid type)
{
	TupleDesc	desc = lookup_rowtype_tupdesc_copy(type, -1);

	if (desc->natts != NCOLUMNS)
		elog(ERROR, "type evaudit.event has %d columns", desc->natts);
	return BlessTupleDesc(desc);
}

/* One event as a value of evaudit.event. */
Datum
evaudit_event_datum(const EvauditEventValue *event)
{
	return event_datum(event, event_desc(evaudit_event_type()));
}

/* Events as an array of evaudit.event. */
Datum
evaudit_event_array(const EvauditEventValue *events, int n)
{
	Oid			type = evaudit_event_type();
	TupleDesc	desc = event_desc(type);
	Datum	   *values = palloc(n * sizeof(Datum));

	for (int i = 0; i < n; i++)
		values[i] = event_datum(&events[i], desc);
	return PointerGetDatum(construct_array(values, n, type, -1, false,
										   TYPALIGN_DOUBLE));
}
