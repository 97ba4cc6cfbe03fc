/*-------------------------------------------------------------------------
 *
 * response.c
 *	  Making the response of evaudit.http().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <inttypes.h>

#include "common/hashfn.h"
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/numeric.h"

#include "http/response.h"
#include "http/settings.h"

/* Decimal digits of a digit of numeric. */
#define NUMERIC_DIGITS	4

/* Begin with an empty response. */
void
evaudit_response_init(EvauditResponse *response)
{
	memset(response, 0, sizeof(*response));
	initStringInfo(&response->headers);
	initStringInfo(&response->body);
}

/* Discard everything that was put into a response. */
void
evaudit_response_reset(EvauditResponse *response)
{
	response->status = 0;
	response->content_type = NULL;
	response->nerrors = 0;
	response->cacheable = false;
	response->preflight = NULL;
	resetStringInfo(&response->headers);
	resetStringInfo(&response->body);
}

/* Set the status and discard the body; returns where to write a new one. */
StringInfo
evaudit_response_begin(EvauditResponse *response, int status,
					   const char *content_type)
{
	response->status = status;
	response->content_type = content_type;
	response->nerrors = 0;
	resetStringInfo(&response->body);
	return &response->body;
}

/* The same, for a body of JSON. */
StringInfo
evaudit_response_begin_json(EvauditResponse *response, int status)
{
	return evaudit_response_begin(response, status, "application/json");
}

/* A body that says no more than that all went well. */
void
evaudit_response_success(EvauditResponse *response, int status)
{
	appendStringInfo(evaudit_response_begin_json(response, status),
					 "{\"success\":true,\"statusCode\":%d}", status);
}

/* Add a header; none is given twice. */
void
evaudit_response_header(EvauditResponse *response, const char *name,
						const char *value)
{
	if (response->headers.len > 0)
		appendStringInfoChar(&response->headers, ',');
	evaudit_response_member(&response->headers, name, value);
}

/*
 * The tag of a body: equal tags stand for equal bodies.  Whoever could make
 * two bodies of one tag would deceive nobody but those who read his schema.
 */
static char *
make_tag(const EvauditResponse *response)
{
	const unsigned char *body = (unsigned char *) response->body.data;

	return psprintf("\"%016" PRIx64 "%016" PRIx64 "\"",
					hash_bytes_extended(body, response->body.len, 0),
					hash_bytes_extended(body, response->body.len, 1));
}

/* Whether a list of tags, as If-None-Match has one, has this. */
static bool
has_tag(const char *list, const char *tag)
{
	for (const char *p = list; *p != '\0'; p += strcspn(p, ","))
	{
		p += strspn(p, ", \t");
		if (*p == '*')
			return true;
		/* a proxy that compresses makes a tag a weak one */
		if (strncmp(p, "W/", 2) == 0)
			p += 2;
		if (strncmp(p, tag, strlen(tag)) == 0)
			return true;
	}
	return false;
}

/*
 * Give a response that may be cached its tag.  True if the sender knows the
 * body already, by the tags in "known", which may be NULL: then it has none.
 */
bool
evaudit_response_is_unchanged(EvauditResponse *response, const char *known)
{
	const char *tag;

	if (!response->cacheable || response->status != 200)
		return false;
	tag = make_tag(response);
	evaudit_response_header(response, "ETag", tag);
	if (known == NULL || !has_tag(known, tag))
		return false;
	response->status = 304;
	response->content_type = NULL;
	resetStringInfo(&response->body);
	return true;
}

/*
 * Add an error to the list that is the body, and begin the list with the
 * first one: all have the same status.
 */
