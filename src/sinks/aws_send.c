/*-------------------------------------------------------------------------
 *
 * aws_send.c
 *	  Send a batch to a service of AWS: requests of up to ten deliveries,
 *	  several at a time.
 *
 * What passes by itself (no response, an error of the service, a throttle) is
 * retried here a few times, after pauses that grow and with fewer requests at
 * a time, so that a throttle slows a sink down and does not stop it.  Anything
 * else ends the sending: what is not delivered stays pending.
 *
 * A request that fails as a whole need not be the fault of all of its entries:
 * they are sent once more, each by itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "sinks/aws_sink.h"

/* Failures in a row after which the sender gives up. */
#define MAX_FAILURES		3

/* Failures of an entry, of a request that did not fail, after which it waits. */
#define MAX_TRIES			3

/* A request under way: the tag of its response. */
typedef struct AwsRequest
{
	TimestampTz started;
	int			n;
	EvauditAwsEntry entries[EVAUDIT_AWS_ENTRIES];
} AwsRequest;

/* What is known while a batch is sent. */
typedef struct AwsSending
{
	EvauditAwsSink *aws;
	EvauditSinkBatch *batch;
	EvauditReady *ready;
	MemoryContext scratch;		/* of a response */
	bool	   *alone;			/* by place: sent by itself */
	uint8	   *tries;			/* by place: how often it failed */
	int			nrequests;		/* under way */
	bool		stopped;		/* start no more of them */
	int			failures;		/* in a row */
	TimestampTz failed_at;		/* the last one */
	TimestampTz not_before;		/* when the next request may start */
	const char *error;			/* the last one */
} AwsSending;

/* Note the reason of an outcome, in the batch's context. */
static void
give_reason(AwsSending *sending, EvauditDelivery *delivery, const char *code,
			const char *reason)
{
	MemoryContext context = sending->batch->context;

	delivery->code = *code == '\0' ? NULL : MemoryContextStrdup(context, code);
	delivery->error = MemoryContextStrdup(context, reason);
}

/* The service will never take a delivery. */
static void
refuse(AwsSending *sending, EvauditDelivery *delivery, const char *code,
	   const char *reason)
{
	delivery->outcome = EVAUDIT_OUTCOME_REFUSED;
	give_reason(sending, delivery, code, reason);
	evaudit_ready_done(sending->ready, delivery);
}

/*
 * Something failed, in a request that started at a time: wait before the next
 * one, or stop.  Of requests that were under way together the first counts.
 */
static void
note_failure(AwsSending *sending, const AwsRequest *request,
			 EvauditAwsFault fault, const char *code, const char *message)
{
	EvauditAwsSink *aws = sending->aws;
	TimestampTz now = GetCurrentTimestamp();

	sending->error = MemoryContextStrdup(sending->batch->context,
										 psprintf("%s to \"%s\": %s%s%s",
												  aws->operation->name,
												  aws->target, code,
												  *code != '\0' ? ": " : "",
												  message));
	if (fault != EVAUDIT_AWS_TRANSPORT && fault != EVAUDIT_AWS_THROTTLED)
	{
		sending->stopped = true;
		aws->verified_at = 0;
	}
	if (sending->failures > 0 && request->started < sending->failed_at)
		return;
	if (++sending->failures > MAX_FAILURES)
		sending->stopped = true;
	sending->failed_at = now;
	sending->not_before =
		TimestampTzPlusMilliseconds(now,
									evaudit_aws_backoff(fault,
														sending->failures));
	aws->window = Max(aws->window / 2, 1);
}

/* A request went through: errors of requests before it do not count. */
static void
note_success(AwsSending *sending, const AwsRequest *request)
{
	EvauditAwsSink *aws = sending->aws;

	if (request->started < sending->failed_at)
		return;
	sending->failures = 0;
	aws->window = Min(aws->window + 1, aws->max_requests);
}

