/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  Arguments of functions that are not strict.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "server/arguments.h"

/* Refuse a NULL. */
static void
require(FunctionCallInfo fcinfo, int i, const char *name)
{
	if (PG_ARGISNULL(i))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" of evaudit.%s() must not be null",
						name, get_func_name(fcinfo->flinfo->fn_oid))));
}

/* See arguments.h. */
char *
evaudit_text_argument(FunctionCallInfo fcinfo, int i, const char *name)
{
	require(fcinfo, i, name);
	return text_to_cstring(PG_GETARG_TEXT_PP(i));
}

/* See arguments.h. */
Jsonb *
evaudit_jsonb_argument(FunctionCallInfo fcinfo, int i, const char *name)
{
	require(fcinfo, i, name);
	return PG_GETARG_JSONB_P(i);
}

/* See arguments.h. */
char *
evaudit_text_argument_or_null(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(i));
}

/* See arguments.h. */
Jsonb *
evaudit_jsonb_argument_or_null(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : PG_GETARG_JSONB_P(i);
}
