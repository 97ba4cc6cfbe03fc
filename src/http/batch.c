/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  POST /topics/{topic} of several events at once, to a topic with the
 *	  option "batch".
 *
 * The body is an array.  Each element has a result of its own, as if it had
 * come alone: what is wrong with one has no effect on its neighbours.  They
 * go to the topic together, which takes one statement for all of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/guc.h"

#include "events/ingest.h"
#include "http/routes.h"

/* Most events of a batch. */
#define MAX_EVENTS		1000

/* A batch on its way. */
typedef struct Batch
{
	int			n;
	Jsonb	  **payloads;
	EvauditResponse *results;	/* status 0: not known yet */
	EvauditEvent *events;		/* those that may be published */
	int		   *places;			/* of each of these, in the batch */
	int			nevents;
} Batch;

/* Whether a request publishes several events. */
bool
evaudit_route_is_batch(const EvauditRequest *request)
{
	return request->topic != NULL && request->topic->batch &&
		request->payload != NULL && JB_ROOT_IS_ARRAY(request->payload) &&
		!JB_ROOT_IS_SCALAR(request->payload);
}

/* Take the array apart. */
static void
read_batch(const EvauditRequest *request, Batch *batch)
{
	JsonbIterator *it = JsonbIteratorInit(&request->payload->root);
	JsonbIteratorToken token;
	JsonbValue	v;
	int			i = 0;

	batch->payloads = palloc(sizeof(Jsonb *) * Max(batch->n, 1));
	batch->results = palloc(sizeof(EvauditResponse) * Max(batch->n, 1));
	batch->events = palloc0(sizeof(EvauditEvent) * Max(batch->n, 1));
	batch->places = palloc(sizeof(int) * Max(batch->n, 1));
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		evaudit_response_init(&batch->results[i]);
		batch->payloads[i++] = JsonbValueToJsonb(&v);
	}
}

/*
 * Choose the events that may be published.  With a key of the request, an
 * event's id is that and its place, where its topic names none.
 */
static void
choose_events(const EvauditRequest *request, Batch *batch)
{
	bool		has_id = evaudit_mapping_has_event_id(request->topic->mapping);

	for (int i = 0; i < batch->n; i++)
	{
		EvauditResponse *result = &batch->results[i];
		EvauditEvent *event = &batch->events[batch->nevents];

		if (!evaudit_route_may_publish(request, batch->payloads[i], result) ||
			!evaudit_route_within_rate(request, result))
			continue;
		event->given_document = batch->payloads[i];
		event->subject = request->subject;
		event->granted = true;
		event->any_format = evaudit_http_compat == EVAUDIT_COMPAT_EVENTGATE;
		if (!has_id && request->idempotency_key != NULL)
			event->given_id = psprintf("%s/%d", request->idempotency_key, i);
		batch->places[batch->nevents++] = i;
	}
}

/* Publish the events that were chosen, and note their results. */
static void
publish_events(const EvauditRequest *request, Batch *batch)
{
	const EvauditTopic *topic = request->topic;
	EvauditIngested ingested;
	int			level = evaudit_route_begin_publishing(request);

	evaudit_ingest(topic, batch->events, batch->nevents, &ingested);
	AtEOXact_GUC(true, level);
	for (int i = 0; i < batch->nevents; i++)
	{
		const EvauditEvent *event = &batch->events[i];
		int			place = batch->places[i];
		EvauditResponse *result = &batch->results[place];

		if (event->reason == EVAUDIT_ACCEPTED)
			evaudit_response_success(result, 202);
		else
			evaudit_route_respond_rejection(topic, batch->payloads[place],
											event, result);
	}
}

/* Respond with the results, in the order of the batch. */
static void
respond_results(const Batch *batch, EvauditResponse *response)
{
	bool		success = true;
	StringInfo	json;

	for (int i = 0; i < batch->n; i++)
		success &= batch->results[i].status < 400;
	json = evaudit_response_begin_json(response, success ? 202 : 207);
	appendStringInfo(json, "{\"success\":%s,\"statusCode\":%d,\"results\":[",
					 success ? "true" : "false", response->status);
	for (int i = 0; i < batch->n && evaudit_response_fits(response); i++)
		appendStringInfo(json, "%s%s", i > 0 ? "," : "",
						 batch->results[i].body.data);
	appendStringInfoString(json, "]}");
}

/* POST /topics/{topic} of an array. */
void
evaudit_route_post_batch(EvauditRequest *request, EvauditResponse *response)
{
	Batch		batch = {.n = JB_ROOT_COUNT(request->payload)};

	if (batch.n > MAX_EVENTS)
	{
		evaudit_response_error(response, 413, EVAUDIT_PROBLEM_SIZE,
							   psprintf("A batch has at most %d events.",
										MAX_EVENTS));
		return;
	}
	read_batch(request, &batch);
	choose_events(request, &batch);
	publish_events(request, &batch);
	respond_results(&batch, response);
}
