/*-------------------------------------------------------------------------
 *
 * tombstone.c
 *	  Records without a payload, which say that something is no more.
 *
 * A tombstone deletes by the record's key what was made of the records before
 * it in its partition; where the producer gives records of one key to one
 * partition, as all do by default, these are all of that key.  No time is
 * compared, as none is in the log: what comes after it begins anew, however old
 * its events are.  Reading a part of the log again does the same in the same
 * order, and so ends with the same rows.  A dead letter has lost its place in
 * that order, and deletes nothing.
 *
 *		user_services	the key is the user_id: all of the user's rows; or a
 *						JSON object with user_id and service_id: one row
 *		kept events		the key is the event's id
 *
 * The statements are run as the current user, by plain SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "events/tombstone.h"
#include "server/spi.h"
#include "text/json.h"
#include "text/json_text.h"

/* Reject a tombstone for its key. */
static void
reject_key(EvauditEvent *event, const char *error)
{
	evaudit_event_reject(event, EVAUDIT_EMPTY_PAYLOAD,
						 "no payload, and nothing can be deleted: %s", error);
}

/* The key of a tombstone as a string in UTF-8; NULL if it is rejected. */
static char *
read_key(EvauditEvent *event)
{
	if (event->key == NULL || event->key_len == 0)
		reject_key(event, "the record has no key");
	else if (event->key_len > EVAUDIT_MAX_ID_BYTES)
		reject_key(event, psprintf("its key has %zu bytes, the limit is %d",
								   event->key_len, EVAUDIT_MAX_ID_BYTES));
	else if (!pg_verify_mbstr(PG_UTF8, event->key, (int) event->key_len, true))
		reject_key(event, "its key is not text");
	else
		return pnstrdup(event->key, event->key_len);
	return NULL;
}

/* A string in UTF-8 as a text of the server; NULL, a rejection, if it is none. */
static text *
read_text(EvauditEvent *event, const char *string)
{
	int			len = (int) strlen(string);
	const char *str = string;

	if (GetDatabaseEncoding() != PG_UTF8 &&
		GetDatabaseEncoding() != PG_SQL_ASCII)
		str = evaudit_utf8_to_server(string, strlen(string), &len);
	if (str != NULL)
		return cstring_to_text_with_len(str, len);
	reject_key(event, "the encoding of the database cannot hold its key");
	return NULL;
}

/* Take the two ids out of a key that is a JSON object. */
static void
read_pair(EvauditEvent *event, const char *key)
{
	EvauditJson *json = evaudit_json_parse(pstrdup(key), strlen(key));
	const char *user = NULL;
	const char *service = NULL;

	if (json != NULL && evaudit_json_is_object(json))
	{
		user = evaudit_json_string(json, "user_id");
		service = evaudit_json_string(json, "service_id");
	}
	if (user == NULL || service == NULL)
	{
		reject_key(event, "its key is not an object with user_id and service_id");
		return;
	}
	event->fields[EVAUDIT_FIELD_USER_ID] = read_text(event, user);
	event->fields[EVAUDIT_FIELD_SERVICE_ID] = read_text(event, service);
}

/*
 * Decode an event without a payload by its topic.  True if it is one that
 * deletes, or is rejected; false if it has no effect.
 */
bool
evaudit_tombstone_decode(const EvauditTopic *topic, EvauditEvent *event)
{
	char	   *key;

	if (topic->on_tombstone == EVAUDIT_TOMBSTONE_IGNORE)
		return false;
	if (event->redriven)
	{
		reject_key(event, "a dead letter is not in the order of its partition");
		return true;
	}
	key = read_key(event);
	if (key == NULL)
		return true;
	memset(event->fields, 0, sizeof(event->fields));
	event->event_id = read_text(event, key);
	if (topic->projection == EVAUDIT_PROJECT_USER_SERVICES)
	{
		if (key[0] == '{')
			read_pair(event, key);
		else
			event->fields[EVAUDIT_FIELD_USER_ID] = event->event_id;
	}
	event->deletes = event->reason == EVAUDIT_ACCEPTED;
	return true;
}

/* A text of all events as an array, NULL where it has none. */
static Datum
text_array(EvauditEvent **events, int n, int field)
{
	Datum	   *values = palloc(n * sizeof(Datum));
	bool	   *nulls = palloc(n * sizeof(bool));

	for (int i = 0; i < n; i++)
	{
		text	   *value = field < 0 ? events[i]->event_id :
			events[i]->fields[field];

		values[i] = PointerGetDatum(value);
		nulls[i] = value == NULL;
	}
	return evaudit_spi_array(values, nulls, n, TEXTOID);
}

/* Delete kept events by their ids. */
static uint64
delete_kept(const EvauditTopic *topic, EvauditEvent **events, int n)
{
	static EvauditStatement delete = {
		"DELETE FROM evaudit.events"
		" WHERE topic = $1 AND event_id = ANY ($2)",
		2, {TEXTOID, TEXTARRAYOID}
	};
	Datum		values[2] = {CStringGetTextDatum(topic->name),
	text_array(events, n, -1)};

	return evaudit_spi_execute(&delete, values, NULL);
}

/* Delete rows of user_services. */
static uint64
delete_services(EvauditEvent **events, int n)
{
	static EvauditStatement delete = {
		"DELETE FROM $S.user_services s"
		" USING (SELECT pg_catalog.unnest($1) AS user_id,"
		" pg_catalog.unnest($2) AS service_id) AS d"
		" WHERE s.user_id OPERATOR(pg_catalog.=) d.user_id"
		"  COLLATE pg_catalog.\"C\""
		" AND (d.service_id IS NULL OR s.service_id OPERATOR(pg_catalog.=)"
		"  d.service_id COLLATE pg_catalog.\"C\")",
		2, {TEXTARRAYOID, TEXTARRAYOID}
	};
	Datum		values[2] = {text_array(events, n, EVAUDIT_FIELD_USER_ID),
	text_array(events, n, EVAUDIT_FIELD_SERVICE_ID)};

	return evaudit_spi_execute(&delete, values, NULL);
}

/*
 * Delete what tombstones are about, within a transaction; returns how many
 * rows that were.
 */
uint64
evaudit_tombstones_apply(const EvauditTopic *topic, EvauditEvent **events,
						 int n)
{
	uint64		deleted = 0;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (topic->keep)
		deleted = delete_kept(topic, events, n);
	if (topic->projection == EVAUDIT_PROJECT_USER_SERVICES)
		deleted += delete_services(events, n);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "could not disconnect from SPI");
	return deleted;
}
