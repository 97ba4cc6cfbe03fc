/*-------------------------------------------------------------------------
 *
 * json.c
 *	  JSON that outside services speak, over cJSON.
 *
 * A parsed document lives in a memory context and goes with it.  cJSON has
 * one pair of allocation functions for the process, which are ours only
 * while we parse: others may use the library, too.  They raise no ERROR, so
 * no longjmp crosses cJSON.  The toolbox for JSON that strangers wrote
 * (json_text.h) bounds the nesting, since cJSON recurses; whoever read the
 * text has bounded its size.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <cjson/cJSON.h>

#include "utils/memutils.h"

#include "text/json.h"
#include "text/json_text.h"

/* How deep a document may nest. */
#define MAX_DEPTH	1000

/* Memory for cJSON. */
static void *
allocate(size_t size)
{
	return MemoryContextAllocExtended(CurrentMemoryContext, size,
									  MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
}

/* cJSON gives memory back, after a fault in the document. */
static void
release(void *pointer)
{
	if (pointer != NULL)
		pfree(pointer);
}

/*
 * Write U+FFFD for each escaped NUL, where a string would seem to end.  An
 * even number of backslashes before it are characters, and no escape.
 */
static void
replace_nul(char *str, size_t len)
{
	char	   *end = str + len;
	char	   *found = str;

	while ((found = memmem(found, end - found, "\\u0000", 6)) != NULL)
	{
		char	   *first = found;

		while (first > str && first[-1] == '\\')
			first--;
		if ((found - first) % 2 == 0)
			memcpy(found, "\\ufffd", 6);
		found += 6;
	}
}

/* Parse a document into the current memory context; NULL if it is none. */
EvauditJson *
evaudit_json_parse(char *str, size_t len)
{
	cJSON_Hooks ours = {.malloc_fn = allocate,.free_fn = release};
	const char *end;
	cJSON	   *json;

	replace_nul(str, len);
	cJSON_InitHooks(&ours);
	json = cJSON_ParseWithLengthOpts(str, len, &end, false);
	cJSON_InitHooks(NULL);
	if (json == NULL)
		return NULL;
	while (end < str + len && strchr(" \t\r\n", *end) != NULL && *end != '\0')
		end++;
	return end == str + len ? json : NULL;
}

/* Whether a document is an object. */
bool
evaudit_json_is_object(const EvauditJson *json)
{
	return cJSON_IsObject(json);
}

/* Whether a value is true; json may be NULL. */
bool
evaudit_json_is_true(const EvauditJson *json)
{
	return cJSON_IsTrue(json);
}

/* Whether a value is an array; json may be NULL. */
bool
evaudit_json_is_array(const EvauditJson *json)
{
	return cJSON_IsArray(json);
}

/* The value of a member, or NULL if there is none; json may be NULL. */
const EvauditJson *
evaudit_json_get(const EvauditJson *json, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(json, name);
}

/* The string that a member is, or NULL if it is none; json may be NULL. */
const char *
evaudit_json_string(const EvauditJson *json, const char *name)
{
	return cJSON_GetStringValue(evaudit_json_get(json, name));
}

/* The number that a member is; also one in a string.  False if none. */
bool
evaudit_json_number(const EvauditJson *json, const char *name, double *number)
{
	const cJSON *value = evaudit_json_get(json, name);
	const char *str = cJSON_GetStringValue(value);
	char	   *end;

	if (cJSON_IsNumber(value))
	{
		*number = value->valuedouble;
		return true;
	}
	if (str == NULL || *str == '\0')
		return false;
	errno = 0;
	*number = strtod(str, &end);
	return errno == 0 && *end == '\0';
}

/* The first element or member of a value, or NULL. */
const EvauditJson *
evaudit_json_first(const EvauditJson *json)
{
	return json == NULL ? NULL : json->child;
}

/* The element or member after another, or NULL. */
const EvauditJson *
evaudit_json_next(const EvauditJson *json)
{
	return json->next;
}

/* The name of a member. */
const char *
evaudit_json_name(const EvauditJson *json)
{
	return json->string;
}

/* Each byte of a word. */
#define EACH(byte)		(UINT64CONST(0x0101010101010101) * (byte))

/* Whether a word has a byte that is zero. */
#define HAS_ZERO(word)	(((word) - EACH(1)) & ~(word) & EACH(0x80))

/* Whether none of the eight bytes at a place needs an escape in a string. */
static inline bool
is_plain(const char *p)
{
	uint64		word;

	memcpy(&word, p, sizeof(word));
	return (((word - EACH(' ')) & ~word & EACH(0x80)) |
			HAS_ZERO(word ^ EACH('"')) | HAS_ZERO(word ^ EACH('\\'))) == 0;
}

/* The letter that stands for a character behind a backslash; 0: none. */
static char
letter_of(char c)
{
	switch (c)
	{
		case '\b':
			return 'b';
		case '\f':
			return 'f';
		case '\n':
			return 'n';
		case '\r':
			return 'r';
		case '\t':
			return 't';
		case '"':
		case '\\':
			return c;
		default:
			return 0;
	}
}

/* Append a string with its quotes; letters: control characters by theirs. */
static void
quote(StringInfo out, const char *str, size_t len, bool letters)
{
	const char *end = str + len;
	const char *copied = str;

	appendStringInfoChar(out, '"');
	while (str < end)
	{
		if (end - str >= sizeof(uint64) && is_plain(str))
		{
			str += sizeof(uint64);
			continue;
		}
		if ((unsigned char) *str < ' ' || *str == '"' || *str == '\\')
		{
			char		letter = letter_of(*str);

			appendBinaryStringInfo(out, copied, (int) (str - copied));
			if (letter != 0 && (letters || letter == *str))
				appendStringInfo(out, "\\%c", letter);
			else
				appendStringInfo(out, "\\u%04x", (unsigned char) *str);
			copied = str + 1;
		}
		str++;
	}
	appendBinaryStringInfo(out, copied, (int) (end - copied));
	appendStringInfoChar(out, '"');
}

/* Append a string with its quotes. */
void
evaudit_json_quote(StringInfo str, const char *string, size_t len)
{
	quote(str, string, len, false);
}

/* Append a string with its quotes, as escape_json() writes it. */
void
evaudit_json_quote_as_jsonb(StringInfo str, const char *string, size_t len)
{
	quote(str, string, len, true);
}
