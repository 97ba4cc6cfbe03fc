/*-------------------------------------------------------------------------
 *
 * event.h
 *	  One event on its way from a source into the database.
 *
 * An event is received once, as bytes with a position, and decoded once.  A
 * batch owns its events: everything an event points to lives in the memory
 * context of the batch, or in the source until the batch is released.
 *
 * A bad event is not an ERROR: it carries a rejection, that is a reason of
 * the closed list below with a text for the operator, and ends in
 * evaudit.dead_letters.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_EVENT_H
#define EVAUDIT_EVENT_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

/*
 * Why an event could not be used: the values of dead_letters.reason.  The
 * names are public, in evaudit_reason_name().  Keep the two in step.
 */
typedef enum EvauditReason
{
	EVAUDIT_ACCEPTED = 0,		/* not a reason: the event is good */
	EVAUDIT_EMPTY_PAYLOAD,		/* no payload, or one of no bytes */
	EVAUDIT_TOO_LARGE,			/* more bytes, or values, than the limit */
	EVAUDIT_TOO_DEEP,			/* nested deeper than the limit */
	EVAUDIT_NUMBER_TOO_LARGE,	/* a number of more digits than the limit */
	EVAUDIT_BAD_ENCODING,		/* not UTF-8, or not to be had as text */
	EVAUDIT_MALFORMED_JSON,		/* not JSON */
	EVAUDIT_NOT_AN_OBJECT,		/* JSON, but no object */
	EVAUDIT_MISSING_FIELD,		/* a field that the topic maps is not there */
	EVAUDIT_WRONG_TYPE,			/* it is there, with another type */
	EVAUDIT_EMPTY_FIELD,		/* an id of no characters */
	EVAUDIT_TOO_LONG,			/* an id longer than the limit */
	EVAUDIT_BAD_TIMESTAMP,		/* not a time of the topic's format */
	EVAUDIT_FUTURE_TIMESTAMP,	/* further ahead than max_future */
	EVAUDIT_SCHEMA_VIOLATION,	/* not what the topic's schema asks for */
	EVAUDIT_CONFLICT,			/* its id was kept with another payload */
	EVAUDIT_BAD_ENVELOPE,		/* not the envelope that its source expects */
	EVAUDIT_BAD_SIGNATURE,		/* the envelope's signature is not good */
	EVAUDIT_BAD_FRAMING,		/* not the framing that its topic expects */
	EVAUDIT_UNKNOWN_SCHEMA,		/* the registry has no such schema to use */
	EVAUDIT_MALFORMED_AVRO,		/* not what its schema says */
	EVAUDIT_MALFORMED_PROTOBUF, /* likewise */
	EVAUDIT_DATABASE_ERROR		/* a constraint or trigger refused it */
} EvauditReason;

/* How many there are, with EVAUDIT_ACCEPTED. */
#define EVAUDIT_NREASONS	(EVAUDIT_DATABASE_ERROR + 1)

/* The columns of user_services that come out of an event's payload. */
typedef enum EvauditField
{
	EVAUDIT_FIELD_USER_ID,
	EVAUDIT_FIELD_SERVICE_ID,
	EVAUDIT_FIELD_SERVICE_NAME,
	EVAUDIT_NFIELDS
} EvauditField;

/* A header of the transport; the value may hold any bytes, or be absent. */
typedef struct EvauditHeader
{
	const char *name;
	const char *value;			/* NULL: a header without a value */
	size_t		value_len;
} EvauditHeader;

typedef struct EvauditEvent
{
	/* as received */
	const char *payload;		/* NULL: none, as in a Kafka tombstone */
	size_t		payload_len;
	Jsonb	   *given_document; /* it came as a document, and the payload, if
								 * there is one, counts by its length alone */
	const char *key;			/* NULL: none */
	size_t		key_len;
	EvauditHeader *headers;
	int			nheaders;
	bool		has_record_time;
	TimestampTz record_time;	/* the transport's time, in the range of RFC
								 * 3339, if it has one */
	const char *given_id;		/* id that its publisher gave; NULL: none */
	const char *subject;		/* who published it; NULL: a source */
	bool		any_format;		/* "format" of the schema is not asserted */
	bool		granted;		/* who may keep it has been decided before */

	bool		redriven;		/* not in the order that it was sent in */

	/* where it came from; both NULL for an event that was published */
	const char *source;			/* name of the source */
	const char *stream;			/* Kafka topic, or queue */
	int32		partition;		/* of a Kafka topic */
	int64		offset;
	const char *message_id;		/* of a queue; NULL: from a Kafka topic */
	int			receive_count;	/* of a queue's message */
	const char *transport_id;	/* the event's id where its payload names
								 * none; NULL: the transport has none, */
	const char *log;			/* unless this tells the Kafka topic's log
								 * from every other: see
								 * evaudit_event_transport_id */
	const char *envelope;		/* what its payload was taken out of; NULL:
								 * the payload is as received */
	const char *topic_arn;		/* of the envelope of SNS */
	bool		verified;		/* the envelope's signature is good */

	/* the JSON in the payload, once its framing and format are taken off */
	const char *json;
	size_t		json_len;

	/*
	 * As decoded, by ingest.  Only topics with a schema, that keep events or
	 * hand them to a function make the document of a payload.
	 */
	Jsonb	   *document;
	struct varlena *stored;		/* likewise, compressed for the tables that it
								 * goes into; NULL: not yet */
	text	   *fields[EVAUDIT_NFIELDS];
	text	   *event_id;		/* NULL: none, where nobody asks for it */
	text	   *payload_key;	/* what the topic's option "key" names */
	TimestampTz event_time;
	bool		deletes;		/* a tombstone: its key is what to delete */
	bool		repeated;		/* was kept before, with the same payload */
	int64		outbox_seq;		/* of its row there; 0: there is none */

	/* the rejection */
	EvauditReason reason;
	const char *error;			/* for the operator; NULL when accepted */
	int			sqlstate;		/* of EVAUDIT_DATABASE_ERROR, else 0 */
	bool		deferred;		/* rejected for now: it stays where it came
								 * from and is no dead letter */
} EvauditEvent;

extern const char *evaudit_event_transport_id(const EvauditEvent *event);
extern const char *evaudit_reason_name(EvauditReason reason);
extern void evaudit_event_reject(EvauditEvent *event, EvauditReason reason,
								 const char *fmt,...) pg_attribute_printf(3, 4);

#endif							/* EVAUDIT_EVENT_H */
