/*-------------------------------------------------------------------------
 *
 * kafka_topics.c
 *	  Which topics a Kafka source reads: its option "topics".
 *
 *	  topics	a name, "^regex", or an array of these
 *
 * This is the only place that decides it: the source's workers call it in C, the
 * views on its progress by the SQL function kafka_topic_wanted().  A regex is
 * one of ECMA-262 (text/names.h).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "sources/kafka_source.h"
#include "text/jsonb.h"
#include "text/names.h"
#include "text/options.h"

PG_FUNCTION_INFO_V1(evaudit_kafka_source_topic_is_wanted);

/* The values of "topics", as C strings. */
static List *
topics_option(Jsonb *options)
{
	List	   *topics = evaudit_option_texts(options, "topics");

	if (topics == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" is required", "topics")));
	return topics;
}

/* Refuse topics that cannot be. */
void
evaudit_kafka_source_check_topics(Jsonb *options)
{
	ListCell   *lc;

	foreach(lc, topics_option(options))
	{
		const char *topic = lfirst(lc);

		if (evaudit_name_is_pattern(topic))
			evaudit_check_name_pattern("Kafka topics", topic);
		else if (topic[0] == '\0' || strlen(topic) >= EVAUDIT_STREAM_BYTES)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid name of a Kafka topic: \"%s\"", topic)));
	}
}

/* A pattern does not mean Kafka's own topics, unless it says so. */
static bool
is_reserved(const char *pattern, const char *topic)
{
	return strncmp(topic, "__", 2) == 0 && strncmp(pattern, "^__", 3) != 0;
}

/* What names and patterns say of a topic: see names.c. */
static EvauditNameMatch
decide(List *topics, const char *topic, const char **decisive)
{
	if (strlen(topic) >= EVAUDIT_STREAM_BYTES)
		return EVAUDIT_NAME_UNWANTED;
	return evaudit_names_match(topics, topic, is_reserved, decisive);
}

/* Whether the source reads a topic of this name. */
bool
evaudit_kafka_source_topic_wanted(Jsonb *options, const char *topic)
{
	const char *decisive = NULL;
	EvauditNameMatch decision = decide(topics_option(options), topic, &decisive);

	if (decision == EVAUDIT_NAME_TOO_COMPLEX ||
		decision == EVAUDIT_NAME_INVALID)
		ereport(ERROR,
				(errcode(decision == EVAUDIT_NAME_INVALID ?
						 ERRCODE_INVALID_REGULAR_EXPRESSION :
						 ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg(decision == EVAUDIT_NAME_INVALID ?
						"invalid pattern of Kafka topics \"%s\"" :
						"pattern of Kafka topics \"%s\" is too complex",
						decisive),
				 errdetail("It was matched with Kafka topic \"%s\".", topic)));
	return decision == EVAUDIT_NAME_WANTED;
}

/* The topics that the options give by name. */
List *
evaudit_kafka_source_topics_named(Jsonb *options)
{
	List	   *named = NIL;
	ListCell   *lc;

	foreach(lc, topics_option(options))
	{
		if (!evaudit_name_is_pattern(lfirst(lc)))
			named = lappend(named, lfirst(lc));
	}
	return named;
}

/* The strings that the option holds, whatever else somebody put there. */
static List *
topics_found(Jsonb *options)
{
	List	   *topics = NIL;
	JsonbValue *v = NULL;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	element;

	if (JB_ROOT_IS_OBJECT(options))
		v = evaudit_jsonb_member(&options->root, "topics");
	if (v != NULL && v->type == jbvString)
		return list_make1(pnstrdup(v->val.string.val, v->val.string.len));
	if (v == NULL || v->type != jbvBinary ||
		!JsonContainerIsArray(v->val.binary.data))
		return NIL;
	it = JsonbIteratorInit(v->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &element, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM && element.type == jbvString)
			topics = lappend(topics, pnstrdup(element.val.string.val,
											  element.val.string.len));
	}
	return topics;
}

/*
 * kafka_topic_wanted(options jsonb, topic text) returns boolean: false also
 * where the worker has an error, which shows in the source's own row, so that
 * a view over all sources raises none.
 */
Datum
evaudit_kafka_source_topic_is_wanted(PG_FUNCTION_ARGS)
{
	const char *decisive;

	PG_RETURN_BOOL(decide(topics_found(PG_GETARG_JSONB_P(0)),
						  text_to_cstring(PG_GETARG_TEXT_PP(1)),
						  &decisive) == EVAUDIT_NAME_WANTED);
}
