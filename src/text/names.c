/*-------------------------------------------------------------------------
 *
 * names.c
 *	  Lists of names and patterns that say which topics are meant.
 *
 * A value that begins with "^" is a regular expression of ECMA-262
 * (pattern.h).  Anybody may give one who may create a source or a sink, so a
 * decision has a budget: it takes some milliseconds at most, whatever the
 * patterns are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "text/names.h"
#include "text/pattern.h"

/* What the patterns of a list may cost for one name: see text/pattern.h. */
#define MATCH_BUDGET	100000

/* Whether a value is a pattern, not a name. */
bool
evaudit_name_is_pattern(const char *name)
{
	return name[0] == '^';
}

/* Compile a pattern to live in the current memory context; see pattern.h. */
static EvauditRegex *
compile(const char *pattern, char **error)
{
	return evaudit_regex_compile(pattern, strlen(pattern),
								 EVAUDIT_REGEX_INTERPRET,
								 CurrentMemoryContext, error);
}

/* Raise an ERROR for a pattern, of "what", that is none. */
void
evaudit_check_name_pattern(const char *what, const char *pattern)
{
	char	   *error;

	if (compile(pattern, &error) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_REGULAR_EXPRESSION),
				 errmsg("invalid pattern of %s \"%s\": %s",
						what, pattern, error)));
}

/* What a pattern says of a name. */
static EvauditNameMatch
match_pattern(const char *pattern, const char *name, int64 *budget)
{
	char	   *error;
	EvauditRegex *regex = compile(pattern, &error);

	if (regex == NULL)
		return EVAUDIT_NAME_INVALID;
	switch (evaudit_regex_match(regex, name, strlen(name), budget))
	{
		case EVAUDIT_REGEX_MATCH:
			return EVAUDIT_NAME_WANTED;
		case EVAUDIT_REGEX_NO_MATCH:
			return EVAUDIT_NAME_UNWANTED;
		default:
			return EVAUDIT_NAME_TOO_COMPLEX;
	}
}

/*
 * What names and patterns, a list of char *, say of a name.  The first that
 * wants it, or cannot tell, decides, and is left in *decisive.
 */
EvauditNameMatch
evaudit_names_match(List *names, const char *name,
					EvauditNameReserved reserved, const char **decisive)
{
	int64		budget = MATCH_BUDGET;
	EvauditNameMatch match = EVAUDIT_NAME_UNWANTED;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "evaudit topic patterns",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);
	ListCell   *lc;

	foreach(lc, names)
	{
		const char *value = lfirst(lc);

		*decisive = value;
		if (!evaudit_name_is_pattern(value))
			match = strcmp(value, name) == 0 ?
				EVAUDIT_NAME_WANTED : EVAUDIT_NAME_UNWANTED;
		else if (!reserved(value, name))
			match = match_pattern(value, name, &budget);
		if (match != EVAUDIT_NAME_UNWANTED)
			break;
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(context);
	return match;
}
