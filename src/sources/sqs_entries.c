/*-------------------------------------------------------------------------
 *
 * sqs_entries.c
 *	  Deleting messages, and setting when they become visible again: both in
 *	  calls of ten.
 *
 * Deletes run beside receives, some calls at a time, while further batches
 * are filled.  A response may say of single entries that they failed: those
 * are retried alone.  A receipt handle that is not valid any more belongs to
 * a message that is gone, or that is delivered once more and deleted then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "sources/sqs_source.h"

/* Attempts after which an entry is dropped: its message comes again. */
#define MAX_TRIES		5

/* Add a message to a queue of entries. */
SqsEntry *
evaudit_sqs_add_entry(SqsSource *state, SqsEntryQueue *queue, const char *handle,
					  int visibility)
{
	size_t		len = strlen(handle);
	SqsEntry   *entry = MemoryContextAlloc(state->context,
										   offsetof(SqsEntry, handle) + len + 1);

	entry->visibility = visibility;
	entry->tries = 0;
	entry->object = NULL;
	memcpy(entry->handle, handle, len + 1);
	dlist_push_tail(&queue->waiting, &entry->node);
	queue->nwaiting++;
	return entry;
}

/* An entry is not needed any more; deleted: its message was deleted. */
static void
free_entry(SqsSource *state, SqsEntry *entry, bool deleted)
{
	if (entry->object != NULL && deleted)
		evaudit_sqs_delete_payload(state, entry->object);
	if (entry->object != NULL)
		pfree(entry->object);
	pfree(entry);
}

/* Write the body of a call. */
static void
write_body(const SqsSource *state, const SqsCall *call, StringInfo body)
{
	initStringInfo(body);
	appendStringInfoString(body, "{\"QueueUrl\":");
	evaudit_json_quote(body, state->url, strlen(state->url));
	appendStringInfoString(body, ",\"Entries\":[");
	for (int i = 0; i < call->nentries; i++)
	{
		const SqsEntry *entry = call->entries[i];

		/* a message may be queued twice: its index is the id */
		appendStringInfo(body, "%s{\"Id\":\"%d\",\"ReceiptHandle\":",
						 i > 0 ? "," : "", i);
		evaudit_json_quote(body, entry->handle, strlen(entry->handle));
		if (call->operation == SQS_SET_VISIBILITY)
			appendStringInfo(body, ",\"VisibilityTimeout\":%d",
							 entry->visibility);
		appendStringInfoChar(body, '}');
	}
	appendStringInfoString(body, "]}");
}

/* Send a call for the first entries of a queue. */
static void
start_call(SqsSource *state, SqsEntryQueue *queue)
{
	SqsCall    *call = evaudit_sqs_new_call(state, queue->operation);
	StringInfoData body;

	while (call->nentries < SQS_MAX_ENTRIES && queue->nwaiting > 0)
	{
		SqsEntry   *entry = dlist_head_element(SqsEntry, node, &queue->waiting);

		/* an entry that failed is sent alone */
		if (entry->tries > 0 && call->nentries > 0)
			break;
		dlist_delete(&entry->node);
		queue->nwaiting--;
		call->entries[call->nentries++] = entry;
		if (entry->tries > 0)
			break;
	}
	queue->ncalls++;
	write_body(state, call, &body);
	evaudit_sqs_call(state, call, body.data, body.len);
	pfree(body.data);
}

/* Send calls for a queue, as many at a time as there are receives. */
void
evaudit_sqs_start_entries(SqsSource *state, SqsEntryQueue *queue, TimestampTz now)
{
	while (queue->nwaiting > 0 && queue->ncalls < Max(state->wanted, 2) &&
		   now >= queue->pace.not_before)
		start_call(state, queue);
}

/* An entry failed: try it again, unless that is of no use. */
static void
retry_entry(SqsSource *state, SqsEntryQueue *queue, SqsEntry *entry,
			bool again)
{
	if (again && ++entry->tries < MAX_TRIES)
	{
		dlist_push_tail(&queue->waiting, &entry->node);
		queue->nwaiting++;
	}
	else
		free_entry(state, entry, false);
}