/* Whether a delivery was refused without asking the service; *bytes: its size. */
static bool
is_refused(AwsSending *sending, EvauditDelivery *delivery, size_t *bytes)
{
	const EvauditAwsSink *aws = sending->aws;
	size_t		max_bytes = aws->max_entry_bytes == 0 ? aws->max_bytes :
		Min(aws->max_bytes, aws->max_entry_bytes);
	const char *code = NULL;
	const char *reason = NULL;

	*bytes = aws->operation->measure(aws, delivery, &code, &reason);
	if (*bytes > max_bytes)
	{
		code = "TooLarge";
		reason = psprintf("it has %zu bytes, and %zu are allowed", *bytes,
						  max_bytes);
	}
	if (reason == NULL)
		return false;
	evaudit_ready_take(sending->ready);
	refuse(sending, delivery, code, reason);
	return true;
}

/* Move the next deliveries into a request; false if there are none. */
static bool
fill_request(AwsSending *sending, AwsRequest *request)
{
	EvauditDelivery *deliveries = sending->batch->deliveries;
	EvauditDelivery *delivery;
	size_t		bytes = 0;

	request->n = 0;
	while (request->n < EVAUDIT_AWS_ENTRIES &&
		   (delivery = evaudit_ready_first(sending->ready)) != NULL)
	{
		bool		alone = sending->alone[delivery - deliveries];
		size_t		more;

		if (request->n > 0 && alone)
			break;
		if (is_refused(sending, delivery, &more))
			continue;
		if (request->n > 0 && bytes + more > sending->aws->max_bytes)
			break;
		evaudit_ready_take(sending->ready);
		memset(&request->entries[request->n], 0, sizeof(EvauditAwsEntry));
		request->entries[request->n++].delivery = delivery;
		bytes += more;
		if (alone)
			break;
	}
	return request->n > 0;
}

/* Start as many requests as may be under way now. */
static void
start_requests(AwsSending *sending)
{
	EvauditAwsSink *aws = sending->aws;
	const EvauditAwsOperation *operation = aws->operation;

	while (!sending->stopped && sending->batch->error == NULL &&
		   sending->nrequests < aws->window &&
		   sending->not_before <= GetCurrentTimestamp())
	{
		AwsRequest *request = palloc(sizeof(AwsRequest));
		StringInfoData body;

		if (!fill_request(sending, request))
		{
			pfree(request);
			break;
		}
		initStringInfo(&body);
		operation->write(aws, &body, request->entries, request->n);
		request->started = GetCurrentTimestamp();
		sending->nrequests++;
		evaudit_aws_call(aws->aws, operation->name, body.data, body.len,
						 request, 0);
		pfree(body.data);
	}
}

/* Handle what a response says of an entry. */
static void
handle_entry(AwsSending *sending, const AwsRequest *request,
			 const EvauditAwsEntry *entry)
{
	EvauditDelivery *delivery = entry->delivery;

	if (entry->named && !entry->failed)
	{
		delivery->outcome = EVAUDIT_OUTCOME_DELIVERED;
		sending->aws->known = true;
		evaudit_ready_done(sending->ready, delivery);
	}
	else if (entry->named && sending->aws->operation->is_refusal(entry))
		refuse(sending, delivery, entry->code, entry->message);
	else
	{
		const char *code = entry->named ? entry->code : "";
		const char *message = entry->named ? entry->message :
			"the response does not say what became of an entry";
		EvauditAwsFault fault = entry->named ? evaudit_aws_classify(code) :
			EVAUDIT_AWS_TRANSPORT;
		uint8	   *tries = &sending->tries[delivery - sending->batch->deliveries];

		give_reason(sending, delivery, code, message);
		if (fault == EVAUDIT_AWS_TRANSPORT && ++*tries >= MAX_TRIES)
		{
			evaudit_ready_failed(sending->ready, delivery);
			return;
		}
		note_failure(sending, request, fault, code, message);
		evaudit_ready_again(sending->ready, delivery);
	}
}

/* Handle the response to a request that did not fail as a whole. */
static void
handle_entries(AwsSending *sending, AwsRequest *request,
			   const EvauditAwsResponse *response)
{
	bool		all = true;

	if (!sending->aws->operation->read(response, request->entries, request->n))
	{
		for (int i = 0; i < request->n; i++)
			request->entries[i].named = false;
	}
	for (int i = 0; i < request->n; i++)
	{
		all &= request->entries[i].named && !request->entries[i].failed;
		handle_entry(sending, request, &request->entries[i]);
	}
	if (all)
		note_success(sending, request);
}

