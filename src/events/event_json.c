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
 * Bytes as a JSON string, if they are UTF-8, as payloads are, and the server's
 * encoding holds them.
 */
static bool
set_text(JsonbValue *v, const char *bytes, size_t len)
{
	int			encoding = GetDatabaseEncoding();
	char	   *str = unconstify(char *, bytes);
	int			text_len = (int) len;

	if (!pg_verify_mbstr(PG_UTF8, bytes, (int) len, true))
		return false;
	if (encoding != PG_UTF8 && encoding != PG_SQL_ASCII)
		str = evaudit_utf8_to_server(bytes, len, &text_len);
	v->type = jbvString;
	v->val.string.val = str;
	v->val.string.len = text_len;
	return str != NULL;
}

/* The same; what is no text in hexadecimal. */
static void
set_string(JsonbValue *v, const char *bytes, size_t len)
{
	char	   *hex;

	if (set_text(v, bytes, len))
		return;
	hex = palloc(2 + 2 * len);
	memcpy(hex, "\\x", 2);
	(void) hex_encode(bytes, len, hex + 2);
	v->type = jbvString;
	v->val.string.val = hex;
	v->val.string.len = (int) (2 + 2 * len);
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

/* Add the value of a header: null, a text, or {"hex": ...}. */
static void
push_header_value(EvauditJsonbState *state, JsonbIteratorToken token,
				  const EvauditHeader *header)
{
	JsonbValue	v = {.type = jbvNull};
	char	   *hex;

	if (header->value == NULL || set_text(&v, header->value, header->value_len))
	{
		evaudit_compat_jsonb_push(state, token, &v);
		return;
	}
	hex = palloc(2 * header->value_len + 1);
	hex[hex_encode(header->value, header->value_len, hex)] = '\0';
	evaudit_compat_jsonb_push(state, WJB_BEGIN_OBJECT, NULL);
	push_string(state, "hex", hex);
	evaudit_compat_jsonb_push(state, WJB_END_OBJECT, NULL);
}

/* Compare two headers by name, then by their order. */
static int
by_name(const void *a, const void *b)
{
	const EvauditHeader *const *x = a;
	const EvauditHeader *const *y = b;
	int			order = strcmp((*x)->name, (*y)->name);

	return order != 0 ? order : (*x > *y) - (*x < *y);
}

/*
 * Its headers as an object; several of one name are an array, in their order.
 */
Jsonb *
evaudit_event_headers(const EvauditEvent *event)
{
	EvauditJsonbState state = {0};
	const EvauditHeader **sorted;
	JsonbValue	key;

	if (event->nheaders == 0)
		return NULL;
	sorted = palloc(event->nheaders * sizeof(EvauditHeader *));
	for (int i = 0; i < event->nheaders; i++)
		sorted[i] = &event->headers[i];
	qsort(sorted, event->nheaders, sizeof(EvauditHeader *), by_name);

	evaudit_compat_jsonb_push(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0, next; i < event->nheaders; i = next)
	{
		for (next = i + 1; next < event->nheaders &&
			 strcmp(sorted[i]->name, sorted[next]->name) == 0; next++)
			;
		set_string(&key, sorted[i]->name, strlen(sorted[i]->name));
		evaudit_compat_jsonb_push(&state, WJB_KEY, &key);
		if (next == i + 1)
		{
			push_header_value(&state, WJB_VALUE, sorted[i]);
			continue;
		}
		evaudit_compat_jsonb_push(&state, WJB_BEGIN_ARRAY, NULL);
		for (int j = i; j < next; j++)
			push_header_value(&state, WJB_ELEM, sorted[j]);
		evaudit_compat_jsonb_push(&state, WJB_END_ARRAY, NULL);
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

/* Bytes that a header's value of the form {"hex": ...} stands for. */
static void
set_hex_value(EvauditHeader *header, JsonbContainer *object)
{
	char	   *hex = evaudit_jsonb_text(object, "hex");
	size_t		len = hex == NULL ? 0 : strlen(hex);

	if (hex == NULL || len % 2 != 0 ||
		strspn(hex, "0123456789abcdefABCDEF") != len)
		return;
	header->value = palloc(len / 2 + 1);
	header->value_len = hex_decode(hex, len, unconstify(char *, header->value));
}

/* Add a header of a name, with a value of evaudit_event_headers(). */
static void
add_header(EvauditEvent *event, const char *name, const JsonbValue *v)
{
	EvauditHeader *header;

	if (event->headers == NULL)
		event->headers = palloc(sizeof(EvauditHeader));
	else
		event->headers = repalloc(event->headers, (event->nheaders + 1) *
								  sizeof(EvauditHeader));
	header = &event->headers[event->nheaders++];
	*header = (EvauditHeader)
	{
		.name = name
	};
	if (v->type == jbvString)
	{
		header->value = string_as_utf8(v);
		header->value_len = strlen(header->value);
	}
	else if (v->type == jbvBinary && JsonContainerIsObject(v->val.binary.data))
		set_hex_value(header, v->val.binary.data);
}

/* Undo evaudit_event_headers(), as far as the document tells. */
void
evaudit_event_set_headers(EvauditEvent *event, Jsonb *headers)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;
	char	   *name = NULL;

	if (!JB_ROOT_IS_OBJECT(headers))
		return;
	it = JsonbIteratorInit(&headers->root);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = string_as_utf8(&v);
		else if (token == WJB_VALUE && v.type == jbvBinary &&
				 JsonContainerIsArray(v.val.binary.data))
		{
			JsonbContainer *array = v.val.binary.data;

			for (uint32 i = 0; i < JsonContainerSize(array); i++)
				add_header(event, name, getIthJsonbValueFromContainer(array, i));
		}
		else if (token == WJB_VALUE)
			add_header(event, name, &v);
	}
}
