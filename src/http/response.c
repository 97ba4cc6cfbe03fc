/*-------------------------------------------------------------------------
 *
 * response.c
 *	  Writing what evaudit.http() answers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/json.h"

#include "http/http.h"

/* Begin with nothing to say. */
void
evaudit_gate_answer_init(EvauditGateAnswer *answer)
{
	memset(answer, 0, sizeof(*answer));
	initStringInfo(&answer->headers);
	initStringInfo(&answer->body);
}

/* Take everything back that was said. */
void
evaudit_gate_answer_reset(EvauditGateAnswer *answer)
{
	answer->status = 0;
	answer->content_type = NULL;
	answer->nerrors = 0;
	resetStringInfo(&answer->headers);
	resetStringInfo(&answer->body);
}

/* Answer with a status; returns where to write the body to. */
StringInfo
evaudit_gate_answer(EvauditGateAnswer *answer, int status,
					const char *content_type)
{
	answer->status = status;
	answer->content_type = content_type;
	answer->nerrors = 0;
	resetStringInfo(&answer->body);
	return &answer->body;
}

/* The same, for a body of JSON. */
StringInfo
evaudit_gate_answer_json(EvauditGateAnswer *answer, int status)
{
	return evaudit_gate_answer(answer, status, "application/json");
}

/* Add a header; none is given twice. */
void
evaudit_gate_add_header(EvauditGateAnswer *answer, const char *name,
						const char *value)
{
	if (answer->headers.len > 0)
		appendStringInfoChar(&answer->headers, ',');
	evaudit_gate_member(&answer->headers, name, value);
}

/*
 * Add an error to the list that is the body of an answer, and begin it with
 * the first one: all have the same status.
 */
void
evaudit_gate_error(EvauditGateAnswer *answer, int status, const char *type,
				   const char *message)
{
	StringInfo	body = &answer->body;

	if (answer->nerrors == 0)
	{
		body = evaudit_gate_answer_json(answer, status);
		appendStringInfo(body, "{\"success\":false,\"statusCode\":%d,\"errors\":[",
						 status);
	}
	else
	{
		/* the end of the list goes on */
		body->len -= strlen("]}");
		appendStringInfoChar(body, ',');
	}
	appendStringInfoChar(body, '{');
	evaudit_gate_member(body, "type", type);
	appendStringInfoChar(body, ',');
	evaudit_gate_member(body, "message", message);
	appendStringInfoString(body, "}]}");
	answer->nerrors++;
}

/* A member of an object whose value is a string, or null. */
void
evaudit_gate_member(StringInfo json, const char *name, const char *value)
{
	escape_json(json, name);
	appendStringInfoChar(json, ':');
	if (value == NULL)
		appendStringInfoString(json, "null");
	else
		escape_json(json, value);
}

/* A document. */
void
evaudit_gate_jsonb(StringInfo json, Jsonb *value)
{
	(void) JsonbToCString(json, &value->root, VARSIZE(value));
}
