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

/* Whether a byte stands for itself in a string. */
static inline bool
is_plain(unsigned char c)
{
	return c >= 0x20 && c != '"' && c != '\\';
}

/* Append a string with its quotes. */
void
evaudit_json_quote(StringInfo str, const char *string, size_t len)
{
	size_t		begin = 0;

	appendStringInfoCharMacro(str, '"');
	for (size_t i = 0; i < len; i++)
	{
		if (is_plain(string[i]))
			continue;
		appendBinaryStringInfo(str, string + begin, (int) (i - begin));
		begin = i + 1;
		if (string[i] == '"' || string[i] == '\\')
		{
			appendStringInfoCharMacro(str, '\\');
			appendStringInfoCharMacro(str, string[i]);
		}
		else
			appendStringInfo(str, "\\u%04x", (unsigned char) string[i]);
	}
	appendBinaryStringInfo(str, string + begin, (int) (len - begin));
	appendStringInfoCharMacro(str, '"');
}
