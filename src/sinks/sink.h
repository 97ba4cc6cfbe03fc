/*-------------------------------------------------------------------------
 *
 * sink.h
 *	  What every kind of sink is to the process that runs it.
 *
 * A sink's process reads a batch of events from the stream, decides it (its
 * number, its range and what is parked are committed before anything is
 * sent), hands it to the kind's send(), and moves the sink's position past
 * it, in one commit with the decision about the next.  Only function sinks
 * are sent to in a transaction: the one that moves the position.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SINK_H
#define EVAUDIT_SINK_H

#include "events/event.h"
#include "events/projection_batch.h"
#include "runtime/server_job.h"
#include "server/compat.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* What became of a delivery. */
typedef enum EvauditOutcome
{
	EVAUDIT_OUTCOME_PENDING,	/* not sent, or not known: it is sent again;
								 * by itself if it failed and the batch has no
								 * error; refused after max_attempts */
	EVAUDIT_OUTCOME_DELIVERED,
	EVAUDIT_OUTCOME_REFUSED,	/* can never go: too large, malformed, ... */
	EVAUDIT_OUTCOME_HELD		/* not by send(): it stays behind, retried by
								 * itself or behind another of its key */
} EvauditOutcome;

/* One event on its way out, in the form in which it leaves. */
typedef struct EvauditDelivery
{
	int64		seq;			/* place in the outbox, or of an audit row */
	const char *topic;
	const char *event_id;
	const char *key;			/* any bytes; NULL: none */
	size_t		key_len;
	const char *body;			/* UTF-8 */
	size_t		body_len;
	const char *content_type;
	EvauditHeader *headers;
	int			nheaders;
	TimestampTz event_time;		/* 0: none */
	const EvauditEventValue *event; /* as it was read */
	Jsonb	   *payload;		/* as it leaves: what a transform made of it */
	TimestampTz received_at;

	/* set by send() */
	EvauditOutcome outcome;
	const char *code;			/* the destination's, or ours; or NULL */
	const char *error;			/* for the operator, in the batch's context */
	bool		failed;			/* pending, and the destination itself said so
								 * of this one: it may be what is wrong */

	/* of evaudit.delivery_store */
	int64		id;				/* its row, if it was read from there; else 0 */
	int			attempts;		/* before this one */
	bool		stored;			/* a row of its own has it since it was read */
} EvauditDelivery;

/* Deliveries, by seq.  What they point to lives in context. */
typedef struct EvauditSinkBatch
{
	MemoryContext context;
	int64		number;			/* counts the decided batches of a sink's
								 * identity, from 1 */
	const char *hash;			/* hexadecimal digest of what the batch holds */
	EvauditDelivery *deliveries;	/* the array is kept for the next time */
	int			room;			/* in it */
	int			n;
	size_t		bytes;			/* of all bodies */
	const char *error;			/* why deliveries are pending after send() */
	int64		retry_after;	/* milliseconds that the destination asked to
								 * wait; 0: it did not */
	void	   *held_keys;		/* private to delivery_hold.c */
	bool		stop;			/* the destination wants no more: nothing is
								 * sent until resume_sink() */
	struct EvauditSinkWork *work;	/* private to evaudit_sink_read_ahead() */
} EvauditSinkBatch;

/* Deliveries of a batch, unless a kind has reasons for another number. */
#define EVAUDIT_SINK_BATCH_SIZE	5000

/* Counters and times of a sink in its slot. */
enum EvauditSinkCounter
{
	EVAUDIT_SINK_DELIVERED,
	EVAUDIT_SINK_BATCHES,
	EVAUDIT_SINK_COUNTERS
};

enum EvauditSinkTime
{
	EVAUDIT_SINK_LAST_DELIVERED,
	EVAUDIT_SINK_CREDENTIALS_EXPIRE,
	EVAUDIT_SINK_TIMES
};

/* A sink as its definition stands, and the process's part in it. */
typedef struct EvauditSink
{
	int64		id;
	char	   *name;
	char	   *owner;
	Oid			owner_oid;
	char	   *server;
	Oid			server_oid;
	List	   *topics;			/* as evaudit_sink_topics() has them */
	Jsonb	   *options;
	char	   *identity;		/* a UUID: another one after a restore, so
								 * that two databases never meet at a
								 * destination */
	int			batch_size;		/* deliveries */
	int			batch_interval; /* milliseconds */
	bool		ordered;		/* by key */
	bool		blocking;		/* likewise, and a refused delivery holds up
								 * the later ones of its key */
	int			max_attempts;	/* of one that fails alone; 0: no limit */
	bool		ambient;		/* the owner may use the server's own
								 * credentials */
	EvauditProcess *process;
} EvauditSink;

