/*-------------------------------------------------------------------------
 *
 * sqs_entries.c
 *	  Deleting messages, and setting when they become visible again: both in
 *	  calls of ten.
 *
 * Deletes go on beside receives, some calls at a time, while further batches
 * are filled.  A response may say of single entries that they failed: those
 * are tried again by themselves.  A receipt handle that is of no use any
 * more belongs to a message that is gone, or that will come once more and is
 * deleted then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "sources/sqs_source.h"

/* Attempts after which an entry is given up: its message comes again. */
#define MAX_TRIES		5

/* Put a message in a line. */
void
evaudit_sqs_add_entry(SqsSource *state, SqsEntryQueue *line, const char *handle,
					  int visibility)
{
	size_t		len = strlen(handle);
	SqsEntry   *entry = MemoryContextAlloc(state->context,
										   offsetof(SqsEntry, handle) + len + 1);

	entry->visibility = visibility;
	entry->tries = 0;
	memcpy(entry->handle, handle, len + 1);
	dlist_push_tail(&line->waiting, &entry->node);
	line->nwaiting++;
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

		/* a message may be in line twice: its place is the id */
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

/* Put a call for the first messages of a line. */
static void
start_call(SqsSource *state, SqsEntryQueue *line)
{
	SqsCall    *call = evaudit_sqs_new_call(state, line->operation);
	StringInfoData body;

	while (call->nentries < SQS_MAX_ENTRIES && line->nwaiting > 0)
	{
		SqsEntry   *entry = dlist_head_element(SqsEntry, node, &line->waiting);

		/* what failed goes by itself */
		if (entry->tries > 0 && call->nentries > 0)
			break;
		dlist_delete(&entry->node);
		line->nwaiting--;
		call->entries[call->nentries++] = entry;
		if (entry->tries > 0)
			break;
	}
	line->ncalls++;
	write_body(state, call, &body);
	evaudit_sqs_call(state, call, body.data, body.len);
	pfree(body.data);
}

/* Put calls for a line, as many at a time as there are receives. */
void
evaudit_sqs_start_entries(SqsSource *state, SqsEntryQueue *line, TimestampTz now)
{
	while (line->nwaiting > 0 && line->ncalls < Max(state->wanted, 2) &&
		   now >= line->pace.not_before)
		start_call(state, line);
}

/* An entry failed: try it again, unless that is of no use. */
static void
retry_entry(SqsEntryQueue *line, SqsEntry *entry, bool again)
{
	if (again && ++entry->tries < MAX_TRIES)
	{
		dlist_push_tail(&line->waiting, &entry->node);
		line->nwaiting++;
	}
	else
		pfree(entry);
}

/* See which entries of a call that was answered have failed. */
static void
retry_failed(SqsSource *state, SqsEntryQueue *line, const SqsCall *call,
			 EvauditAwsResponse *response)
{
	EvauditJson *json = evaudit_json_parse(response->body, response->body_len);
	const EvauditJson *item =
		evaudit_json_first(evaudit_json_get(json, "Failed"));
	bool		failed[SQS_MAX_ENTRIES] = {false};

	for (; item != NULL; item = evaudit_json_next(item))
	{
		const char *code = evaudit_json_string(item, "Code");
		EvauditAwsFault fault = evaudit_aws_classify(code ? code : "");
		double		i;

		if (!evaudit_json_number(item, "Id", &i) ||
			i < 0 || i >= call->nentries || failed[(int) i])
			continue;
		failed[(int) i] = true;
		retry_entry(line, call->entries[(int) i],
					fault != EVAUDIT_AWS_STALE);
	}
	for (int i = 0; i < call->nentries; i++)
	{
		if (!failed[i])
			pfree(call->entries[i]);
	}
}

/* A whole call failed: all of it is in line again, as long as that helps. */
static void
retry_call(SqsSource *state, SqsEntryQueue *line, const SqsCall *call,
		   EvauditAwsFault fault)
{
	for (int i = call->nentries - 1; i >= 0; i--)
	{
		SqsEntry   *entry = call->entries[i];

		if (fault == EVAUDIT_AWS_INVALID || fault == EVAUDIT_AWS_STALE)
			retry_entry(line, entry, call->nentries > 1);
		else if (fault == EVAUDIT_AWS_MISSING)
			pfree(entry);		/* gone with its queue */
		else
		{
			dlist_push_head(&line->waiting, &entry->node);
			line->nwaiting++;
		}
	}
	if (fault == EVAUDIT_AWS_MISSING)
		evaudit_sqs_forget_queue(state);
}

/* A call of a line was answered. */
void
evaudit_sqs_entries_done(SqsSource *state, SqsEntryQueue *line,
						 const SqsCall *call, EvauditAwsResponse *response)
{
	MemoryContext scratch;
	MemoryContext previous;

	line->ncalls--;
	if (response->fault != EVAUDIT_AWS_OK)
	{
		evaudit_sqs_failed(state, &line->pace, call, response);
		retry_call(state, line, call, response->fault);
		return;
	}
	evaudit_sqs_succeeded(state, &line->pace, call);
	scratch = AllocSetContextCreate(CurrentMemoryContext, "evaudit entries",
									ALLOCSET_DEFAULT_SIZES);
	previous = MemoryContextSwitchTo(scratch);
	retry_failed(state, line, call, response);
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(scratch);
}
