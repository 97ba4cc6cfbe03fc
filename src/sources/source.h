/*-------------------------------------------------------------------------
 *
 * source.h
 *	  What every kind of source is to the worker that runs it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SOURCE_H
#define EVAUDIT_SOURCE_H

#include "events/event.h"
#include "runtime/server_job.h"
#include "utils/jsonb.h"

/* Counters and times of a source in its slot. */
enum EvauditSourceCounter
{
	EVAUDIT_SOURCE_RECEIVED,
	EVAUDIT_SOURCE_MERGED,
	EVAUDIT_SOURCE_BATCHES,
	EVAUDIT_SOURCE_ASSIGNMENT,	/* counts changes of the partitions */
	EVAUDIT_SOURCE_DEAD_LETTERED,	/* the first of one for each reason */
	EVAUDIT_SOURCE_COUNTERS = EVAUDIT_SOURCE_DEAD_LETTERED + EVAUDIT_NREASONS
};

enum EvauditSourceTime
{
	EVAUDIT_SOURCE_LAST_RECEIVED,
	EVAUDIT_SOURCE_LAST_COMMITTED,
	EVAUDIT_SOURCE_CREDENTIALS_EXPIRE,
	EVAUDIT_SOURCE_TIMES
};

/* A source as its definition stands, and the worker's part in it. */
typedef struct EvauditSource
{
	int64		id;
	char	   *name;
	char	   *owner;
	Oid			owner_oid;
	char	   *server;
	Oid			server_oid;
	char	   *topic;
	Jsonb	   *options;
	char	   *seek;			/* pending seek_source(), or NULL */
	int			seek_number;
	bool		started;		/* its partitions were looked up before */

	int			batch_size;		/* events */
	int			max_events;		/* in a batch while there is a backlog */
	int			batch_interval; /* milliseconds */
	int			max_event_bytes;

	EvauditProcess *process;	/* the worker that reads it, or its share */
	TimestampTz reported_at;	/* its last error that it can live with */
} EvauditSource;

/*
 * Events on their way into one transaction.  What they point to lives in
 * context, or in the source until the next fetch.
 */
typedef struct EvauditBatch
{
	MemoryContext context;
	EvauditEvent *events;
	int			nevents;
	size_t		bytes;			/* of all payloads */
} EvauditBatch;

/* A kind of source.  Each function may raise an ERROR: the worker ends then. */
typedef struct EvauditSourceKind
{
	const char *name;			/* stat_sources.kind */
	const char *wrapper;		/* foreign data wrapper of its servers */

	/* Refuse options that cannot be; in the backend of create_source(). */
	void		(*check) (Jsonb *options);

	/*
	 * The options of a server and of a user's mapping there, for use; an
	 * ERROR if the user may not use them.  Within a transaction.
	 */
	List	   *(*read_options) (Oid server, Oid user);

	/* Refuse a place to seek to that is none; likewise. */
	void		(*check_target) (const char *target);

	/* How many workers these options ask for. */
	int			(*workers) (Jsonb *options);

	/* Get ready to read; outside a transaction. */
	void	   *(*open) (EvauditSource *source);

	/*
	 * Fill the batch, waiting for its first event until there is one or
	 * something else to commit; outside a transaction.  Releases what the
	 * batch before held.  False if there is nothing to commit.
	 */
	bool		(*fetch) (void *state, EvauditBatch *batch);

	/* The transaction of a batch is about to begin, until ack(); or NULL. */
	void		(*begin) (void *state, EvauditBatch *batch);

	/*
	 * Decide about rejected events before dead letters are written, in the
	 * batch's transaction: mark those that stay where they came from as
	 * deferred; or NULL.  False if events that are deferred now have had an
	 * effect: the transaction is rolled back and the batch ingested again,
	 * without them.
	 */
	bool		(*handle_rejected) (void *state, EvauditBatch *batch);

	/* Keep the place after this batch, in the batch's own transaction. */
	void		(*commit) (void *state, EvauditBatch *batch);

	/*
	 * How far what seek_source() asked for is, as the end of a line in
	 * pg_stat_activity; "" if nothing is read again; or NULL.
	 */
	void		(*show_progress) (void *state, char *line, size_t size);

	/* Tell the other side, once the transaction is committed; or NULL. */
	void		(*ack) (void *state, EvauditBatch *batch);

	/*
	 * Check a dead letter by these options as if it were received now, or
	 * reject it; in the backend of redrive().
	 */
	bool		has_messages;	/* its events have a message_id */
	void	   *(*receiver) (Jsonb *options);
	void		(*receive_again) (void *receiver, EvauditEvent *event);
} EvauditSourceKind;

extern const EvauditSourceKind evaudit_kafka_source;
extern const EvauditSourceKind evaudit_sqs_source;

extern const EvauditSourceKind *evaudit_source_kind(const char *name);
extern const EvauditSourceKind *evaudit_server_kind(const char *server);
extern void evaudit_check_source_options(const EvauditSourceKind *kind,
										 Jsonb *options);
extern void evaudit_check_option_names(Jsonb *options,
									   const char *const *own);
extern EvauditSource *evaudit_load_source(int64 id,
										  const EvauditSourceKind **kind);
extern void evaudit_source_report_error(EvauditSource *source, const char *fmt,...)
			pg_attribute_printf(2, 3);

extern void evaudit_source_recovered(EvauditSource *source);
extern void evaudit_source_check_size(const EvauditSource *source,
									  EvauditEvent *event);
extern void evaudit_source_wait(EvauditSource *source, TimestampTz until);

/* source_job.c, source_worker.c, source_stats.c */
extern const EvauditJobKind evaudit_source_job;
extern EvauditServerJobs evaudit_source_jobs;

extern void evaudit_sources_init(void);
extern void evaudit_source_run(EvauditProcess *process);

extern EvauditBatch *evaudit_batch_create(const EvauditSource *source);
extern void evaudit_batch_reset(EvauditBatch *batch);
extern bool evaudit_batch_full(const EvauditSource *source,
							   const EvauditBatch *batch);
extern EvauditEvent *evaudit_batch_add(const EvauditSource *source,
									   EvauditBatch *batch,
									   const char *payload,
									   size_t payload_len);

#endif							/* EVAUDIT_SOURCE_H */
