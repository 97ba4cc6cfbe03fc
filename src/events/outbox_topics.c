/*-------------------------------------------------------------------------
 *
 * outbox_topics.c
 *	  Which topics a sink takes events of.
 *
 * Names mean themselves, "*" and "^regex" all topics, or some.  What is not
 * published is meant by its name alone: the audit, which holds what only some
 * may read, and alerts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "events/outbox.h"
#include "text/names.h"

PG_FUNCTION_INFO_V1(evaudit_sink_wants);

/* The values of an array, as char *; "*" is the pattern that any name fits. */
List *
evaudit_sink_topics(ArrayType *topics)
{
	List	   *names = NIL;
	Datum	   *values;
	bool	   *nulls;
	int			n;

	deconstruct_array(topics, TEXTOID, -1, false, TYPALIGN_INT, &values,
					  &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		char	   *name = nulls[i] ? pstrdup("") :
			TextDatumGetCString(values[i]);

		names = lappend(names, strcmp(name, "*") == 0 ? pstrdup("^") : name);
	}
	return names;
}

/* Patterns mean published topics. */
static bool
is_reserved(const char *pattern, const char *topic)
{
	return strcmp(topic, "audit") == 0 || strcmp(topic, "alerts") == 0;
}

/*
 * Whether a sink of these topics takes events of a topic.  A pattern that
 * cannot tell does not: a sink of such is refused (sinks/sink.c), but one in a
 * dump must not keep others from publishing.
 */
bool
evaudit_sink_wants_topic(List *topics, const char *topic)
{
	const char *decisive;

	return evaudit_names_match(topics, topic, is_reserved,
							   &decisive) == EVAUDIT_NAME_WANTED;
}

/* sink_wants(topics text[], topic text) returns boolean */
Datum
evaudit_sink_wants(PG_FUNCTION_ARGS)
{
	List	   *topics = evaudit_sink_topics(PG_GETARG_ARRAYTYPE_P(0));
	char	   *topic = text_to_cstring(PG_GETARG_TEXT_PP(1));

	PG_RETURN_BOOL(evaudit_sink_wants_topic(topics, topic));
}
