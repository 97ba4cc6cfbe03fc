/*-------------------------------------------------------------------------
 *
 * body.c
 *	  Reading the body of a request: what it says that it is, and what it is.
 *
 * A body is JSON in UTF-8, as it is or by gzip.  The limit of its bytes holds
 * for what was sent and for what that inflates to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "events/payload.h"
#include "http/request.h"
#include "http/settings.h"
#include "text/gzip.h"

/* What a sender may put in front of a text of UTF-8. */
#define BYTE_ORDER_MARK		"\xef\xbb\xbf"

/* The longest body, in bytes. */
static size_t
max_bytes(void)
{
	return (size_t) evaudit_http_max_body * 1024;
}

/* Skip white space of a header. */
static const char *
skip_space(const char *p)
{
	return p + strspn(p, " \t");
}

/* Whether a word of a length is this one, in any case. */
static bool
is_word(const char *p, size_t len, const char *word)
{
	return len == strlen(word) && pg_strncasecmp(p, word, len) == 0;
}

/* Whether a media type is JSON: application/json, or any with "+json". */
static bool
is_json_type(const char *type, size_t len)
{
	return is_word(type, len, "application/json") ||
		is_word(type, len, "text/json") ||
		(len > 5 && memchr(type, '/', len) != NULL &&
		 pg_strncasecmp(type + len - 5, "+json", 5) == 0);
}

/* Whether the parameters of a media type name no other charset than UTF-8. */
static bool
is_utf8(const char *p)
{
	while (*(p = skip_space(p)) == ';')
	{
		size_t		len;

		p = skip_space(p + 1);
		len = strcspn(p, ";");
		if (pg_strncasecmp(p, "charset=", 8) == 0)
		{
			const char *value = p + 8;
			size_t		n;

			if (*value == '"')
				value++;
			n = strcspn(value, "\" \t;");
			if (!is_word(value, n, "utf-8") && !is_word(value, n, "utf8") &&
				!is_word(value, n, "us-ascii"))
				return false;
		}
		p += len;
	}
	return *p == '\0';
}

/* How a body is encoded. */
typedef enum BodyEncoding
{
	ENCODING_NONE,
	ENCODING_GZIP,
	ENCODING_UNKNOWN
} BodyEncoding;

static BodyEncoding
body_encoding(const EvauditRequest *request)
{
	const char *value = evaudit_request_header(request, "content-encoding");
	size_t		len;

	if (value == NULL)
		return ENCODING_NONE;
	value = skip_space(value);
	len = strcspn(value, " \t");
	if (*skip_space(value + len) != '\0')
		return ENCODING_UNKNOWN;
	if (len == 0 || is_word(value, len, "identity"))
		return ENCODING_NONE;
	if (is_word(value, len, "gzip") || is_word(value, len, "x-gzip"))
		return ENCODING_GZIP;
	return ENCODING_UNKNOWN;
}

/*
 * Whether the headers say that a body is one that can be read; without a
 * type it is taken for JSON.  Gateways ask for none.  False if not: then there
 * is a response.
 */
bool
evaudit_request_check_media(const EvauditRequest *request,
							EvauditResponse *response)
{
	const char *type = evaudit_request_header(request, "content-type");
	size_t		len;

	if (request->body_len == 0)
		return true;
	if (body_encoding(request) == ENCODING_UNKNOWN)
	{
		evaudit_response_error(response, 415, "media_type",
							   "Content-Encoding must be gzip or identity.");
		evaudit_response_header(response, "Accept-Encoding", "gzip, identity");
		return false;
	}
	if (type == NULL || evaudit_http_compat == EVAUDIT_COMPAT_EVENTGATE)
		return true;
	type = skip_space(type);
	len = strcspn(type, "; \t");
	if (len == 0 || (is_json_type(type, len) && is_utf8(type + len)))
		return true;
	evaudit_response_error(response, 415, "media_type",
						   "Content-Type must be application/json, in UTF-8.");
	evaudit_response_header(response, "Accept-Post", "application/json");
	return false;
}

/*
 * Undo the encoding of a body, and skip a byte order mark.  For a body that is
 * refused, *result says why.
 */
static bool
decode_body(EvauditRequest *request, EvauditBodyResult *result,
			const char **error)
{
	if (request->body_len > 0 && body_encoding(request) == ENCODING_GZIP)
	{
		StringInfoData inflated;
		EvauditGzipStatus status;

		initStringInfo(&inflated);
		status = evaudit_gzip_inflate(request->body, request->body_len,
									  max_bytes(), &inflated);
		if (status == EVAUDIT_GZIP_MALFORMED)
			*error = "Request body is not gzip, as Content-Encoding says.";
		*result = status == EVAUDIT_GZIP_TOO_LARGE ?
			EVAUDIT_BODY_TOO_LARGE : EVAUDIT_BODY_NOT_GZIP;
		if (status != EVAUDIT_GZIP_OK)
			return false;
		request->body = inflated.data;
		request->body_len = inflated.len;
	}
	if (request->body_len >= strlen(BYTE_ORDER_MARK) &&
		memcmp(request->body, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
	{
		request->body += strlen(BYTE_ORDER_MARK);
		request->body_len -= strlen(BYTE_ORDER_MARK);
	}
	return true;
}

/*
 * The document of a payload.  What jsonb is made from takes 200 bytes for one
 * of the payload, so it is freed at once.
 */
static Jsonb *
make_document(const EvauditPayload *payload)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(context, "evaudit body",
												  ALLOCSET_DEFAULT_SIZES);
	Jsonb	   *document;
	Jsonb	   *copy;

	MemoryContextSwitchTo(scratch);
	document = evaudit_json_to_jsonb(payload);
	MemoryContextSwitchTo(context);
	copy = (Jsonb *) pg_detoast_datum_copy((struct varlena *) document);
	MemoryContextDelete(scratch);
	return copy;
}

/*
 * The body of a request as a document; *error is set for
 * EVAUDIT_BODY_INVALID, _NUMBER and _NOT_GZIP.  It is read once: what the
 * request has for a body is then what was parsed.
 */
EvauditBodyResult
evaudit_request_body(EvauditRequest *request, Jsonb **json,
					 const char **error)
{
	EvauditEvent event = {0};
	EvauditJsonVisitor no_visitor = {0};
	EvauditPayload payload;
	EvauditBodyResult result;

	if (!decode_body(request, &result, error))
		return result;
	event.json = request->body;
	event.json_len = request->body_len;
	if (evaudit_payload_prepare(&event, max_bytes(),
								&payload, CurrentMemoryContext))
		(void) evaudit_payload_visit(&event, &payload, &no_visitor,
									 CurrentMemoryContext);
	switch (event.reason)
	{
		case EVAUDIT_ACCEPTED:
		case EVAUDIT_NOT_AN_OBJECT:
			*json = make_document(&payload);
			return EVAUDIT_BODY_JSON;
		case EVAUDIT_EMPTY_PAYLOAD:
			return EVAUDIT_BODY_EMPTY;
		case EVAUDIT_TOO_LARGE:
			return EVAUDIT_BODY_TOO_LARGE;
		case EVAUDIT_NUMBER_TOO_LARGE:
			*error = psprintf("%s, at character %d", event.error,
							  pg_mbstrlen_with_len(payload.json,
												   payload.bad_byte) + 1);
			return EVAUDIT_BODY_NUMBER;
		default:
			*error = payload.detail != NULL ? payload.detail : event.error;
			return EVAUDIT_BODY_INVALID;
	}
}
