/*-------------------------------------------------------------------------
 *
 * format.c
 *	  The bytes and headers in which an event leaves.
 *
 * The format "payload" is the payload alone, with headers that say what it
 * is: id, subject, time.  "cloudevents" is CloudEvents 1.0, as one document
 * (structured) or as headers beside the payload (binary), named by the
 * binding of the kind's protocol.  The attributes:
 *
 *		id				the event's id
 *		source			the option cloudevents_source; /topics/<topic>
 *		type			the topic
 *		subject, time	the event's, if it has them
 *		partitionkey	the key, if it is text
 *
 * Everything that leaves is UTF-8.  Headers that the event came with go along,
 * but for those that are named here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "events/event_json.h"
#include "sinks/shape.h"
#include "text/jsonb_text.h"
#include "text/options.h"
#include "text/rfc3339.h"

#define STRUCTURED_TYPE	"application/cloudevents+json; charset=UTF-8"
#define PAYLOAD_TYPE	"application/json"

/* Bytes of a buffer that is kept from one body to the next. */
#define MAX_SCRATCH		65536

/* Attributes of an event that headers may hold. */
#define MAX_ATTRIBUTES	7

struct EvauditFormat
{
	bool		cloudevents;
	const char *prefix;			/* of headers, in binary mode; else NULL */
	const char *source;			/* NULL: by topic */
	StringInfoData scratch;		/* for bodies; lives as long as this */
};

/* An attribute, in the server's encoding. */
typedef struct Attribute
{
	const char *name;
	const char *value;
} Attribute;

/* What an event has of them. */
typedef struct Attributes
{
	Attribute	list[MAX_ATTRIBUTES];
	int			n;
} Attributes;

/* Refuse an option that is not one of two values; whether it is the second. */
static bool
choose(Jsonb *options, const char *name, const char *first, const char *second)
{
	char	   *value = evaudit_option_text(options, name);

	if (value != NULL && strcmp(value, first) != 0 &&
		strcmp(value, second) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be \"%s\" or \"%s\"", name, first,
						second)));
	return value != NULL && strcmp(value, second) == 0;
}

/* The format that options ask for, in the current memory context. */
EvauditFormat *
evaudit_format_read(Jsonb *options, const EvauditSinkKind *kind)
{
	EvauditFormat *format = palloc0(sizeof(EvauditFormat));
	bool		binary = choose(options, "cloudevents_mode", "structured",
								"binary");

	initStringInfo(&format->scratch);
	format->cloudevents = choose(options, "format", "payload", "cloudevents");
	format->source = evaudit_option_text(options, "cloudevents_source");
	if (!format->cloudevents)
	{
		if (format->source != NULL ||
			evaudit_option_value(options, "cloudevents_mode") != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("options \"cloudevents_mode\" and \"cloudevents_source\" need \"format\": \"cloudevents\"")));
		return format;
	}
	if (kind->transactional)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a sink of kind \"%s\" has no format", kind->name)));
	if (format->source != NULL && format->source[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must not be empty",
						"cloudevents_source")));
	if (binary && kind->cloudevents_prefix == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a sink of kind \"%s\" has no headers for CloudEvents in binary mode",
						kind->name)));
	format->prefix = binary ? kind->cloudevents_prefix : NULL;
	return format;
}

/* A text as UTF-8, terminated. */
const char *
evaudit_format_utf8(const char *str)
{
	return pg_server_to_any(str, (int) strlen(str), PG_UTF8);
}

/* Append a text with all but the characters of a set in percent-encoding. */
static void
append_encoded(StringInfo str, const char *utf8, const char *kept)
{
	for (const unsigned char *p = (const unsigned char *) utf8; *p != '\0'; p++)
	{
		if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			(*p >= '0' && *p <= '9') || strchr(kept, *p) != NULL)
			appendStringInfoChar(str, (char) *p);
		else
			appendStringInfo(str, "%%%02X", *p);
	}
}

/* The attribute "source" of the events of a topic: a URI reference. */
static const char *
source_of_topic(const char *topic)
{
	StringInfoData str;

	initStringInfo(&str);
	appendStringInfoString(&str, "/topics/");
	append_encoded(&str, evaudit_format_utf8(topic), "-._~");
	return str.data;
}

/* Add an attribute, unless it has no value. */
static void
add_attribute(Attributes *attributes, const char *name, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	Assert(attributes->n < MAX_ATTRIBUTES);
	attributes->list[attributes->n++] = (Attribute)
	{
		name, value
	};
}

/* The key, if it is a text without control characters; else NULL. */
static const char *
key_text(const EvauditDelivery *delivery)
{
	if (delivery->key == NULL ||
		!pg_verify_mbstr(PG_UTF8, delivery->key, (int) delivery->key_len, true))
		return NULL;
	for (size_t i = 0; i < delivery->key_len; i++)
		if ((unsigned char) delivery->key[i] < ' ' || delivery->key[i] == 0x7F)
			return NULL;
	return pg_any_to_server(pnstrdup(delivery->key, delivery->key_len),
							(int) delivery->key_len, PG_UTF8);
}

