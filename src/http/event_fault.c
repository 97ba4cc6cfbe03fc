/*-------------------------------------------------------------------------
 *
 * event_fault.c
 *	  What is wrong with a request to the event logger: a list, as FastAPI
 *	  makes one, of {"type", "loc", "msg", "input", "ctx"}.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/json.h"

#include "http/event.h"
#include "http/json_error.h"

/* Open the list for another item. */
static StringInfo
begin_fault(EvauditResponse *response)
{
	StringInfo	json = &response->body;

	if (response->nerrors++ == 0)
	{
		json = evaudit_response_begin_json(response, 422);
		response->nerrors = 1;
		appendStringInfoString(json, "{\"detail\":[");
		return json;
	}
	json->len -= strlen("]}");
	appendStringInfoChar(json, ',');
	return json;
}

/* Write what was found, null if it is too large to be repeated. */
static void
write_input(StringInfo json, const JsonbValue *input)
{
	JsonbValue	copy;

	appendStringInfoString(json, ",\"input\":");
	if (input != NULL && input->type != jbvNull)
	{
		copy = *input;
		if (evaudit_response_jsonb(json, JsonbValueToJsonb(&copy),
								   evaudit_response_limit() / 4))
			return;
	}
	appendStringInfoString(json, "null");
}

/*
 * Add what is wrong with a member of the body, or with all of it if "member"
 * is NULL, and what was found there; NULL stands for null.
 */
void
evaudit_event_fault(EvauditResponse *response, const char *type,
					const char *member, const char *message,
					const JsonbValue *input)
{
	StringInfo	json = begin_fault(response);

	appendStringInfoChar(json, '{');
	evaudit_response_member(json, "type", type);
	appendStringInfoString(json, ",\"loc\":[\"body\"");
	if (member != NULL)
	{
		appendStringInfoChar(json, ',');
		escape_json(json, member);
	}
	appendStringInfoString(json, "],");
	evaudit_response_member(json, "msg", message);
	write_input(json, input);
	if (strcmp(type, "string_too_short") == 0)
		appendStringInfoString(json, ",\"ctx\":{\"min_length\":1}");
	appendStringInfoString(json, "}]}");
}

/* Add what is wrong with a parameter of the query, or the like. */
void
evaudit_event_fault_at(EvauditResponse *response, const char *part,
					   const char *member, const char *type,
					   const char *message)
{
	StringInfo	json = begin_fault(response);

	appendStringInfoChar(json, '{');
	evaudit_response_member(json, "type", type);
	appendStringInfoString(json, ",\"loc\":[");
	escape_json(json, part);
	appendStringInfoChar(json, ',');
	escape_json(json, member);
	appendStringInfoString(json, "],");
	evaudit_response_member(json, "msg", message);
	appendStringInfoString(json, "}]}");
}

/*
 * Add that a body is not JSON; "error" is for one that other decoders take.
 */
void
evaudit_event_fault_json(EvauditResponse *response,
						 const EvauditRequest *request, const char *error)
{
	StringInfo	json = begin_fault(response);
	int			place;
	const char *known = evaudit_json_error_of_python(request->body,
													 request->body_len,
													 &place);

	appendStringInfoString(json, "{\"type\":\"json_invalid\",\"loc\":[\"body\"");
	if (known != NULL)
		appendStringInfo(json, ",%d", place);
	appendStringInfoString(json,
						   "],\"msg\":\"JSON decode error\",\"input\":{},\"ctx\":{");
	evaudit_response_member(json, "error", known != NULL ? known : error);
	appendStringInfoString(json, "}}]}");
}
