/*-------------------------------------------------------------------------
 *
 * sqs_source.h
 *	  What the files of the SQS source share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SQS_SOURCE_H
#define EVAUDIT_SQS_SOURCE_H

#include "lib/ilist.h"
#include "aws/client.h"
#include "net/http_repeat.h"
#include "sources/envelope.h"
#include "sources/source.h"
#include "text/json.h"

/* Most messages in one call of SQS. */
#define SQS_MAX_ENTRIES		10

/* Most messages in a batch, not counting those of its last receive. */
#define SQS_MAX_BATCH		1000

/*
 * How long an empty queue keeps a receive waiting, seconds: the one that is
 * always under way as long as can be, those that a backlog adds not much
 * longer than they are wanted.
 */
#define SQS_LONG_WAIT		20
#define SQS_SHORT_WAIT		1

/*
 * For how long at first, in seconds, a receive that waits for long hides
 * what it gets.  If we end meanwhile, its response is lost.
 */
#define SQS_SHORT_VISIBILITY	5

/* Longest time that SQS hides a message for, seconds. */
#define SQS_MAX_VISIBILITY	43200

/* The options of a source, in sqs_options.c. */
typedef struct SqsOptions
{
	List	   *queues;			/* EvauditAwsQueue, at least one */
	EvauditEnvelopeOptions envelope;
	int			max_receives;	/* in flight at a time */
	int			visibility;		/* seconds; 0: the queue's own */
	bool		defer_bad;		/* bad events stay in the queue */
	int			max_attempts;	/* of an event that the database refuses */
	List	   *buckets;		/* of S3, where payloads may be */
	bool		delete_payloads;	/* with their messages */
} SqsOptions;

/* What is known of the queue, in sqs_queue.c. */
typedef enum SqsQueueState
{
	SQS_QUEUE_UNKNOWN,			/* its URL is not known yet */
	SQS_QUEUE_FOUND,			/* its attributes are not known yet */
	SQS_QUEUE_READY
} SqsQueueState;

/* When the next call may start after failures. */
typedef struct SqsPace
{
	int			failures;		/* in a row */
	TimestampTz failed_at;		/* the last one */
	TimestampTz not_before;		/* 0: at once */
} SqsPace;

typedef enum SqsOperation
{
	SQS_GET_URL,
	SQS_GET_ATTRIBUTES,
	SQS_RECEIVE,
	SQS_DELETE,
	SQS_SET_VISIBILITY,
	SQS_MEASURE
} SqsOperation;

/* A message that is to be deleted, or to become visible at another time. */
typedef struct SqsEntry
{
	dlist_node	node;
	int			visibility;		/* seconds; of SQS_SET_VISIBILITY */
	int			tries;			/* that failed */
	char	   *object;			/* to be deleted after it, or NULL */
	char		handle[FLEXIBLE_ARRAY_MEMBER];
} SqsEntry;

/* Entries that wait for a call, in sqs_entries.c. */
typedef struct SqsEntryQueue
{
	SqsOperation operation;
	dlist_head	waiting;
	int			nwaiting;
	int			ncalls;			/* under way */
	SqsPace		pace;
} SqsEntryQueue;

/* A call under way: the tag of its response. */
typedef struct SqsCall
{
	SqsOperation operation;
	TimestampTz started;
	int			wait;			/* of a receive, seconds */
	int			visibility;		/* likewise */
	int			nentries;
	SqsEntry   *entries[SQS_MAX_ENTRIES];
} SqsCall;

/* What else belongs to an event of the batch. */
typedef struct SqsHeld
{
	const char *handle;
	const char *group;			/* of a FIFO queue, else NULL */
	TimestampTz expires;		/* visible again */
	int			hide;			/* seconds until it is visible, if deferred */
	const char *object;			/* of its payload, to be deleted; or NULL */
} SqsHeld;

typedef struct SqsSource
{
	EvauditSource *source;
	SqsOptions	options;
	const EvauditAwsQueue *queue;	/* the process's own, among those */
	MemoryContext context;		/* the worker's */
	EvauditHttp *http;
	EvauditAws *aws;
	EvauditEnvelope *envelope;
	EvauditAws *s3;				/* NULL: payloads are in the messages alone */
	TimestampTz s3_not_before;	/* after a failure */

	SqsQueueState queue_state;
	bool		lookup_pending; /* a call of sqs_queue.c is under way */
	const char *name;			/* of the queue, for positions */
	char	   *url;
	bool		fifo;
	int			visibility;		/* seconds that a received message is ours */
	int			first_visibility;	/* the same, after a long wait */

	SqsPace		pace;			/* of receives and of the lookup */
	int			receives;		/* under way */
	bool		long_wait;		/* one of them waits for long */
	int			wanted;			/* as many as the load needs */
	bool		first_commit_done;	/* a batch was committed */
	TimestampTz stepped_at;		/* when responses were last handled */

	bool		measuring;		/* a call of sqs_depth.c is under way */
	TimestampTz measure_at;		/* when the next one is due */

	SqsEntryQueue deletes;
	SqsEntryQueue changes;		/* of visibility */

	EvauditHttpRepeat *repeat;	/* see sqs_hold.c */
	EvauditAwsRequest hold_request;
	int			nholding;		/* messages of the transaction that runs */
	TimestampTz hold_begin;		/* of the latest transaction */
	TimestampTz hold_end;
	int64		each;			/* microseconds that a message takes */
	int			batch_limit;	/* messages that may take as long as that */
	bool		slow;			/* receive nothing during a transaction */

	SqsHeld    *held;			/* by the batch's events */
	int			nheld;			/* 0 once they are acknowledged */
	bool		shutting_down;	/* the process ends: receive no more */
} SqsSource;

