/*-------------------------------------------------------------------------
 *
 * topic_api.c
 *	  create_topic() and its kin: topics as users handle them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "events/topic_store.h"
#include "server/arguments.h"

PG_FUNCTION_INFO_V1(evaudit_create_topic);
PG_FUNCTION_INFO_V1(evaudit_alter_topic);
PG_FUNCTION_INFO_V1(evaudit_drop_topic);

/* create_topic(name text, schema jsonb, options jsonb) */
Datum
evaudit_create_topic(PG_FUNCTION_ARGS)
{
	char	   *name = evaudit_text_argument(fcinfo, 0, "name");

	if (!evaudit_topic_create(name, evaudit_jsonb_argument_or_null(fcinfo, 1),
							  evaudit_jsonb_argument_or_null(fcinfo, 2)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("topic \"%s\" already exists", name)));
	PG_RETURN_VOID();
}

/* alter_topic(name text, schema jsonb, options jsonb) */
Datum
evaudit_alter_topic(PG_FUNCTION_ARGS)
{
	char	   *name = evaudit_text_argument(fcinfo, 0, "name");

	if (!evaudit_topic_alter(name, evaudit_jsonb_argument_or_null(fcinfo, 1),
							 evaudit_jsonb_argument_or_null(fcinfo, 2)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("topic \"%s\" does not exist", name)));
	PG_RETURN_VOID();
}

/* drop_topic(name text) */
Datum
evaudit_drop_topic(PG_FUNCTION_ARGS)
{
	char	   *name = evaudit_text_argument(fcinfo, 0, "name");

	if (!evaudit_topic_drop(name))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("topic \"%s\" does not exist", name)));
	PG_RETURN_VOID();
}
