/*-------------------------------------------------------------------------
 *
 * pattern.c
 *	  Regular expressions by PCRE2, with bounds on time and memory.
 *
 * The engine backtracks, so that a pattern can take time exponential in the
 * text's length.  Each match is tried with a small limit of backtracking
 * first and, only when that was not enough, with larger ones: nearly every
 * match ends in the first attempt, and what a match costs is known to a
 * constant factor, to be taken from the caller's budget.  A match cannot be
 * interrupted, but the largest limit is some tenths of a second.
 *
 * Memory: compiled code is PCRE2's own, for machine code cannot be palloced;
 * it is released when the memory context of the regex is.  Nothing here
 * calls back into the server from within the library.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "text/pattern.h"
#include "text/pattern_ecma.h"
#include "text/pattern_python.h"

/* Backtracking that each attempt at a match may do. */
static const uint32 attempts[] = {1000, 100000, 5000000};

/* How much backtracking costs as much as a step of the budget. */
#define BACKTRACKS_PER_STEP		10

/* How many bytes are scanned at the price of a step. */
#define BYTES_PER_STEP			16

/* The price of the first attempt, and of a stack for one match. */
#define STEPS_PER_MATCH			10
#define STEPS_PER_STACK			500000

/*
 * Bytes of stack for machine code, kept by the backend and for one match, and
 * kilobytes of heap for the interpreter.
 */
#define JIT_STACK				(1024 * 1024)
#define JIT_STACK_ONCE			(128 * 1024 * 1024)
#define HEAP_LIMIT				(128 * 1024)

struct EvauditRegex
{
	MemoryContextCallback callback;
	pcre2_code *code;
	pcre2_match_data *match;
	size_t		size;			/* of the translated pattern */
};

/* For all matches of the backend; its stack grows with need. */
static pcre2_match_context *match_context = NULL;
static pcre2_jit_stack *jit_stack = NULL;

/* The memory context of a regex goes away. */
static void
release(void *arg)
{
	EvauditRegex *regex = arg;

	pcre2_match_data_free(regex->match);
	pcre2_code_free(regex->code);
}

/* Make what all matches share; false without memory. */
static bool
init_match_context(void)
{
	pcre2_match_context *context;

	if (match_context != NULL)
		return true;
	context = pcre2_match_context_create(NULL);
	if (context == NULL)
		return false;
	jit_stack = pcre2_jit_stack_create(32 * 1024, JIT_STACK, NULL);
	pcre2_jit_stack_assign(context, NULL, jit_stack);
	pcre2_set_heap_limit(context, HEAP_LIMIT);
	match_context = context;
	return true;
}

/* Have PCRE2 compile a translated pattern. */
static pcre2_code *
compile_code(const StringInfo pattern, int flags, char **error)
{
	uint32		options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY;
	pcre2_code *code;
	PCRE2_UCHAR message[256];
	PCRE2_SIZE	offset;
	int			number;

	/* SQL_ASCII can hold any bytes */
	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		options |= PCRE2_MATCH_INVALID_UTF;
	else
		options |= PCRE2_NO_UTF_CHECK;
	/* a group that took no part: ECMA-262 has it empty, Python no match */
	if ((flags & EVAUDIT_REGEX_PYTHON) == 0)
		options |= PCRE2_MATCH_UNSET_BACKREF;
	if (flags & EVAUDIT_REGEX_WHOLE)
		options |= PCRE2_ANCHORED | PCRE2_ENDANCHORED;
	code = pcre2_compile((PCRE2_SPTR) pattern->data, pattern->len, options,
						 &number, &offset, NULL);
	if (code == NULL)
	{
		if (pcre2_get_error_message(number, message, sizeof(message)) < 0)
			strlcpy((char *) message, "not understood", sizeof(message));
		*error = pstrdup((char *) message);
		return NULL;
	}
#ifndef EVAUDIT_VALGRIND

	/*
	 * Without machine code, it is interpreted: so it is under Valgrind, since
	 * the code reads whole words around a text.
	 */
	if ((flags & EVAUDIT_REGEX_INTERPRET) == 0)
		(void) pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
#endif
	return code;
}

