/*-------------------------------------------------------------------------
 *
 * kafka_options.c
 *	  Options of a Kafka source: which topics, from where, how many workers.
 *
 *	  topics	see kafka_topics.c
 *	  start		earliest (the default), latest, an RFC 3339 time, or offsets
 *	  workers	processes that the partitions are spread over
 *	  share		see kafka_share.c
 *	  group_id	consumer group that is shown the positions; none
 *
 * A place to start or seek to is called a target.  Offsets are a JSON object
 * from partition numbers to offsets, for every topic, or from topics to such
 * objects; partitions that it does not name start at their beginning, or
 * stay where they are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "server/epoch.h"
#include "sources/kafka_source.h"
#include "text/ascii.h"
#include "text/jsonb.h"
#include "text/options.h"
#include "text/rfc3339.h"

/* Longest name of a consumer group, in bytes. */
#define MAX_GROUP_BYTES		255

/* What names of the extension's own groups begin with. */
#define EVAUDIT_PREFIX		"evaudit-"

static const char *const own_options[] = {
	"topics", "start", "workers", "share", "group_id", NULL
};

/* Parse a target that is a word or a time: what librdkafka takes. */
static bool
parse_time_target(const char *target, int64 *time)
{
	TimestampTz t;

	if (strcmp(target, "earliest") == 0)
		*time = EVAUDIT_KAFKA_EARLIEST;
	else if (strcmp(target, "latest") == 0)
		*time = EVAUDIT_KAFKA_LATEST;
	else if (evaudit_rfc3339_parse(target, strlen(target), &t))
		*time = Max(evaudit_epoch_millis(t), 0);
	else
		return false;
	return true;
}

/* Refuse a target's object that has anything but offsets in it. */
static void
check_offsets(JsonbContainer *object, bool topics)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	v;

	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token != WJB_VALUE)
			continue;
		if (v.type == jbvNumeric &&
			DatumGetBool(DirectFunctionCall2(numeric_ge,
											 NumericGetDatum(v.val.numeric),
											 NumericGetDatum(int64_to_numeric(0)))))
			(void) DirectFunctionCall1(numeric_int8,
									   NumericGetDatum(v.val.numeric));
		else if (topics && v.type == jbvBinary &&
				 JsonContainerIsObject(v.val.binary.data))
			check_offsets(v.val.binary.data, false);
		else
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("offsets must be numbers that are not negative")));
	}
}

/* A target as jsonb if it is an object; an ERROR if it is no target. */
static Jsonb *
parse_offsets_target(const char *target)
{
	Jsonb	   *offsets;

	if (target[0] != '{')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid position to read from: \"%s\"", target),
				 errhint("Valid values are earliest, latest, a time such as 2026-01-01T00:00:00Z, and offsets such as {\"0\": 17}.")));
	offsets = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
												 CStringGetDatum(target)));
	check_offsets(&offsets->root, true);
	return offsets;
}

/* The offset that a target names for a partition; false if it names none. */
static bool
named_offset(Jsonb *target, const EvauditOffset *partition, int64 *offset)
{
	JsonbContainer *object = &target->root;
	JsonbValue *v = evaudit_jsonb_member(object, partition->topic);

	if (v != NULL && v->type == jbvBinary)
		object = v->val.binary.data;
	v = evaudit_jsonb_member(object, psprintf("%d", partition->partition));
	if (v == NULL || v->type != jbvNumeric)
		return false;
	*offset = DatumGetInt64(DirectFunctionCall1(numeric_int8,
												NumericGetDatum(v->val.numeric)));
	return true;
}

/* The time that librdkafka looks up for a target that is no object. */
int64
evaudit_kafka_source_target_time(const char *target)
{
	int64		time;

	if (!parse_time_target(target, &time))
		elog(ERROR, "invalid position to look up: \"%s\"", target);
	return time;
}

/*
 * Apply a target to partitions: those that it gives an offset are there, the
 * others that it names have it to look up.  The ones that it names are brought
 * to the front; returns how many they are.
 */
int
evaudit_kafka_source_apply_target(const char *target, EvauditOffset *offsets,
								  int n)
{
	int64		time;
	bool		lookup = parse_time_target(target, &time);
	Jsonb	   *named = lookup ? NULL : parse_offsets_target(target);
	int			found = 0;

	for (int i = 0; i < n; i++)
	{
		EvauditOffset offset = offsets[i];

		if (!lookup && !named_offset(named, &offset, &offset.next_offset))
			continue;
		offset.seek = lookup ? pstrdup(target) : NULL;
		offsets[i] = offsets[found];
		offsets[found++] = offset;
	}
	return found;
}

/* Refuse a target that is none; in the backend of create or seek. */
void
evaudit_kafka_source_check_target(const char *target)
{
	int64		time;

	if (!parse_time_target(target, &time))
		(void) parse_offsets_target(target);
}

/* How many processes the source is spread over. */
int
evaudit_kafka_source_workers(Jsonb *options)
{
	return evaudit_option_int(options, "workers", 1, 1, EVAUDIT_MAX_PROCESSES);
}

/* The consumer group that is shown the positions, or NULL. */
char *
evaudit_kafka_source_group(Jsonb *options)
{
	char	   *group = evaudit_option_text(options, "group_id");

	/* a sink's position is the offset of such a group */
	if (group != NULL &&
		(!evaudit_is_word(group, MAX_GROUP_BYTES) ||
		 strncmp(group, EVAUDIT_PREFIX, strlen(EVAUDIT_PREFIX)) == 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for option \"%s\": \"%s\"",
						"group_id", group),
				 errdetail("It must be 1 to %d printable characters without spaces, and not begin with \"%s\".",
						   MAX_GROUP_BYTES, EVAUDIT_PREFIX)));
	return group;
}

/* The place to start from, as text. */
char *
evaudit_kafka_source_start(Jsonb *options)
{
	JsonbValue *v = evaudit_option_value(options, "start");

	if (v == NULL)
		return "earliest";
	if (v->type == jbvBinary)
		return JsonbToCString(NULL, v->val.binary.data, v->val.binary.len);
	return evaudit_option_text(options, "start");
}

/* Refuse options that a Kafka source cannot have. */
void
evaudit_kafka_source_check_options(Jsonb *options)
{
	evaudit_check_option_names(options, own_options);
	evaudit_kafka_source_check_topics(options);
	evaudit_kafka_source_check_target(evaudit_kafka_source_start(options));
	(void) evaudit_kafka_source_workers(options);
	(void) evaudit_kafka_source_share(options);
	(void) evaudit_kafka_source_group(options);
}
