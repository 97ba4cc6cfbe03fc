/*-------------------------------------------------------------------------
 *
 * json_error.c
 *	  Where a text stops being JSON, in the words of Python's decoder.
 *
 * Clients of an event logger that is written for FastAPI read these words and
 * the character they are at.  The text has been found malformed by Postgres'
 * parser before; this one looks for nothing but the place, in one pass and in
 * constant memory: of the containers that are open only their kind is kept,
 * in a bit each.  Texts that nest deeper have no words here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "http/json_error.h"
#include "text/ascii.h"
#include "text/json_text.h"

typedef struct Scan
{
	const char *start;
	const char *p;
	const char *end;
	const char *error;			/* NULL: none so far */
	const char *place;			/* of the error */
	uint64		objects[(EVAUDIT_JSON_MAX_DEPTH + 63) / 64];
	int			depth;			/* containers that are open */
} Scan;

/* Note an error; false. */
static bool
fail(Scan *scan, const char *error, const char *place)
{
	scan->error = error;
	scan->place = place;
	return false;
}

/* Skip white space. */
static void
skip_space(Scan *scan)
{
	while (scan->p < scan->end && *scan->p != '\0' &&
		   strchr(" \t\n\r", *scan->p) != NULL)
		scan->p++;
}

/* Whether the next character is this one. */
static bool
is_next(const Scan *scan, char c)
{
	return scan->p < scan->end && *scan->p == c;
}

/* The four digits behind \u, which may not end the text. */
static bool
read_escape(Scan *scan)
{
	const char *first = scan->p + 2;

	for (int i = 0; i < 4; i++)
	{
		if (first + i >= scan->end || evaudit_hex_digit(first[i]) < 0)
			return fail(scan, "Invalid \\uXXXX escape", first - 1);
	}
	scan->p += 6;
	return true;
}

/* Skip a string, whose first quote is next. */
static bool
read_string(Scan *scan)
{
	const char *quote = scan->p++;

	while (scan->p < scan->end)
	{
		char		c = *scan->p;

		if (c == '"')
		{
			scan->p++;
			return true;
		}
		if ((unsigned char) c < 0x20)
			return fail(scan, "Invalid control character at", scan->p);
		if (c != '\\')
			scan->p++;
		else if (scan->p + 1 == scan->end)
			break;
		else if (scan->p[1] == 'u')
		{
			if (!read_escape(scan))
				return false;
		}
		else if (strchr("\"\\/bfnrt", scan->p[1]) == NULL ||
				 scan->p[1] == '\0')
			return fail(scan, "Invalid \\escape", scan->p);
		else
			scan->p += 2;
	}
	return fail(scan, "Unterminated string starting at", quote);
}

/* Skip digits; whether there were any. */
static bool
skip_digits(const char **p, const char *end)
{
	const char *first = *p;

	while (*p < end && evaudit_is_digit(**p))
		(*p)++;
	return *p > first;
}

/*
 * Skip a number: as much of it as is one, so that what follows is wrong, not
 * the number.
 */
static bool
read_number(Scan *scan)
{
	const char *p = scan->p;
	const char *part;

	if (p < scan->end && *p == '-')
		p++;
	if (p < scan->end && *p == '0')
		p++;
	else if (!skip_digits(&p, scan->end))
		return fail(scan, "Expecting value", scan->p);
	part = p + 1;
	if (p < scan->end && *p == '.' && skip_digits(&part, scan->end))
		p = part;
	part = p + 1;
	if (p < scan->end && (*p | 0x20) == 'e')
	{
		if (part < scan->end && (*part == '-' || *part == '+'))
			part++;
		if (skip_digits(&part, scan->end))
			p = part;
	}
	scan->p = p;
	return true;
}

/* Skip a word that stands for a value, or a number. */
static bool
read_scalar(Scan *scan)
{
	static const char *const words[] = {"null", "true", "false", "NaN",
	"Infinity", "-Infinity"};

	for (int i = 0; i < lengthof(words); i++)
	{
		size_t		len = strlen(words[i]);

		if (scan->end - scan->p >= len && memcmp(scan->p, words[i], len) == 0)
		{
			scan->p += len;
			return true;
		}
	}
	return read_number(scan);
}

/* A member's name and its colon. */
static bool
read_name(Scan *scan)
{
	if (!is_next(scan, '"'))
		return fail(scan, "Expecting property name enclosed in double quotes",
					scan->p);
	if (!read_string(scan))
		return false;
	skip_space(scan);
	if (!is_next(scan, ':'))
		return fail(scan, "Expecting ':' delimiter", scan->p);
	scan->p++;
	skip_space(scan);
	return true;
}

/* Whether the innermost container that is open is an object. */
static bool
in_object(const Scan *scan)
{
	int			n = scan->depth - 1;

	return (scan->objects[n / 64] & UINT64CONST(1) << (n % 64)) != 0;
}

/*
 * Open a container; *closed if it is empty, and closed again.  False at an
 * error.
 */
static bool
open_container(Scan *scan, bool *closed)
{
	bool		object = *scan->p++ == '{';
	int			n = scan->depth++;
	uint64		bit = UINT64CONST(1) << (n % 64);

	if (n >= EVAUDIT_JSON_MAX_DEPTH)
		return false;
	scan->objects[n / 64] = object ? scan->objects[n / 64] | bit :
		scan->objects[n / 64] & ~bit;
	skip_space(scan);
	*closed = is_next(scan, object ? '}' : ']');
	if (!*closed)
		return !object || read_name(scan);
	scan->p++;
	scan->depth--;
	return true;
}

/* What follows a value: the end of containers, or the next value. */
static bool
read_delimiters(Scan *scan)
{
	while (scan->depth > 0)
	{
		bool		object = in_object(scan);

		skip_space(scan);
		if (is_next(scan, object ? '}' : ']'))
		{
			scan->p++;
			scan->depth--;
			continue;
		}
		if (!is_next(scan, ','))
			return fail(scan, "Expecting ',' delimiter", scan->p);
		scan->p++;
		skip_space(scan);
		return !object || read_name(scan);
	}
	return true;
}

/* The number of characters between two places. */
static int
count_characters(const char *p, const char *end)
{
	int			n = 0;

	for (; p < end; p++)
		n += ((unsigned char) *p & 0xc0) != 0x80;
	return n;
}

/* See json_error.h. */
const char *
evaudit_json_error_of_python(const char *json, size_t len, int *place)
{
	Scan		scan = {.start = json,.p = json,.end = json + len};

	skip_space(&scan);
	do
	{
		bool		closed = true;

		if (is_next(&scan, '{') || is_next(&scan, '['))
		{
			if (!open_container(&scan, &closed))
				break;
		}
		else if (is_next(&scan, '"') ? !read_string(&scan) :
				 !read_scalar(&scan))
			break;
		if (closed && !read_delimiters(&scan))
			break;
	} while (scan.depth > 0);
	if (scan.error == NULL && scan.depth == 0)
	{
		skip_space(&scan);
		if (scan.p < scan.end)
			(void) fail(&scan, "Extra data", scan.p);
	}
	if (scan.error != NULL)
		*place = count_characters(json, scan.place);
	return scan.error;
}