/* See pattern.h. */
EvauditRegex *
evaudit_regex_compile(const char *pattern, size_t len, int flags,
					  MemoryContext context, char **error)
{
	EvauditRegex *regex;
	StringInfoData translated;
	const char *reason;
	char	   *utf8;

	if (len > EVAUDIT_REGEX_MAX_LENGTH)
	{
		*error = psprintf("longer than %d bytes", EVAUDIT_REGEX_MAX_LENGTH);
		return NULL;
	}
	utf8 = pg_server_to_any(pattern, (int) len, PG_UTF8);
	if (utf8 != pattern)
		len = strlen(utf8);
	initStringInfo(&translated);
	reason = flags & EVAUDIT_REGEX_PYTHON ?
		evaudit_regex_translate_python(utf8, len, &translated) :
		evaudit_regex_translate(utf8, len, &translated);
	if (reason != NULL)
	{
		*error = pstrdup(reason);
		return NULL;
	}

	regex = MemoryContextAllocZero(context, sizeof(EvauditRegex));
	if (!init_match_context())
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	regex->size = translated.len;
	regex->code = compile_code(&translated, flags, error);
	pfree(translated.data);
	if (regex->code == NULL)
		return NULL;
	regex->match = pcre2_match_data_create(1, NULL);
	if (regex->match == NULL)
	{
		pcre2_code_free(regex->code);
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	}
	regex->callback.func = release;
	regex->callback.arg = regex;
	MemoryContextRegisterResetCallback(context, &regex->callback);
	return regex;
}

/* See pattern.h. */
size_t
evaudit_regex_size(const EvauditRegex *regex)
{
	return regex->size;
}

/* Take steps from a budget; false when it is used up. */
static bool
spend(int64 *budget, int64 steps)
{
	if (budget == NULL)
		return true;
	*budget -= steps;
	return *budget >= 0;
}

/* Match with the limits and the stack of the match context. */
static int
match_once(const EvauditRegex *regex, const char *str, size_t len)
{
	/* SQL_ASCII can hold any bytes */
	uint32		options = GetDatabaseEncoding() == PG_SQL_ASCII ?
		0 : PCRE2_NO_UTF_CHECK;

	return pcre2_match(regex->code, (PCRE2_SPTR) str, len, 0, options,
					   regex->match, match_context);
}

/* The same with a larger stack, which is given back at once. */
static int
match_with_stack(const EvauditRegex *regex, const char *str, size_t len)
{
	pcre2_jit_stack *stack = pcre2_jit_stack_create(JIT_STACK, JIT_STACK_ONCE,
													NULL);
	int			result;

	if (stack == NULL)
		return PCRE2_ERROR_JIT_STACKLIMIT;
	pcre2_jit_stack_assign(match_context, NULL, stack);
	result = match_once(regex, str, len);
	pcre2_jit_stack_assign(match_context, NULL, jit_stack);
	pcre2_jit_stack_free(stack);
	return result;
}

/* Try to match, with more backtracking each time. */
static EvauditRegexResult
match_utf8(const EvauditRegex *regex, const char *str, size_t len,
		   int64 *budget)
{
	if (!spend(budget, STEPS_PER_MATCH + (int64) (len / BYTES_PER_STEP)))
		return EVAUDIT_REGEX_LIMIT;
	for (int i = 0; i < lengthof(attempts); i++)
	{
		int			result;

		if (i > 0)
		{
			CHECK_FOR_INTERRUPTS();
			if (!spend(budget, attempts[i] / BACKTRACKS_PER_STEP))
				return EVAUDIT_REGEX_LIMIT;
		}
		pcre2_set_match_limit(match_context, attempts[i]);
		pcre2_set_depth_limit(match_context, attempts[i]);
		result = match_once(regex, str, len);
		if (result == PCRE2_ERROR_JIT_STACKLIMIT)
		{
			if (!spend(budget, STEPS_PER_STACK))
				return EVAUDIT_REGEX_LIMIT;
			result = match_with_stack(regex, str, len);
		}
		if (result >= 0)
			return EVAUDIT_REGEX_MATCH;
		if (result == PCRE2_ERROR_NOMATCH)
			return EVAUDIT_REGEX_NO_MATCH;
		if (result != PCRE2_ERROR_MATCHLIMIT &&
			result != PCRE2_ERROR_DEPTHLIMIT)
			break;
	}
	return EVAUDIT_REGEX_LIMIT;
}

/* See pattern.h. */
EvauditRegexResult
evaudit_regex_match(const EvauditRegex *regex, const char *str, size_t len,
					int64 *budget)
{
	EvauditRegexResult result;
	char	   *copy = NULL;
	char	   *utf8;

	if (GetDatabaseEncoding() == PG_UTF8 ||
		GetDatabaseEncoding() == PG_SQL_ASCII)
		return match_utf8(regex, str, len, budget);

	/* the conversion wants a terminating zero, which texts do not have */
	copy = pnstrdup(str, len);
	utf8 = pg_server_to_any(copy, (int) len, PG_UTF8);
	result = match_utf8(regex, utf8, utf8 == copy ? len : strlen(utf8),
						budget);
	if (utf8 != copy)
		pfree(utf8);
	pfree(copy);
	return result;
}