/*
 * A request failed as a whole.  One that is at fault itself is sent once more,
 * entry by entry; an entry that was alone is refused if the error is about what
 * is in it, and the destination is known not to be what is wrong.
 */
static void
handle_failure(AwsSending *sending, const AwsRequest *request,
			   const EvauditAwsResponse *response)
{
	EvauditDelivery *deliveries = sending->batch->deliveries;
	EvauditAwsEntry entry = {
		.delivery = request->entries[0].delivery,.named = true,.failed = true,
		.sender_fault = response->fault == EVAUDIT_AWS_INVALID,
		.code = response->code,.message = response->message
	};

	if (request->n == 1 && sending->aws->known &&
		sending->aws->operation->is_refusal(&entry))
	{
		refuse(sending, entry.delivery, entry.code, entry.message);
		return;
	}
	if (request->n == 1 || response->fault != EVAUDIT_AWS_INVALID)
		note_failure(sending, request, response->fault, response->code,
					 response->message);
	for (int i = 0; i < request->n; i++)
	{
		EvauditDelivery *delivery = request->entries[i].delivery;

		if (response->fault == EVAUDIT_AWS_INVALID)
			sending->alone[delivery - deliveries] = true;
		give_reason(sending, delivery, response->code, response->message);
		evaudit_ready_again(sending->ready, delivery);
	}
}

/* Handle the responses that have arrived. */
static void
handle_responses(AwsSending *sending)
{
	MemoryContext previous = MemoryContextSwitchTo(sending->scratch);
	EvauditAwsResponse *response;

	while ((response = evaudit_aws_take(sending->aws->aws)) != NULL)
	{
		AwsRequest *request = response->tag;

		sending->nrequests--;
		if (response->fault == EVAUDIT_AWS_OK)
			handle_entries(sending, request, response);
		else
			handle_failure(sending, request, response);
		evaudit_aws_release(sending->aws->aws, response);
		pfree(request);
		MemoryContextReset(sending->scratch);
	}
	MemoryContextSwitchTo(previous);
}

/* Wait for a response, or until the next request may start. */
static void
wait_for_responses(const AwsSending *sending)
{
	TimestampTz now = GetCurrentTimestamp();
	long		pause = -1;

	if (sending->nrequests < sending->aws->window &&
		sending->not_before > now && !sending->stopped)
		pause = TimestampDifferenceMilliseconds(now, sending->not_before) + 1;
	(void) evaudit_http_wait(sending->aws->http, pause);
}

/* Send until nothing is ready or under way any more. */
static void
run(AwsSending *sending)
{
	for (;;)
	{
		start_requests(sending);
		if (sending->nrequests == 0 &&
			(sending->stopped || sending->batch->error != NULL ||
			 evaudit_ready_first(sending->ready) == NULL))
			break;
		wait_for_responses(sending);
		handle_responses(sending);
	}
}

/* EvauditSinkKind.send of all services of AWS. */
void
evaudit_aws_sink_send(void *state, EvauditSinkBatch *batch)
{
	AwsSending	sending = {.aws = state,.batch = batch};
	MemoryContext previous = MemoryContextSwitchTo(batch->context);

	batch->error = evaudit_aws_sink_verify(sending.aws);
	if (batch->error == NULL)
	{
		sending.ready = evaudit_ready_make(sending.aws->sink, batch);
		sending.alone = palloc0(Max(batch->n, 1));
		sending.tries = palloc0(Max(batch->n, 1));
		sending.scratch = AllocSetContextCreate(batch->context,
												"evaudit AWS response",
												ALLOCSET_DEFAULT_SIZES);
		run(&sending);
		MemoryContextDelete(sending.scratch);
		if (sending.stopped)
			batch->error = sending.error;
		evaudit_ready_end(sending.ready);
		evaudit_process_set_time(sending.aws->sink->process,
								 EVAUDIT_SINK_CREDENTIALS_EXPIRE,
								 evaudit_aws_credentials_expire_at(sending.aws->aws));
	}
	MemoryContextSwitchTo(previous);
}
