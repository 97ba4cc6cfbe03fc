/*-------------------------------------------------------------------------
 *
 * dead_letter.c
 *	  Events that could not be used: evaudit.dead_letter_store.
 *
 * A dead letter has all that was received, byte for byte, and is written in
 * the transaction of the batch that the event was in.
 *
 * A queue may deliver a message again whose dead letter is there, and a source
 * may be moved back to a record: the first one stays, by unique indexes over
 * source and message, and source and place.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "events/dead_letter.h"
#include "events/event_json.h"
#include "server/spi.h"
#include "server/trigger.h"

PG_FUNCTION_INFO_V1(evaudit_forget_owner);

/* Bytes as a bytea, or as NULL. */
static Datum
bytes_datum(const char *bytes, size_t len, char *isnull)
{
	bytea	   *result;

	*isnull = bytes == NULL ? 'n' : ' ';
	if (bytes == NULL)
		return (Datum) 0;
	result = palloc(VARHDRSZ + len);
	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), bytes, len);
	return PointerGetDatum(result);
}

/* A document, or NULL. */
static Datum
jsonb_datum(Jsonb *document, char *isnull)
{
	*isnull = document == NULL ? 'n' : ' ';
	return PointerGetDatum(document);
}

/* A string as a text, or NULL. */
static Datum
string_datum(const char *string, char *isnull)
{
	*isnull = string == NULL ? 'n' : ' ';
	return string == NULL ? (Datum) 0 : CStringGetTextDatum(string);
}

/* Write one dead letter; returns how many that was: 0 for a repeat. */
static uint64
add_dead_letter(const char *owner, Oid owner_oid, const char *source,
				const char *topic, const EvauditEvent *event)
{
	static EvauditStatement add =
	{
		"INSERT INTO evaudit.dead_letter_store (owner, source, topic,"
			" source_position, key, headers, payload, record_time, reason,"
			" error, sqlstate, transport_id, owner_oid, envelope, topic_arn,"
			" verified)"
			" VALUES ($1::name, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,"
			" $14, $15, $16)"
			" ON CONFLICT DO NOTHING",
			16,
		{
			TEXTOID, TEXTOID, TEXTOID, JSONBOID, BYTEAOID, JSONBOID, BYTEAOID,
				TIMESTAMPTZOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, OIDOID,
				TEXTOID, TEXTOID, BOOLOID
		}
	};
	const char *transport_id = evaudit_event_transport_id(event);
	Datum		values[16];
	char		nulls[16];

	memset(nulls, ' ', sizeof(nulls));
	values[0] = CStringGetTextDatum(owner);
	values[1] = CStringGetTextDatum(source);
	values[2] = CStringGetTextDatum(topic);
	values[3] = jsonb_datum(evaudit_event_position(event), &nulls[3]);
	values[4] = bytes_datum(event->key, event->key_len, &nulls[4]);
	values[5] = jsonb_datum(evaudit_event_headers(event), &nulls[5]);
	values[6] = bytes_datum(event->payload, event->payload_len, &nulls[6]);
	values[7] = TimestampTzGetDatum(event->record_time);
	nulls[7] = event->has_record_time ? ' ' : 'n';
	values[8] = CStringGetTextDatum(evaudit_reason_name(event->reason));
	values[9] = CStringGetTextDatum(event->error);
	values[10] = string_datum(event->sqlstate == 0 ? NULL :
							  unpack_sql_state(event->sqlstate), &nulls[10]);
	values[11] = string_datum(transport_id, &nulls[11]);
	values[12] = ObjectIdGetDatum(owner_oid);
	values[13] = string_datum(event->envelope, &nulls[13]);
	values[14] = string_datum(event->topic_arn, &nulls[14]);
	values[15] = BoolGetDatum(event->verified);
	return evaudit_spi_execute(&add, values, nulls);
}

/*
 * Write a dead letter for each event that carries a rejection and is not
 * left, within the transaction of its batch; counts those that are new, by
 * reason.
 */
void
evaudit_dead_letters_add(const char *owner, Oid owner_oid, const char *source,
						 const char *topic, const EvauditEvent *events, int n,
						 uint64 *added)
{
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	for (int i = 0; i < n; i++)
	{
		if (events[i].reason != EVAUDIT_ACCEPTED && !events[i].deferred)
			added[events[i].reason] +=
				add_dead_letter(owner, owner_oid, source, topic, &events[i]);
	}
	evaudit_spi_end(&spi);
}

/*
 * Trigger before INSERT on evaudit.dead_letter_store: the oid that a dump has of an
 * owner may be another role's here.  Our own inserts are made in the name of
 * the extension's owner; nothing that a restore does is.
 */
Datum
evaudit_forget_owner(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = evaudit_own_trigger(fcinfo, "dead_letter_store",
											   "forget_owner",
											   EVAUDIT_BEFORE_INSERT);
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);
	int			column = SPI_fnumber(desc, "owner_oid");
	Datum		value = (Datum) 0;
	bool		isnull = true;

	if (column <= 0)
		elog(ERROR, "table has no column \"owner_oid\"");
	if (InLocalUserIdChange())
		return PointerGetDatum(trigger->tg_trigtuple);
	return PointerGetDatum(heap_modify_tuple_by_cols(trigger->tg_trigtuple,
													 desc, 1, &column,
													 &value, &isnull));
}