void
evaudit_response_error(EvauditResponse *response, int status,
					   const char *type, const char *message)
{
	StringInfo	body = &response->body;

	if (response->nerrors == 0)
	{
		body = evaudit_response_begin_json(response, status);
		appendStringInfo(body, "{\"success\":false,\"statusCode\":%d,\"errors\":[",
						 status);
	}
	else
	{
		/* reopen the list */
		body->len -= strlen("]}");
		appendStringInfoChar(body, ',');
	}
	appendStringInfoChar(body, '{');
	evaudit_response_member(body, "type", type);
	appendStringInfoChar(body, ',');
	evaudit_response_member(body, "message", message);
	appendStringInfoString(body, "}]}");
	response->nerrors++;
}

/*
 * Respond to an event whose data the database refuses.  Its text may reveal
 * the database's inside, so only what a trigger or function raised for the
 * sender to read is sent.  What is unique and there already is most often of
 * the same event, sent again.
 */
void
evaudit_response_data_error(EvauditResponse *response, int sqlstate,
							const char *message)
{
	if (sqlstate == ERRCODE_UNIQUE_VIOLATION)
		evaudit_response_error(response, 409, "conflict",
							   "The database has this event, or one of its values, already.");
	else
		evaudit_response_error(response, 400, "database",
							   sqlstate == ERRCODE_RAISE_EXCEPTION ? message :
							   "The database does not accept this event.");
}

/* Longest body, in bytes. */
size_t
evaudit_response_limit(void)
{
	return (size_t) evaudit_http_max_response * 1024;
}

/* Whether the body is within the limit so far. */
bool
evaudit_response_fits(EvauditResponse *response)
{
	return response->body.len <= evaudit_response_limit();
}

/* Replace a response that is beyond the limit. */
void
evaudit_response_too_large(EvauditResponse *response)
{
	evaudit_response_error(response, 500, EVAUDIT_PROBLEM_SIZE,
						   psprintf("Response has more than %d kB.",
									evaudit_http_max_response));
}

/* A member of an object whose value is a string, or null. */
void
evaudit_response_member(StringInfo json, const char *name, const char *value)
{
	escape_json(json, name);
	appendStringInfoChar(json, ':');
	if (value == NULL)
		appendStringInfoString(json, "null");
	else
		escape_json(json, value);
}

/*
 * Most bytes that a number takes as text, from its binary form: number of
 * digits, weight of the first, sign, decimals.
 */
static size_t
number_bytes(Numeric number)
{
	bytea	   *binary = DatumGetByteaPP(DirectFunctionCall1(numeric_send,
															 NumericGetDatum(number)));
	uint16		fields[4];
	int16		weight;

	memcpy(fields, VARDATA_ANY(binary), sizeof(fields));
	pfree(binary);
	weight = (int16) pg_ntoh16(fields[1]);
	return (size_t) (Max(weight, 0) + 1) * NUMERIC_DIGITS +
		pg_ntoh16(fields[3]) + strlen("-.");
}

/*
 * Whether the numbers of a document are within a limit as text: one of a few
 * bytes may stand for 131,072 digits.  All else takes at most six times as
 * many bytes as text as it has in jsonb.
 */
static bool
numbers_fit(Jsonb *document, size_t limit)
{
	JsonbIterator *it = JsonbIteratorInit(&document->root);
	JsonbIteratorToken token;
	JsonbValue	v;
	size_t		total = 0;

	while ((token = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
	{
		if ((token == WJB_ELEM || token == WJB_VALUE) &&
			v.type == jbvNumeric)
			total += number_bytes(v.val.numeric);
		if (total > limit)
			return false;
	}
	return true;
}

/*
 * Append a document as text, unless that has more bytes than the limit: then
 * nothing is appended, and the result is false.
 */
bool
evaudit_response_jsonb(StringInfo json, Jsonb *value, size_t limit)
{
	int			before = json->len;

	if (VARSIZE(value) > limit || !numbers_fit(value, limit))
		return false;
	(void) JsonbToCString(json, &value->root, VARSIZE(value));
	if (json->len - before <= limit)
		return true;
	json->len = before;
	json->data[before] = '\0';
	return false;
}
