/*-------------------------------------------------------------------------
 *
 * json_text.h
 *	  JSON that strangers wrote: bounded, checked, parsed by Postgres.
 *
 * The way from bytes to a document has three steps, each of which returns a
 * status and raises no ERROR for what the bytes are:
 *
 *	  evaudit_json_prepare()	size, encoding and depth; json_prepare.c
 *	  evaudit_json_visit()		grammar, numbers, members; json_visit.c
 *	  evaudit_json_to_jsonb()	what passed the other two; json_visit.c
 *
 * A text is bounded in bytes and depth before it is parsed, and in the number
 * of its values and the digits of its numbers before any becomes a numeric:
 * 1e131071 has 8 bytes and 131,072 digits.  What is already jsonb is bounded alike (jsonb_limits.h).
 * json_scan.c has what looks at the bytes themselves.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_JSON_TEXT_H
#define EVAUDIT_JSON_TEXT_H

#include "server/compat.h"

/* How deep a text may nest, counting its outermost container as 1. */
#define EVAUDIT_JSON_MAX_DEPTH		128

/* Members and elements that a text may have, in all of its containers. */
#define EVAUDIT_JSON_MAX_VALUES		1000000

/* Digits that a number may have when it is written out, without exponent. */
#define EVAUDIT_JSON_MAX_DIGITS		1024

typedef enum EvauditJsonStatus
{
	EVAUDIT_JSON_OK = 0,
	EVAUDIT_JSON_EMPTY,			/* no bytes */
	EVAUDIT_JSON_TOO_LARGE,		/* more bytes than the caller allows */
	EVAUDIT_JSON_TOO_DEEP,
	EVAUDIT_JSON_TOO_MANY,		/* members and elements */
	EVAUDIT_JSON_NUMBER_TOO_LARGE,
	EVAUDIT_JSON_NOT_UTF8,
	EVAUDIT_JSON_UNTRANSLATABLE,	/* a character that the server's encoding
									 * cannot hold */
	EVAUDIT_JSON_BAD_ESCAPE,	/* \u0000, or half of a surrogate pair */
	EVAUDIT_JSON_MALFORMED,
	EVAUDIT_JSON_NOT_AN_OBJECT,
	EVAUDIT_JSON_REPEATED_MEMBER
} EvauditJsonStatus;

/* A prepared text, in the server's encoding, not terminated by a zero. */
typedef struct EvauditJsonText
{
	const char *json;
	int			len;
	bool		has_escapes;	/* a backslash is in it */
	int			bad_byte;		/* where it is not UTF-8, or where a number is
								 * too large, from 0 */
	const char *detail;			/* what the parser says, unless it is good */
} EvauditJsonText;

/*
 * A value as it stands in the text; without the escapes of a string.  Type
 * JSON_TOKEN_INVALID: none.  Containers have no text.
 */
typedef struct EvauditJsonValue
{
	JsonTokenType type;
	const char *text;
	int			len;
} EvauditJsonValue;

/* Where a visit is: passed to the visitor's functions. */
typedef struct EvauditJsonCursor EvauditJsonCursor;

/*
 * Called for each member of an object and each element of an array, before
 * what is in it.  Members of the outermost container have level 1; elements
 * count from 0.  Either may be NULL.
 */
typedef struct EvauditJsonVisitor
{
	void		(*member) (void *state, int level,
						   const EvauditJsonCursor *cursor);
	void		(*element) (void *state, int level, int index,
							const EvauditJsonCursor *cursor);
	void	   *state;
} EvauditJsonVisitor;

/* json_prepare.c */
extern EvauditJsonStatus evaudit_json_prepare(const char *bytes, size_t len,
											  size_t max_bytes,
											  MemoryContext scratch,
											  EvauditJsonText *input);
extern char *evaudit_utf8_to_server(const char *bytes, size_t len,
									int *result_len);

/* json_visit.c; both allocate in the current memory context */
extern EvauditJsonStatus evaudit_json_visit(EvauditJsonText *input,
											const EvauditJsonVisitor *visitor);
extern Jsonb *evaudit_json_to_jsonb(const EvauditJsonText *input);
extern const char *evaudit_json_cursor_name(const EvauditJsonCursor *cursor,
											int *len);
extern void evaudit_json_cursor_value(const EvauditJsonCursor *cursor,
									  EvauditJsonValue *value);

/* json_scan.c */
extern EvauditJsonStatus evaudit_json_scan_depth(const char *json, size_t len,
												 int max_depth);
extern EvauditJsonStatus evaudit_json_scan_number(const char *number,
												  size_t len);
extern EvauditJsonStatus evaudit_json_scan_escapes(const char *json,
												   size_t len,
												   Oid conversion);
extern const char *evaudit_json_scan_string(const char *p, const char *end);
extern EvauditJsonStatus evaudit_json_scan_member(const char *json,
												  size_t len,
												  const char *name,
												  const char **value,
												  size_t *value_len);

#endif							/* EVAUDIT_JSON_TEXT_H */