/* Gather the attributes of an event, those of a CloudEvent or our own. */
static void
gather(const EvauditFormat *format, const EvauditDelivery *delivery,
	   Attributes *attributes)
{
	const EvauditEventValue *event = delivery->event;

	char	   *time = NULL;

	attributes->n = 0;
	if (event->event_time != 0 &&
		evaudit_rfc3339_in_range(event->event_time))
	{
		/* headers point to it */
		time = palloc(EVAUDIT_RFC3339_LEN);
		(void) evaudit_rfc3339_format(event->event_time, time);
	}
	if (format->cloudevents)
	{
		add_attribute(attributes, "specversion", "1.0");
		add_attribute(attributes, "source", format->source != NULL ?
					  format->source : source_of_topic(event->topic));
		add_attribute(attributes, "type", event->topic);
		add_attribute(attributes, "partitionkey", key_text(delivery));
	}
	add_attribute(attributes, "id", GetDatabaseEncoding() == PG_UTF8 ?
				  delivery->event_id : text_to_cstring(event->event_id));
	add_attribute(attributes, "subject", event->subject);
	add_attribute(attributes, "time", time);
}

/* A header's value: in HTTP, printable ASCII, the rest percent-encoded. */
static const char *
header_value(const EvauditFormat *format, const char *value)
{
	StringInfoData str;

	value = evaudit_format_utf8(value);
	if (format->prefix == NULL || strcmp(format->prefix, "ce-") != 0)
		return value;
	initStringInfo(&str);
	append_encoded(&str, value, "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~");
	return str.data;
}

/* Whether a header of the event is one that we set. */
static bool
is_ours(const char *name, const EvauditDelivery *delivery, int ours)
{
	for (int i = 0; i < ours; i++)
		if (pg_strcasecmp(name, delivery->headers[i].name) == 0)
			return true;
	return false;
}

/* Set the headers of a delivery: ours, then those that the event came with. */
static void
set_headers(const EvauditFormat *format, const Attributes *attributes,
			EvauditDelivery *delivery)
{
	Jsonb	   *headers = delivery->event->headers;
	bool		structured = format->cloudevents && format->prefix == NULL;
	EvauditEvent came = {0};
	int			ours;

	if (headers != NULL)
		evaudit_event_set_headers(&came, headers);
	delivery->headers = palloc((attributes->n + came.nheaders) *
							   sizeof(EvauditHeader));
	delivery->nheaders = 0;
	for (int i = 0; i < attributes->n && !structured; i++)
	{
		const Attribute *attribute = &attributes->list[i];
		const char *value = header_value(format, attribute->value);

		delivery->headers[delivery->nheaders++] = (EvauditHeader)
		{
			.name = format->prefix == NULL ? attribute->name :
				psprintf("%s%s", format->prefix, attribute->name),
				.value = value,
				.value_len = strlen(value),
		};
	}
	ours = delivery->nheaders;
	for (int i = 0; i < came.nheaders; i++)
		if (!is_ours(came.headers[i].name, delivery, ours))
			delivery->headers[delivery->nheaders++] = came.headers[i];
}

/* A document that has the attributes and the payload. */
static void
append_structured(StringInfo body, const Attributes *attributes,
				  Jsonb *payload)
{
	appendStringInfoChar(body, '{');
	for (int i = 0; i < attributes->n; i++)
	{
		escape_json(body, attributes->list[i].name);
		appendStringInfoChar(body, ':');
		escape_json(body, attributes->list[i].value);
		appendStringInfoChar(body, ',');
	}
	appendStringInfoString(body, "\"datacontenttype\":\"" PAYLOAD_TYPE
						   "\",\"data\":");
	evaudit_jsonb_append_text(body, &payload->root);
	appendStringInfoChar(body, '}');
}

/* An empty buffer, which does not stay larger than most bodies need. */
static StringInfo
empty_scratch(EvauditFormat *format)
{
	if (format->scratch.maxlen > MAX_SCRATCH)
	{
		MemoryContext context = GetMemoryChunkContext(format->scratch.data);
		MemoryContext previous = MemoryContextSwitchTo(context);

		pfree(format->scratch.data);
		initStringInfo(&format->scratch);
		MemoryContextSwitchTo(previous);
	}
	resetStringInfo(&format->scratch);
	return &format->scratch;
}

/* Set the body of a delivery, in no more memory than it needs. */
static void
set_body(EvauditDelivery *delivery, const StringInfo str)
{
	char	   *body = pg_server_to_any(str->data, str->len, PG_UTF8);

	delivery->body_len = body == str->data ? (size_t) str->len : strlen(body);
	delivery->body = body != str->data ? body :
		memcpy(palloc(str->len + 1), str->data, str->len + 1);
}

/* Set the body, headers and content type of a delivery of a payload. */
void
evaudit_format_apply(EvauditFormat *format, Jsonb *payload,
					 EvauditDelivery *delivery)
{
	Attributes	attributes;
	StringInfo	body = empty_scratch(format);
	bool		structured = format->cloudevents && format->prefix == NULL;

	gather(format, delivery, &attributes);
	if (structured)
		append_structured(body, &attributes, payload);
	else
		evaudit_jsonb_append_text(body, &payload->root);
	set_headers(format, &attributes, delivery);
	delivery->content_type = structured ? STRUCTURED_TYPE : PAYLOAD_TYPE;
	set_body(delivery, body);
}