/* A kind of sink.  Each function may raise an ERROR: the process ends then. */
typedef struct EvauditSinkKind
{
	const char *name;			/* stat_sinks.kind */
	const char *wrapper;		/* foreign data wrapper of its servers */
	const char *service;		/* the option "service" that names it among
								 * the kinds of a wrapper; or NULL */
	const char *const *own;		/* names of its own options, up to NULL */

	int			batch_size;		/* unless the options say */

	/*
	 * Before the names of headers that are attributes of a CloudEvent: "ce_"
	 * in Kafka, "ce-" in HTTP; NULL: it has no headers for them.
	 */
	const char *cloudevents_prefix;

	/* Refuse options that cannot be; in the backend of create_sink(). */
	void		(*check) (Jsonb *options);

	/*
	 * The options of a server and of a user's mapping there, for use; an
	 * ERROR if the user may not use them.  Within a transaction.
	 */
	List	   *(*read_options) (Oid server, Oid user);

	/*
	 * Get ready to send, with those options; outside a transaction, unless
	 * the kind is one of transactions.
	 */
	void	   *(*open) (EvauditSink *sink, List *options);

	/*
	 * Before a batch is decided, have the destination know the number of the
	 * last one that was sent, if it may have forgotten it; NULL: it remembers
	 * none.  Outside a transaction.
	 */
	void		(*renew) (void *state, EvauditSinkBatch *batch, int64 number);

	/*
	 * While there is nothing to send, about once a second: renew what
	 * expires; or NULL.  Outside a transaction.
	 */
	void		(*idle) (void *state);

	/*
	 * Whether the destination holds the batch of this number and hash, after
	 * a crash between the decision and the position; an ERROR if what the
	 * destination remembers fits neither this batch nor the one before. NULL:
	 * it cannot tell, and the batch is sent again.  After it said no, the
	 * number may be decided anew, as another batch.
	 */
	bool		(*recover) (void *state, int64 number, const char *hash);

	/*
	 * Send the pending deliveries of a batch and wait for the responses,
	 * interruptibly; set the outcome of each.  What stays pending is handed
	 * over again after a pause.  A destination that is away, denies or is not
	 * there leaves everything pending and says why in batch->error.  Of an
	 * ordered sink no delivery overtakes a pending one of its key, nor, if it
	 * is blocking, a refused one: those behind it stay pending.
	 *
	 * A kind with recover() sends a batch as a whole or not at all, for its
	 * number stands for all of it.  Where it refuses deliveries, it sends
	 * none of the others: they stay pending, without an error, and are
	 * decided anew under the same number.
	 *
	 * What would only wait for responses may call evaudit_sink_read_ahead(),
	 * best twice.
	 */
	void		(*send) (void *state, EvauditSinkBatch *batch);

	/*
	 * Check that the destination is there, for check_server(): NULL, or why
	 * it cannot be sent to; or an ERROR.  In a process without a database,
	 * which must not disturb the one of the sink.  NULL: nothing to check.
	 */
	const char *(*probe) (EvauditSink *sink, List *options);

	/* In the transaction that moves the position; else outside of any. */
	bool		transactional;
} EvauditSinkKind;

/* sink.c */
extern const EvauditSinkKind *evaudit_sink_kind(const char *name);
extern const EvauditSinkKind *evaudit_sink_kind_for(const char *server,
													Jsonb *options);
extern void evaudit_check_sink_options(const EvauditSinkKind *kind,
									   Jsonb *options);
extern EvauditSink *evaudit_load_sink(int64 id, const EvauditSinkKind **kind);
extern List *evaudit_sink_topics_of(int64 id);
extern bool evaudit_sink_is_of_audit(List *topics);
extern void evaudit_sink_check_rights(Oid user, List *topics);

/* sink_job.c, sink_worker.c */
extern const EvauditJobKind evaudit_sink_job;
extern EvauditServerJobs evaudit_sink_jobs;

extern void evaudit_sinks_init(void);
extern void evaudit_sink_note_restored(void);
pg_noreturn extern void evaudit_sink_stop(const EvauditSink *sink,
										  const char *error);
extern void evaudit_sink_run(EvauditProcess *process);
extern void evaudit_sink_read_ahead(EvauditSinkBatch *batch);

/* sink_send.c */
extern const EvauditSinkBatch *evaudit_sink_next(const EvauditSinkBatch *batch);

/* Kinds; those whose files are there are listed in sink.c. */
extern const EvauditSinkKind evaudit_kafka_sink;
extern const EvauditSinkKind evaudit_eventbridge_sink;
extern const EvauditSinkKind evaudit_sqs_sink;
extern const EvauditSinkKind evaudit_sns_sink;
extern const EvauditSinkKind evaudit_function_sink;
extern const EvauditSinkKind evaudit_webhook_sink;
extern List *evaudit_webhook_read_options(Oid server, Oid user);

#endif							/* EVAUDIT_SINK_H */
