/*-------------------------------------------------------------------------
 *
 * client_internal.h
 *	  What the files of the Kafka client share; nobody else includes it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_KAFKA_CLIENT_INTERNAL_H
#define EVAUDIT_KAFKA_CLIENT_INTERNAL_H

#include <pthread.h>

#include <librdkafka/rdkafka.h>

#include "kafka/client.h"
#include "server/compat.h"

/* The latest error of a broker, in the library's words. */
typedef struct KafkaBrokerError
{
	int32		broker;			/* its number; -1: not known yet */
	char		text[256];		/* "": the entry is free */
} KafkaBrokerError;

/* Errors of so many brokers are kept. */
#define KAFKA_BROKER_ERRORS		16

/* What consumers and producers have in common. */
struct EvauditKafka
{
	rd_kafka_t *client;
	rd_kafka_queue_t *queue;	/* of records; a producer's of reports */
	int			pipe[2];		/* readable when there is something new */
	bool		down;			/* no broker can be reached */
	char		error[512];		/* the client's latest error */
	KafkaBrokerError errors[KAFKA_BROKER_ERRORS];
	int			next_error;		/* the entry that is overwritten next */
	char	   *statistics;		/* the library's latest, or NULL; its own */
	size_t		statistics_len;
	List	   *brokers;		/* as of the statistics before */

	struct EvauditAwsMsk *msk;	/* what makes tokens, or NULL */
	bool		token_wanted;	/* the library wants the next one */

	bool		committing;		/* to the group: see group.c */
	bool		commit_ended;
	rd_kafka_resp_err_t commit_error;

	/* Take what the library reports, without waiting; never an ERROR. */
	void		(*serve) (EvauditKafka *kafka);
};

/*
 * A request that blocks, for a thread of its own.  What it needs and what it
 * gives is from malloc() or the library's.
 */
struct EvauditKafkaRequest
{
	void		(*send) (EvauditKafkaRequest *request); /* in the thread */
	rd_kafka_t *client;
	pthread_t	thread;
	int			done[2];		/* pipe: written to when complete */
	int			wakeup;			/* the client's pipe: likewise */

	/* results, each NULL or none unless the request gives it */
	rd_kafka_resp_err_t err;
	rd_kafka_error_t *error;
	const struct rd_kafka_metadata *metadata;
	rd_kafka_event_t *event;

	/* arguments and, of the offsets, results */
	rd_kafka_topic_partition_list_t *offsets;
	rd_kafka_topic_t *topic;
	const char *name;			/* of a topic or a group */
	bool		stable;			/* without offsets of open transactions */
	char	   *cluster;		/* result: the cluster's id, or NULL */
};

/* How long a broker may take to respond, in milliseconds. */
#define EVAUDIT_KAFKA_REQUEST_TIMEOUT	15000

/* conf.c */
extern rd_kafka_conf_t *evaudit_kafka_consumer_conf(List *options, bool ambient,
													const char *group,
													const char *shown_group);
extern rd_kafka_conf_t *evaudit_kafka_producer_conf(List *options, bool ambient,
													const char *transactional_id,
													int batch_bytes);

/* client.c */
extern void evaudit_kafka_client_start(EvauditKafka *kafka,
									   rd_kafka_type_t type,
									   rd_kafka_conf_t *conf,
									   List *options, bool ambient);
extern rd_kafka_topic_partition_list_t *evaudit_kafka_client_list(const EvauditKafkaOffset *offsets,
																  int n);
extern void evaudit_kafka_serve_nothing(EvauditKafka *kafka);
extern void evaudit_kafka_serve_callbacks(EvauditKafka *kafka);
extern void evaudit_kafka_client_watch(EvauditKafka *kafka,
									   rd_kafka_queue_t *queue);
extern void evaudit_kafka_client_note_error(EvauditKafka *kafka, int err,
											const char *reason);
extern void evaudit_kafka_client_drain_pipe(EvauditKafka *kafka);
extern char *evaudit_kafka_client_reason(const char *error);
extern char *evaudit_kafka_client_error(EvauditKafka *kafka, const char *what,
										rd_kafka_resp_err_t err);
extern bool evaudit_kafka_client_is_up(EvauditKafka *kafka);
pg_noreturn extern void evaudit_kafka_client_fail(EvauditKafka *kafka,
												  const char *what,
												  rd_kafka_resp_err_t err);

/* group.c */
extern void evaudit_kafka_group_committed(rd_kafka_t *client,
										  rd_kafka_resp_err_t err,
										  rd_kafka_topic_partition_list_t *offsets,
										  void *opaque);

/* request.c */
extern EvauditKafkaRequest *evaudit_kafka_request_make(EvauditKafka *kafka,
													   void (*send) (EvauditKafkaRequest *));
extern void evaudit_kafka_request_start(EvauditKafkaRequest *request);
extern bool evaudit_kafka_request_end(EvauditKafka *kafka,
									  EvauditKafkaRequest *request,
									  bool patient);
extern bool evaudit_kafka_request_run(EvauditKafka *kafka,
									  EvauditKafkaRequest *request,
									  bool patient);

#endif							/* EVAUDIT_KAFKA_CLIENT_INTERNAL_H */
