/*-------------------------------------------------------------------------
 *
 * aws_sink.c
 *	  What the sinks to services of AWS share: options, and whether the
 *	  destination is there.
 *
 *	  max_request_bytes		of all deliveries of a request; the service's limit
 *	  max_requests			at a time: 8
 *
 * A destination is looked for when a sink's process starts, which shows what
 * is wrong in stat_sinks, and from time to time while it sends.  Not in
 * create_sink(): a backend's transaction does not wait for the network.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "sinks/aws_sink.h"
#include "text/options.h"

#define DEFAULT_REQUESTS	8
#define MAX_REQUESTS		64

/* Least bytes of a request that may be set. */
#define MIN_BYTES			1024

/* Milliseconds for which a destination is taken to be there. */
#define VERIFIED			60000

/* Read max_request_bytes. */
static int
read_max_bytes(const EvauditAwsOperation *operation, Jsonb *options)
{
	return evaudit_option_int(options, "max_request_bytes",
							  operation->usual_bytes,
							  MIN_BYTES, operation->max_bytes);
}

/* Read max_requests. */
static int
read_max_requests(Jsonb *options)
{
	return evaudit_option_int(options, "max_requests", DEFAULT_REQUESTS,
							  1, MAX_REQUESTS);
}

/* Refuse options that a sink to the service cannot have. */
void
evaudit_aws_sink_check(const EvauditAwsOperation *operation, Jsonb *options)
{
	EvauditAwsSink ignored = {0};

	operation->read_options(options, &ignored);
	(void) read_max_bytes(operation, options);
	(void) read_max_requests(options);
}

/* A sink with its client, in the current memory context. */
static EvauditAwsSink *
make_sink(const EvauditAwsOperation *operation, EvauditSink *sink,
		  List *options)
{
	EvauditAwsSink *aws = palloc0(sizeof(EvauditAwsSink));

	aws->sink = sink;
	aws->operation = operation;
	aws->http = evaudit_http_open();
	aws->aws = evaudit_aws_open_options(aws->http, options, sink->ambient,
										operation->service);
	aws->max_bytes = read_max_bytes(operation, sink->options);
	aws->max_requests = aws->window = read_max_requests(sink->options);
	operation->read_options(sink->options, aws);
	return aws;
}

/* What a response that is not OK says. */
const char *
evaudit_aws_sink_describe(const EvauditAwsResponse *response)
{
	return psprintf("%s%s%s", response->code,
					response->code[0] != '\0' ? ": " : "", response->message);
}

/*
 * Whether the destination is there, unless that is known from a short time
 * ago: NULL, or why it is not.
 */
const char *
evaudit_aws_sink_verify(EvauditAwsSink *aws)
{
	TimestampTz now = GetCurrentTimestamp();
	const char *error;

	if (aws->verified_at != 0 &&
		!TimestampDifferenceExceeds(aws->verified_at, now, VERIFIED))
		return NULL;
	error = aws->operation->verify(aws);
	aws->verified_at = error == NULL ? now : 0;
	return error;
}

/*
 * A sink at the start of its process: an ERROR ends it, shows in stat_sinks,
 * and has it started again after a pause.
 */
EvauditAwsSink *
evaudit_aws_sink_open(const EvauditAwsOperation *operation, EvauditSink *sink,
					  List *options)
{
	EvauditAwsSink *aws = make_sink(operation, sink, options);
	const char *error = evaudit_aws_sink_verify(aws);

	if (error != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE), errmsg("%s", error)));
	return aws;
}

/* Whether the destination of a sink is there: NULL, or why it is not. */
const char *
evaudit_aws_sink_probe(const EvauditAwsOperation *operation,
					   EvauditSink *sink, List *options)
{
	return evaudit_aws_sink_verify(make_sink(operation, sink, options));
}