/*
 * Each file uses those before it: options, call, hold, queue, payload,
 * entries, rejected, message, receive, depth, dispatch, shutdown, source.
 */

/* sqs_options.c */
extern void evaudit_sqs_check_options(Jsonb *options);
extern int	evaudit_sqs_workers(Jsonb *options);
extern void evaudit_sqs_read_options(Jsonb *options, SqsOptions *result);

/* sqs_call.c */
extern SqsCall *evaudit_sqs_new_call(SqsSource *state, SqsOperation operation);
extern void evaudit_sqs_call(SqsSource *state, SqsCall *call,
							 const char *body, size_t len);
extern void evaudit_sqs_failed(SqsSource *state, SqsPace *pace,
							   const SqsCall *call,
							   const EvauditAwsResponse *response);
extern void evaudit_sqs_invalid_response(SqsSource *state, SqsPace *pace,
										 const SqsCall *call,
										 const char *message);
extern void evaudit_sqs_succeeded(SqsSource *state, SqsPace *pace,
								  const SqsCall *call);

/* sqs_hold.c */
extern void evaudit_sqs_hold(SqsSource *state);
extern void evaudit_sqs_release(SqsSource *state);
extern bool evaudit_sqs_is_cautious(const SqsSource *state);
extern bool evaudit_sqs_must_wait(const SqsSource *state,
								  const EvauditBatch *batch);
extern bool evaudit_sqs_was_busy(const SqsSource *state, const SqsCall *call);

/* sqs_queue.c */
extern void evaudit_sqs_start_lookup(SqsSource *state);
extern void evaudit_sqs_lookup_done(SqsSource *state, const SqsCall *call,
									const EvauditAwsResponse *response);
extern void evaudit_sqs_forget_queue(SqsSource *state);

/* sqs_entries.c */
extern SqsEntry *evaudit_sqs_add_entry(SqsSource *state, SqsEntryQueue *queue,
									   const char *handle, int visibility);
extern void evaudit_sqs_start_entries(SqsSource *state, SqsEntryQueue *queue,
									  TimestampTz now);
extern void evaudit_sqs_entries_done(SqsSource *state, SqsEntryQueue *queue,
									 const SqsCall *call,
									 const EvauditAwsResponse *response);

/* sqs_rejected.c */
extern int	evaudit_sqs_delay(int receive_count);
extern bool evaudit_sqs_handle_rejected(void *arg, EvauditBatch *batch);

/* sqs_payload.c */
extern bool evaudit_sqs_fetch_payload(SqsSource *state, EvauditBatch *batch,
									  EvauditEvent *event, SqsHeld *held,
									  const EvauditJson *message,
									  const char **error);
extern void evaudit_sqs_delete_payload(SqsSource *state, char *object);
extern void evaudit_sqs_payloads_deleted(SqsSource *state);

/* sqs_message.c */
extern void evaudit_sqs_add_message(SqsSource *state, EvauditBatch *batch,
									const EvauditJson *message,
									const char *handle, TimestampTz expires);

/* sqs_receive.c */
extern void evaudit_sqs_start_receives(SqsSource *state, TimestampTz now);
extern void evaudit_sqs_received(SqsSource *state, EvauditBatch *batch,
								 const SqsCall *call,
								 const EvauditAwsResponse *response);

/* sqs_depth.c */
extern void evaudit_sqs_start_measure(SqsSource *state, TimestampTz now);
extern void evaudit_sqs_measured(SqsSource *state,
								 const EvauditAwsResponse *response);

/* sqs_dispatch.c */
extern void evaudit_sqs_start_due_calls(SqsSource *state);
extern void evaudit_sqs_handle_responses(SqsSource *state,
										 EvauditBatch *batch);
extern bool evaudit_sqs_batch_full(const SqsSource *state,
								   const EvauditBatch *batch);
extern bool evaudit_sqs_batch_done(const SqsSource *state,
								   const EvauditBatch *batch);
extern long evaudit_sqs_shorten_pause(long pause, TimestampTz now,
									  TimestampTz until);
extern long evaudit_sqs_pause(const SqsSource *state, TimestampTz now);

/* sqs_shutdown.c */
extern void evaudit_sqs_register_shutdown(SqsSource *state);

#endif							/* EVAUDIT_SQS_SOURCE_H */
