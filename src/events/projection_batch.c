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

/* Set a column that is a document, or NULL. */
static void
set_jsonb(Datum *values, bool *nulls, int i, Jsonb *document)
{
	nulls[i] = document == NULL;
	values[i] = PointerGetDatum(document);
}

/* The key of an event: its transport's, or what its payload has as one. */
static void
set_key(Datum *values, bool *nulls, int i, const EvauditEvent *event)
{
	bytea	   *key;

	nulls[i] = event->key == NULL && event->payload_key == NULL;
	if (event->key != NULL)
	{
		key = palloc(VARHDRSZ + event->key_len);
		SET_VARSIZE(key, VARHDRSZ + event->key_len);
		memcpy(VARDATA(key), event->key, event->key_len);
		values[i] = PointerGetDatum(key);
	}
	else if (event->payload_key != NULL)
		values[i] = PointerGetDatum(event->payload_key);
}

/* One event as a value of evaudit.event. */
static Datum
event_datum(const EvauditTopic *topic, const EvauditEvent *event,
			TupleDesc desc)
{
	Datum		values[NCOLUMNS];
	bool		nulls[NCOLUMNS] = {false};

	set_text(values, nulls, 0, topic->name);
	values[1] = PointerGetDatum(event->event_id);
	set_key(values, nulls, 2, event);
	set_jsonb(values, nulls, 3, event->document);
	set_jsonb(values, nulls, 4, evaudit_event_headers(event));
	values[5] = TimestampTzGetDatum(event->event_time);
	set_text(values, nulls, 6, event->subject);
	set_text(values, nulls, 7, event->source);
	set_jsonb(values, nulls, 8, evaudit_event_position(event));
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

/* Events as an array of evaudit.event. */
Datum
evaudit_event_array(const EvauditTopic *topic, EvauditEvent **events, int n)
{
	Oid			type = evaudit_event_type();
	TupleDesc	desc = lookup_rowtype_tupdesc_copy(type, -1);
	Datum	   *values = palloc(n * sizeof(Datum));

	if (desc->natts != NCOLUMNS)
		elog(ERROR, "type evaudit.event has %d columns", desc->natts);
	BlessTupleDesc(desc);
	for (int i = 0; i < n; i++)
		values[i] = event_datum(topic, events[i], desc);
	return PointerGetDatum(construct_array(values, n, type, -1, false,
										   TYPALIGN_DOUBLE));
}
