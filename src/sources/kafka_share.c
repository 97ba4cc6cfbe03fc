/*-------------------------------------------------------------------------
 *
 * kafka_share.c
 *	  The option "share": several servers read a topic, each a part of its
 *	  partitions.
 *
 * "i/n" is the i-th of n shares: the partitions whose number is i - 1 modulo
 * n, of every topic.  No server knows of the others; each keeps the offsets
 * of its own partitions.  Those that the table has of other partitions, from
 * before the option was altered, keep their place, as those of topics do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "fmgr.h"

#include "sources/kafka_source.h"
#include "text/ascii.h"
#include "text/jsonb.h"
#include "text/options.h"

PG_FUNCTION_INFO_V1(evaudit_kafka_source_partition_is_wanted);

/* Most shares of a topic. */
#define MAX_SHARES		1000

/* Parse a number from 1 to MAX_SHARES, and move behind it. */
static bool
parse_number(const char **str, int *number)
{
	*number = 0;
	while (evaudit_is_digit(**str) && *number <= MAX_SHARES)
		*number = *number * 10 + *(*str)++ - '0';
	return *number >= 1 && *number <= MAX_SHARES;
}

/* Parse the option's value; false if it is none. */
static bool
parse_share(const char *str, EvauditKafkaShare *share)
{
	int			place;

	if (*str == '0' || !parse_number(&str, &place) || *str++ != '/' ||
		*str == '0' || !parse_number(&str, &share->count) || *str != '\0')
		return false;
	share->first = place - 1;
	return place <= share->count;
}

/* The share that the options say; an ERROR if it is none. */
EvauditKafkaShare
evaudit_kafka_source_share(Jsonb *options)
{
	char	   *value = evaudit_option_text(options, "share");
	EvauditKafkaShare share = {.first = 0,.count = 1};

	if (value != NULL && !parse_share(value, &share))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for option \"%s\": \"%s\"",
						"share", value),
				 errdetail("It must be which share of how many, such as 1/2, of at most %d.",
						   MAX_SHARES)));
	return share;
}

/* Whether a partition is in a share. */
bool
evaudit_kafka_share_has(const EvauditKafkaShare *share, int32 partition)
{
	return partition % share->count == share->first;
}

/*
 * Whether a partition of the share falls to a worker of the source: by its
 * place within the share, so that all workers have some.
 */
bool
evaudit_kafka_share_is_worked_by(const EvauditKafkaShare *share,
								 const EvauditProcess *process,
								 const char *topic, int32 partition)
{
	uint32		place = hash_bytes((const unsigned char *) topic,
								   (int) strlen(topic)) +
		(uint32) (partition / share->count);

	return place % (uint32) process->nprocesses == (uint32) process->number;
}

/*
 * kafka_partition_wanted(options jsonb, partition integer) returns boolean:
 * false also where the worker has an error, as kafka_topic_wanted() is.
 */
Datum
evaudit_kafka_source_partition_is_wanted(PG_FUNCTION_ARGS)
{
	Jsonb	   *options = PG_GETARG_JSONB_P(0);
	EvauditKafkaShare share;
	JsonbValue *v = NULL;

	if (JB_ROOT_IS_OBJECT(options))
		v = evaudit_jsonb_member(&options->root, "share");
	if (v == NULL || v->type == jbvNull)
		PG_RETURN_BOOL(true);
	PG_RETURN_BOOL(v->type == jbvString &&
				   parse_share(pnstrdup(v->val.string.val, v->val.string.len),
							   &share) &&
				   evaudit_kafka_share_has(&share, PG_GETARG_INT32(1)));
}
