/*-------------------------------------------------------------------------
 *
 * kafka_topics.c
 *	  Which topics a Kafka source reads: its option "topics".
 *
 *	  topics	a name, "^regex", or an array of these
 *
 * This is the only place that decides it: the source's workers call it in C, the
 * views on its progress by the SQL function kafka_topic_wanted().  A regex is
 * one of ECMA-262 (text/pattern.h) and anybody's who may create a source, so
 * a decision has a budget: it takes some milliseconds at most, whatever the
 * patterns are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "sources/kafka_source.h"
#include "text/jsonb.h"
#include "text/options.h"
#include "text/pattern.h"

PG_FUNCTION_INFO_V1(evaudit_kafka_source_topic_is_wanted);

/* What the patterns of a source may cost for one topic: see text/pattern.h. */
#define MATCH_BUDGET	100000

/* What the option "topics" says of a topic. */
typedef enum Decision
{
	UNWANTED,
	WANTED,
	TOO_COMPLEX,				/* the budget is spent */
	INVALID						/* a pattern is none */
} Decision;

/* Whether a value of the option is a pattern, not a name. */
static bool
is_pattern(const char *topic)
{
	return topic[0] == '^';
}

/* Compile a pattern to live in the current memory context; see pattern.h. */
static EvauditRegex *
compile(const char *pattern, char **error)
{
	return evaudit_regex_compile(pattern, strlen(pattern),
								 EVAUDIT_REGEX_INTERPRET,
								 CurrentMemoryContext, error);
}

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
		char	   *error;

		if (is_pattern(topic))
		{
			if (compile(topic, &error) == NULL)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_REGULAR_EXPRESSION),
						 errmsg("invalid pattern of Kafka topics \"%s\": %s",
								topic, error)));
		}
		else if (topic[0] == '\0' || strlen(topic) >= EVAUDIT_STREAM_BYTES)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid name of a Kafka topic: \"%s\"", topic)));
	}
}

/* What a pattern says of a topic. */
static Decision
match_pattern(const char *pattern, const char *topic, int64 *budget)
{
	EvauditRegex *regex;
	char	   *error;

	/* a pattern does not mean Kafka's own topics, unless it says so */
	if (strncmp(topic, "__", 2) == 0 && strncmp(pattern, "^__", 3) != 0)
		return UNWANTED;
	regex = compile(pattern, &error);
	if (regex == NULL)
		return INVALID;
	switch (evaudit_regex_match(regex, topic, strlen(topic), budget))
	{
		case EVAUDIT_REGEX_MATCH:
			return WANTED;
		case EVAUDIT_REGEX_NO_MATCH:
			return UNWANTED;
		default:
			return TOO_COMPLEX;
	}
}

/*
 * What names and patterns say of a topic.  The first that wants it, or cannot
 * tell, decides, and is left in *decisive.
 */
static Decision
decide(List *topics, const char *topic, const char **decisive)
{
	int64		budget = MATCH_BUDGET;
	Decision	decision = UNWANTED;
	MemoryContext context;
	MemoryContext previous;
	ListCell   *lc;

	if (strlen(topic) >= EVAUDIT_STREAM_BYTES)
		return UNWANTED;
	context = AllocSetContextCreate(CurrentMemoryContext,
									"evaudit topic patterns",
									ALLOCSET_SMALL_SIZES);
	previous = MemoryContextSwitchTo(context);
	foreach(lc, topics)
	{
		*decisive = lfirst(lc);
		if (is_pattern(*decisive))
			decision = match_pattern(*decisive, topic, &budget);
		else if (strcmp(*decisive, topic) == 0)
			decision = WANTED;
		if (decision != UNWANTED)
			break;
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(context);
	return decision;
}

/* Whether the source reads a topic of this name. */
bool
evaudit_kafka_source_topic_wanted(Jsonb *options, const char *topic)
{
	const char *decisive = NULL;
	Decision	decision = decide(topics_option(options), topic, &decisive);

	if (decision == TOO_COMPLEX || decision == INVALID)
		ereport(ERROR,
				(errcode(decision == INVALID ?
						 ERRCODE_INVALID_REGULAR_EXPRESSION :
						 ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg(decision == INVALID ?
						"invalid pattern of Kafka topics \"%s\"" :
						"pattern of Kafka topics \"%s\" is too complex",
						decisive),
				 errdetail("It was matched with Kafka topic \"%s\".", topic)));
	return decision == WANTED;
}

/* The topics that the options give by name. */
List *
evaudit_kafka_source_topics_named(Jsonb *options)
{
	List	   *named = NIL;
	ListCell   *lc;

	foreach(lc, topics_option(options))
	{
		if (!is_pattern(lfirst(lc)))
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
						  &decisive) == WANTED);
}
