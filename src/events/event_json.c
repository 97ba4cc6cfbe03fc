/*-------------------------------------------------------------------------
 *
 * event_json.c
 *	  What comes with an event, as documents: its position and headers.
 *
 * Dead letters and kept events have them as jsonb.  A dead letter that is
 * tried again gets them back from there, and gives the same documents when it
 * is written once more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "events/event_json.h"

#include "text/json_text.h"
#include "text/jsonb.h"

/*
 * Bytes as a JSON string.  They are UTF-8, as payloads are; those that are no
 * text, or none that the server's encoding holds, in hexadecimal.
 */
static void
set_string(JsonbValue *v, const char *bytes, size_t len)
{
	int			encoding = GetDatabaseEncoding();
	char	   *str = unconstify(char *, bytes);
	int			text_len = (int) len;

	if (!pg_verify_mbstr(PG_UTF8, bytes, (int) len, true))
		str = NULL;
	else if (encoding != PG_UTF8 && encoding != PG_SQL_ASCII)
		str = evaudit_utf8_to_server(bytes, len, &text_len);
	if (str == NULL)
	{
		char	   *hex = palloc(2 + 2 * len);

		memcpy(hex, "\\x", 2);
		(void) hex_encode(bytes, len, hex + 2);
		str = hex;
		text_len = (int) (2 + 2 * len);
	}
	v->type = jbvString;
	v->val.string.val = str;
	v->val.string.len = text_len;
}

/* Add a member to an object under construction. */
static void
push_member(EvauditJsonbState *state, const char *name, JsonbValue *v)
{
	JsonbValue	key;

	set_string(&key, name, strlen(name));
	evaudit_compat_jsonb_push(state, WJB_KEY, &key);
	evaudit_compat_jsonb_push(state, WJB_VALUE, v);
}

/* Add a member that is a string. */
static void
push_string(EvauditJsonbState *state, const char *name, const char *string)
{
	JsonbValue	v;

	set_string(&v, string, strlen(string));
	push_member(state, name, &v);
}

/* Add a member that is a number. */
static void
push_number(EvauditJsonbState *state, const char *name, int64 number)
{
	JsonbValue	v = {.type = jbvNumeric};

	v.val.numeric = int64_to_numeric(number);
	push_member(state, name, &v);
}

/* Where an event came from; NULL for one that was published. */
Jsonb *
evaudit_event_position(const EvauditEvent *event)
{
	EvauditJsonbState state = {0};

	if (event->stream == NULL)
		return NULL;
	evaudit_compat_jsonb_push(&state, WJB_BEGIN_OBJECT, NULL);
	if (event->message_id != NULL)
	{
		push_string(&state, "queue", event->stream);
		push_string(&state, "message_id", event->message_id);
		push_number(&state, "receive_count", event->receive_count);
	}
	else
	{
		push_string(&state, "topic", event->stream);
		push_number(&state, "partition", event->partition);
		push_number(&state, "offset", event->offset);
	}
	evaudit_compat_jsonb_push(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(state.result);
}

/* Its headers as an object; of those with one name the last stays. */
Jsonb *
evaudit_event_headers(const EvauditEvent *event)
{
	EvauditJsonbState state = {0};

	if (event->nheaders == 0)
		return NULL;
	evaudit_compat_jsonb_push(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < event->nheaders; i++)
	{
		const EvauditHeader *header = &event->headers[i];
		JsonbValue	v = {.type = jbvNull};

		if (header->value != NULL)
			set_string(&v, header->value, header->value_len);
		push_member(&state, header->name, &v);
	}
	evaudit_compat_jsonb_push(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(state.result);
}

/* A member that is a number; 0 if there is none. */
static int64
number_member(Jsonb *object, const char *name)
{
	JsonbValue *v = evaudit_jsonb_member(&object->root, name);

	if (v == NULL || v->type != jbvNumeric)
		return 0;
	return DatumGetInt64(DirectFunctionCall1(numeric_int8,
											 NumericGetDatum(v->val.numeric)));
}

/* Undo evaudit_event_position(). */
void
evaudit_event_set_position(EvauditEvent *event, Jsonb *position)
{
	if (!JB_ROOT_IS_OBJECT(position))
		return;
	event->message_id = evaudit_jsonb_text(&position->root, "message_id");
	if (event->message_id != NULL)
	{
		event->stream = evaudit_jsonb_text(&position->root, "queue");
		event->receive_count = (int) number_member(position, "receive_count");
	}
	else
	{
		event->stream = evaudit_jsonb_text(&position->root, "topic");
		event->partition = (int32) number_member(position, "partition");
		event->offset = number_member(position, "offset");
	}
}

/* Undo set_string(), as far as the string tells. */
static char *
string_as_utf8(const JsonbValue *v)
{
	char	   *str = pnstrdup(v->val.string.val, v->val.string.len);

	return pg_server_to_any(str, v->val.string.len, PG_UTF8);
}

/* Undo evaudit_event_headers(), as far as the document tells. */
void
evaudit_event_set_headers(EvauditEvent *event, Jsonb *headers)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;
	EvauditHeader *header = NULL;

	if (!JB_ROOT_IS_OBJECT(headers))
		return;
	event->headers = palloc0(Max(JB_ROOT_COUNT(headers), 1) *
							 sizeof(EvauditHeader));
	it = JsonbIteratorInit(&headers->root);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			header = &event->headers[event->nheaders++];
			header->name = string_as_utf8(&v);
		}
		else if (token == WJB_VALUE && v.type == jbvString)
		{
			header->value = string_as_utf8(&v);
			header->value_len = strlen(header->value);
		}
	}
}
