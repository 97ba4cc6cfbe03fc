/*-------------------------------------------------------------------------
 *
 * event.c
 *	  The names of the reasons, and the making of a rejection.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "events/event.h"
#include "text/vformat.h"

/* By EvauditReason; public as the values of dead_letters.reason. */
static const char *const reason_names[] = {
	[EVAUDIT_ACCEPTED] = "accepted",
	[EVAUDIT_EMPTY_PAYLOAD] = "empty_payload",
	[EVAUDIT_TOO_LARGE] = "too_large",
	[EVAUDIT_TOO_DEEP] = "too_deep",
	[EVAUDIT_NUMBER_TOO_LARGE] = "number_too_large",
	[EVAUDIT_BAD_ENCODING] = "bad_encoding",
	[EVAUDIT_MALFORMED_JSON] = "malformed_json",
	[EVAUDIT_NOT_AN_OBJECT] = "not_an_object",
	[EVAUDIT_MISSING_FIELD] = "missing_field",
	[EVAUDIT_WRONG_TYPE] = "wrong_type",
	[EVAUDIT_EMPTY_FIELD] = "empty_field",
	[EVAUDIT_TOO_LONG] = "too_long",
	[EVAUDIT_BAD_TIMESTAMP] = "bad_timestamp",
	[EVAUDIT_FUTURE_TIMESTAMP] = "future_timestamp",
	[EVAUDIT_SCHEMA_VIOLATION] = "schema_violation",
	[EVAUDIT_CONFLICT] = "conflict",
	[EVAUDIT_BAD_ENVELOPE] = "bad_envelope",
	[EVAUDIT_BAD_SIGNATURE] = "bad_signature",
	[EVAUDIT_BAD_FRAMING] = "bad_framing",
	[EVAUDIT_UNKNOWN_SCHEMA] = "unknown_schema",
	[EVAUDIT_MALFORMED_AVRO] = "malformed_avro",
	[EVAUDIT_MALFORMED_PROTOBUF] = "malformed_protobuf",
	[EVAUDIT_DATABASE_ERROR] = "database_error",
};

StaticAssertDecl(lengthof(reason_names) == EVAUDIT_NREASONS,
				 "a reason without a name");

/* The public name of a reason. */
const char *
evaudit_reason_name(EvauditReason reason)
{
	return reason_names[reason];
}

/*
 * The id that an event has by its transport, or NULL: what its message had, or
 * the place of its record, which no other record of any cluster has.
 */
const char *
evaudit_event_transport_id(const EvauditEvent *event)
{
	if (event->transport_id != NULL || event->log == NULL)
		return event->transport_id;
	return psprintf("%s:%d:" INT64_FORMAT, event->log, event->partition,
					event->offset);
}

/*
 * Reject an event with a text for the operator, allocated in the current
 * memory context.
 */
void
evaudit_event_reject(EvauditEvent *event, EvauditReason reason,
					 const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	event->error = evaudit_vformat(fmt, args);
	va_end(args);
	event->reason = reason;
}
