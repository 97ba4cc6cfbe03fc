/*-------------------------------------------------------------------------
 *
 * envelope.c
 *	  Taking events out of the envelopes of SNS and EventBridge.
 *
 * What an envelope says beside the event becomes its headers, its id where
 * the payload names none, and its time.  Its members are strings but for the
 * event of EventBridge, which is taken as it stands: numbers must not change.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "aws/client.h"
#include "sources/envelope.h"
#include "sources/sns_signature.h"
#include "sources/transport.h"
#include "text/ascii.h"
#include "text/json.h"
#include "text/json_text.h"
#include "text/rfc3339.h"

/* Most bytes of an ARN that an error shows. */
#define MAX_SHOWN			300

struct EvauditEnvelope
{
	const EvauditEnvelopeOptions *options;
	EvauditSnsVerifier *verifier;	/* NULL: signatures are not checked */
};

/* By EvauditEnvelopeKind: what the option "envelope" says. */
static const char *const names[] = {
	[EVAUDIT_ENVELOPE_RAW] = "raw",
	[EVAUDIT_ENVELOPE_SNS] = "sns",
	[EVAUDIT_ENVELOPE_EVENTBRIDGE] = "eventbridge",
};

/* The name of a kind of envelope. */
const char *
evaudit_envelope_name(EvauditEnvelopeKind kind)
{
	return names[kind];
}

/* An opener of envelopes, in the current memory context. */
EvauditEnvelope *
evaudit_envelope_create(const EvauditEnvelopeOptions *options,
						EvauditHttp *http, const char *ca_file)
{
	EvauditEnvelope *envelope = palloc0(sizeof(EvauditEnvelope));

	envelope->options = options;
	if (options->verify_sns)
		envelope->verifier = evaudit_sns_verifier_create(http, ca_file);
	return envelope;
}

/* Use the time that an envelope gives, if it is one. */
static void
set_time(EvauditEvent *event, const char *str)
{
	TimestampTz time;

	if (str != NULL && evaudit_rfc3339_parse(str, strlen(str), &time))
	{
		event->has_record_time = true;
		event->record_time = time;
	}
}

/* Add a header; there is room for it. */
static void
add_header(EvauditEvent *event, const char *name, const char *value)
{
	EvauditHeader *header = &event->headers[event->nheaders];

	if (name == NULL || value == NULL)
		return;
	header->name = name;
	header->value = value;
	header->value_len = strlen(value);
	event->nheaders++;
}

/* Make room for n headers beside those that there are. */
static void
reserve_headers(EvauditEvent *event, int n)
{
	EvauditHeader *headers = palloc((event->nheaders + n) *
									sizeof(EvauditHeader));

	if (event->nheaders > 0)
		memcpy(headers, event->headers,
			   event->nheaders * sizeof(EvauditHeader));
	event->headers = headers;
}

/* The attributes of a notification as headers; they are not signed. */
static void
add_attributes(EvauditEvent *event, const EvauditJson *attributes)
{
	const EvauditJson *item;
	int			n = 0;

	for (item = evaudit_json_first(attributes); item != NULL;
		 item = evaudit_json_next(item))
		n++;
	reserve_headers(event, n);
	for (item = evaudit_json_first(attributes); item != NULL;
		 item = evaudit_json_next(item))
		add_header(event, evaudit_json_name(item),
				   evaudit_json_string(item, "Value"));
}

/* Whether this can be the id of an event, which is kept and compared. */
static bool
is_id(const char *id)
{
	return id != NULL && evaudit_is_word(id, EVAUDIT_MAX_TRANSPORT_ID);
}

/* Whether notifications of a topic are accepted; else the event is rejected. */
static bool
check_topic(const EvauditEnvelopeOptions *options, const char *arn,
			EvauditEvent *event)
{
	ListCell   *lc;

	foreach(lc, options->topic_arns)
	{
		if (strcmp(lfirst(lc), arn) == 0)
			return true;
	}
	if (options->topic_arns == NIL)
		return true;
	evaudit_event_reject(event, EVAUDIT_BAD_ENVELOPE,
						 "SNS topic \"%s\" is not among topic_arns",
						 evaudit_aws_printable(arn, MAX_SHOWN));
	return false;
}

