/*-------------------------------------------------------------------------
 *
 * sqs_options.c
 *	  Options of an SQS source.
 *
 *	  queue				name, URL or ARN of the queue
 *	  queues			or an array of them
 *	  envelope			raw (the default), sns or eventbridge
 *	  topic_arns		SNS topics that are accepted: one, or an array; all
 *	  verify_sns		whether signatures of SNS are checked: false, true
 *	  max_receives		receives in flight under load: 16
 *	  visibility_timeout	seconds, or a time; the queue's own by default
 *	  on_bad_event		dead_letter (the default) or leave
 *	  max_attempts		of an event that the database refuses: 5
 *	  s3_buckets		where payloads of S3 may be: one, or an array; none
 *	  s3_delete			whether they are deleted with their messages: false
 *	  workers			processes that receive from each queue: 1
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "sources/sqs_source.h"
#include "text/options.h"

#define DEFAULT_RECEIVES	16
#define MAX_RECEIVES		64
#define DEFAULT_ATTEMPTS	5
#define MAX_ATTEMPTS		1000

static const char *const own_options[] = {
	"queue", "queues", "envelope", "topic_arns", "verify_sns", "max_receives",
	"s3_buckets", "s3_delete", "visibility_timeout", "on_bad_event", "max_attempts", "workers", NULL
};

/* Read "queue" or "queues". */
static void
read_queues(Jsonb *options, SqsOptions *result)
{
	const char *one = evaudit_option_text(options, "queue");
	List	   *several = evaudit_option_texts(options, "queues");
	ListCell   *lc;

	if ((one != NULL) == (several != NIL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("one of the options \"%s\" and \"%s\" is required",
						"queue", "queues")));
	if (one != NULL)
		several = list_make1(unconstify(char *, one));
	foreach(lc, several)
	{
		EvauditAwsQueue *queue = palloc(sizeof(EvauditAwsQueue));

		evaudit_aws_read_queue(lfirst(lc), queue);
		result->queues = lappend(result->queues, queue);
	}
}

/* Which of some words an option is; the first one if it is not given. */
static int
read_word(Jsonb *options, const char *name, const char *const *words)
{
	char	   *word = evaudit_option_text(options, name);

	for (int i = 0; words[i] != NULL; i++)
	{
		if (word == NULL || strcmp(word, words[i]) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"%s\": \"%s\"", name, word),
			 words[2] == NULL ?
			 errhint("Valid values are %s and %s.", words[0], words[1]) :
			 errhint("Valid values are %s, %s and %s.",
					 words[0], words[1], words[2])));
}

/* Read "topic_arns". */
static List *
read_topic_arns(Jsonb *options)
{
	List	   *arns = evaudit_option_texts(options, "topic_arns");
	ListCell   *lc;

	foreach(lc, arns)
	{
		if (strncmp(lfirst(lc), "arn:", 4) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("option \"%s\" must be the ARN of an SNS topic, or an array of them",
							"topic_arns")));
	}
	return arns;
}

/* Read what is about envelopes. */
static void
read_envelope(Jsonb *options, EvauditEnvelopeOptions *result)
{
	static const char *const kinds[] = {"raw", "sns", "eventbridge", NULL};

	result->kind = (EvauditEnvelopeKind) read_word(options, "envelope", kinds);
	result->topic_arns = read_topic_arns(options);
	result->verify_sns = evaudit_option_bool(options, "verify_sns", false);
	if (result->kind != EVAUDIT_ENVELOPE_SNS &&
		(result->topic_arns != NIL || result->verify_sns))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options \"%s\" and \"%s\" require the envelope \"%s\"",
						"topic_arns", "verify_sns", "sns")));
}

/* Read what is about payloads in S3. */
static void
read_payloads(Jsonb *options, SqsOptions *result)
{
	ListCell   *lc;

	result->buckets = evaudit_option_texts(options, "s3_buckets");
	result->delete_payloads = evaudit_option_bool(options, "s3_delete", false);
	foreach(lc, result->buckets)
	{
		if (!evaudit_aws_is_bucket(lfirst(lc)))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid name of a bucket: \"%s\"",
							(char *) lfirst(lc))));
	}
	if (result->delete_payloads && result->buckets == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" requires option \"%s\"",
						"s3_delete", "s3_buckets")));
}

/* Read "visibility_timeout": a number of seconds, or an interval. */
static int
read_visibility(Jsonb *options)
{
	static const char *const name = "visibility_timeout";
	JsonbValue *v = evaudit_option_value(options, name);

	if (v != NULL && v->type == jbvString)
		return evaudit_option_millis(options, name, 0, 1000,
									 SQS_MAX_VISIBILITY * 1000) / 1000;
	return evaudit_option_int(options, name, 0, 1, SQS_MAX_VISIBILITY);
}

/* Read all options; raises an ERROR for what cannot be. */
void
evaudit_sqs_read_options(Jsonb *options, SqsOptions *result)
{
	static const char *const bad[] = {"dead_letter", "leave", NULL};

	result->queues = NIL;
	read_queues(options, result);
	read_envelope(options, &result->envelope);
	read_payloads(options, result);
	result->max_receives = evaudit_option_int(options, "max_receives",
											  DEFAULT_RECEIVES,
											  1, MAX_RECEIVES);
	result->visibility = read_visibility(options);
	result->defer_bad = read_word(options, "on_bad_event", bad) == 1;
	result->max_attempts = evaudit_option_int(options, "max_attempts",
											  DEFAULT_ATTEMPTS,
											  1, MAX_ATTEMPTS);
}

/* How many processes receive: as many from each queue. */
int
evaudit_sqs_workers(Jsonb *options)
{
	int			workers = evaudit_option_int(options, "workers", 1,
											 1, EVAUDIT_MAX_PROCESSES);
	int			queues = Max(list_length(evaudit_option_texts(options,
															  "queues")), 1);

	if (queues > EVAUDIT_MAX_PROCESSES / workers)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("too many workers"),
				 errdetail("A source has at most %d, as many for each of its queues.",
						   EVAUDIT_MAX_PROCESSES)));
	return workers * queues;
}

/* Refuse options that an SQS source cannot have. */
void
evaudit_sqs_check_options(Jsonb *options)
{
	SqsOptions	ignored;

	evaudit_check_option_names(options, own_options);
	evaudit_sqs_read_options(options, &ignored);
	(void) evaudit_sqs_workers(options);
}
