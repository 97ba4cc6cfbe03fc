/*-------------------------------------------------------------------------
 *
 * pattern.h
 *	  Regular expressions of ECMA-262, as JSON Schema has them, and of
 *	  Python, as access maps have them, by PCRE2.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_PATTERN_H
#define EVAUDIT_PATTERN_H

/* Longest pattern, in bytes. */
#define EVAUDIT_REGEX_MAX_LENGTH	10000

/* The pattern must match the whole text, not some part of it. */
#define EVAUDIT_REGEX_WHOLE			0x01

/* No machine code, which pays off only for many matches. */
#define EVAUDIT_REGEX_INTERPRET		0x02

/* The pattern is one of Python's module re. */
#define EVAUDIT_REGEX_PYTHON		0x04

typedef struct EvauditRegex EvauditRegex;

typedef enum EvauditRegexResult
{
	EVAUDIT_REGEX_MATCH,
	EVAUDIT_REGEX_NO_MATCH,
	EVAUDIT_REGEX_LIMIT			/* given up: it would take too long */
} EvauditRegexResult;

/*
 * Compile a pattern, in the server's encoding, to live in "context".  What is
 * not a regular expression gives NULL and the reason.
 */
extern EvauditRegex *evaudit_regex_compile(const char *pattern, size_t len,
										   int flags, MemoryContext context,
										   char **error);

/* How many bytes PCRE2 had to compile, which is a measure of its time. */
extern size_t evaudit_regex_size(const EvauditRegex *regex);

/*
 * Look for a match in a text of the server's encoding.  What that cost is
 * taken from *budget, in steps of some tens of nanoseconds; unless NULL, it
 * bounds the time, besides the limits that hold for every match.
 */
extern EvauditRegexResult evaudit_regex_match(const EvauditRegex *regex,
											  const char *str, size_t len,
											  int64 *budget);

#endif							/* EVAUDIT_PATTERN_H */