/* Take an event out of a notification of SNS. */
static bool
open_sns(EvauditEnvelope *envelope, const EvauditJson *json,
		 EvauditEvent *event, const char **error)
{
	const char *type = evaudit_json_string(json, "Type");
	const char *arn = evaudit_json_string(json, "TopicArn");
	const char *id = evaudit_json_string(json, "MessageId");
	const char *message = evaudit_json_string(json, "Message");

	if (type == NULL || strcmp(type, "Notification") != 0 ||
		arn == NULL || !is_id(id) || message == NULL)
	{
		evaudit_event_reject(event, EVAUDIT_BAD_ENVELOPE,
							 "message is not a notification of SNS");
		return true;
	}
	if (!check_topic(envelope->options, arn, event))
		return true;
	if (envelope->verifier != NULL)
	{
		if (!evaudit_sns_verify(envelope->verifier, json, event, error))
			return false;
		if (event->reason != EVAUDIT_ACCEPTED)
			return true;
	}

	event->envelope = evaudit_envelope_name(EVAUDIT_ENVELOPE_SNS);
	event->topic_arn = arn;
	event->verified = envelope->verifier != NULL;
	event->payload = message;
	event->payload_len = strlen(message);
	event->transport_id = id;
	set_time(event, evaudit_json_string(json, "Timestamp"));
	add_attributes(event, evaudit_json_get(json, "MessageAttributes"));
	return true;
}

/* Take an event out of the envelope of EventBridge. */
static bool
open_eventbridge(const EvauditJson *json, EvauditEvent *event)
{
	static const char *const told[] = {
		"id", "source", "detail-type", "account", "region", "time"
	};
	const char *id = evaudit_json_string(json, "id");
	size_t		len;
	const char *detail;

	if (evaudit_json_scan_member(event->payload, event->payload_len, "detail",
								 &detail, &len) != EVAUDIT_JSON_OK ||
		!is_id(id) || detail == NULL || *detail != '{' ||
		evaudit_json_string(json, "source") == NULL ||
		evaudit_json_string(json, "detail-type") == NULL)
	{
		evaudit_event_reject(event, EVAUDIT_BAD_ENVELOPE,
							 "message is not an event of EventBridge");
		return true;
	}
	reserve_headers(event, lengthof(told));
	for (int i = 0; i < lengthof(told); i++)
		add_header(event, told[i], evaudit_json_string(json, told[i]));
	event->envelope = evaudit_envelope_name(EVAUDIT_ENVELOPE_EVENTBRIDGE);
	event->payload = detail;
	event->payload_len = len;
	event->transport_id = id;
	set_time(event, evaudit_json_string(json, "time"));
	return true;
}

/*
 * Whether an event that was taken out of an envelope before would be taken out
 * of it now; else it is rejected.  Without an envelope any is trusted that has
 * one.
 */
static void
check_opened(const EvauditEnvelope *envelope, EvauditEvent *event)
{
	const EvauditEnvelopeOptions *options = envelope->options;

	if (options->kind == EVAUDIT_ENVELOPE_RAW)
		return;
	if (strcmp(event->envelope, names[options->kind]) != 0)
		evaudit_event_reject(event, EVAUDIT_BAD_ENVELOPE,
							 "message came in the envelope \"%s\", not \"%s\"",
							 evaudit_aws_printable(event->envelope, MAX_SHOWN),
							 names[options->kind]);
	else if (options->kind == EVAUDIT_ENVELOPE_SNS &&
			 check_topic(options, event->topic_arn ? event->topic_arn : "",
						 event) &&
			 options->verify_sns && !event->verified)
		evaudit_event_reject(event, EVAUDIT_BAD_SIGNATURE,
							 "signature was not checked when the message was received");
}

/* See the header. */
bool
evaudit_envelope_open(EvauditEnvelope *envelope, EvauditEvent *event,
					  const char **error)
{
	EvauditJson *json;

	if (event->envelope != NULL)
	{
		check_opened(envelope, event);
		return true;
	}
	if (envelope->options->kind == EVAUDIT_ENVELOPE_RAW)
		return true;
	json = event->payload == NULL ? NULL :
		evaudit_json_parse(pnstrdup(event->payload, event->payload_len),
						   event->payload_len);
	if (json == NULL || !evaudit_json_is_object(json))
	{
		evaudit_event_reject(event, EVAUDIT_BAD_ENVELOPE,
							 "message is not a JSON object");
		return true;
	}
	if (envelope->options->kind == EVAUDIT_ENVELOPE_SNS)
		return open_sns(envelope, json, event, error);
	return open_eventbridge(json, event);
}