/*
 * Note the entries of a call that one list of its response names; false if
 * the list is none, or names others.
 */
static bool
read_entries(const SqsCall *call, const EvauditJson *list, bool *named)
{
	const EvauditJson *item;

	if (list != NULL && !evaudit_json_is_array(list))
		return false;
	for (item = evaudit_json_first(list); item != NULL;
		 item = evaudit_json_next(item))
	{
		double		i;

		if (!evaudit_json_number(item, "Id", &i) ||
			!(i >= 0 && i < call->nentries))
			return false;
		named[(int) i] = true;
	}
	return true;
}

/* Queue those entries of a call again that have failed; drop the others. */
static void
retry_failed(SqsSource *state, SqsEntryQueue *queue, const SqsCall *call,
			 const EvauditJson *list, const bool *done)
{
	bool		handled[SQS_MAX_ENTRIES] = {false};
	const EvauditJson *item;

	for (item = evaudit_json_first(list); item != NULL;
		 item = evaudit_json_next(item))
	{
		const char *code = evaudit_json_string(item, "Code");
		EvauditAwsFault fault = evaudit_aws_classify(code ? code : "");
		double		i = 0;

		(void) evaudit_json_number(item, "Id", &i);
		if (handled[(int) i])
			continue;
		handled[(int) i] = true;
		retry_entry(state, queue, call->entries[(int) i],
					fault != EVAUDIT_AWS_STALE);
	}
	for (int i = 0; i < call->nentries; i++)
	{
		if (handled[i])
			continue;
		if (done[i])
			free_entry(state, call->entries[i], true);
		else
			retry_entry(state, queue, call->entries[i], true);
	}
}

/* A whole call failed: queue its entries again, where that can help. */
static void
retry_call(SqsSource *state, SqsEntryQueue *queue, const SqsCall *call,
		   EvauditAwsFault fault)
{
	for (int i = call->nentries - 1; i >= 0; i--)
	{
		SqsEntry   *entry = call->entries[i];

		if (fault == EVAUDIT_AWS_INVALID || fault == EVAUDIT_AWS_STALE)
			retry_entry(state, queue, entry, call->nentries > 1);
		else if (fault == EVAUDIT_AWS_MISSING)
			free_entry(state, entry, false);	/* gone with its queue */
		else
		{
			dlist_push_head(&queue->waiting, &entry->node);
			queue->nwaiting++;
		}
	}
	if (fault == EVAUDIT_AWS_MISSING)
		evaudit_sqs_forget_queue(state);
}

/*
 * Handle the response of a call.  Each entry must be in one of its lists: of
 * one in neither nobody knows whether it was done.
 */
void
evaudit_sqs_entries_done(SqsSource *state, SqsEntryQueue *queue,
						 const SqsCall *call,
						 const EvauditAwsResponse *response)
{
	const EvauditJson *failed = evaudit_json_get(response->json, "Failed");
	bool		named[SQS_MAX_ENTRIES] = {false};
	bool		complete = true;

	queue->ncalls--;
	if (response->fault != EVAUDIT_AWS_OK)
	{
		evaudit_sqs_failed(state, &queue->pace, call, response);
		retry_call(state, queue, call, response->fault);
		return;
	}
	if (!read_entries(call, evaudit_json_get(response->json, "Successful"),
					  named) ||
		!read_entries(call, failed, named))
	{
		evaudit_sqs_invalid_response(state, &queue->pace, call,
									 "the response names entries that are not in the request");
		retry_call(state, queue, call, EVAUDIT_AWS_INVALID);
		return;
	}
	for (int i = 0; i < call->nentries; i++)
		complete &= named[i];
	if (complete)
		evaudit_sqs_succeeded(state, &queue->pace, call);
	else
		evaudit_sqs_invalid_response(state, &queue->pace, call,
									 "the response does not name all entries of the request");
	retry_failed(state, queue, call, failed, named);
}
