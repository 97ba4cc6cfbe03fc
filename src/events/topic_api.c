/*-------------------------------------------------------------------------
 *
 * topic_api.c
 *	  create_topic() and its kin: topics as users handle them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "events/topic_store.h"

PG_FUNCTION_INFO_V1(evaudit_create_topic);
PG_FUNCTION_INFO_V1(evaudit_alter_topic);
PG_FUNCTION_INFO_V1(evaudit_drop_topic);

/* A text argument that must be given. */
static char *
name_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("name of a topic must not be null")));
	return text_to_cstring(PG_GETARG_TEXT_PP(0));
}

/* A document argument, or NULL. */
static Jsonb *
jsonb_argument(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : PG_GETARG_JSONB_P(i);
}

/* create_topic(name text, schema jsonb, options jsonb) */
Datum
evaudit_create_topic(PG_FUNCTION_ARGS)
{
	char	   *name = name_argument(fcinfo);

	if (!evaudit_topic_create(name, jsonb_argument(fcinfo, 1),
							  jsonb_argument(fcinfo, 2)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("topic \"%s\" already exists", name)));
	PG_RETURN_VOID();
}

/* alter_topic(name text, schema jsonb, options jsonb) */
Datum
evaudit_alter_topic(PG_FUNCTION_ARGS)
{
	char	   *name = name_argument(fcinfo);

	if (!evaudit_topic_alter(name, jsonb_argument(fcinfo, 1),
							 jsonb_argument(fcinfo, 2)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("topic \"%s\" does not exist", name)));
	PG_RETURN_VOID();
}

/* drop_topic(name text) */
Datum
evaudit_drop_topic(PG_FUNCTION_ARGS)
{
	char	   *name = name_argument(fcinfo);

	if (!evaudit_topic_drop(name))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("topic \"%s\" does not exist", name)));
	PG_RETURN_VOID();
}
