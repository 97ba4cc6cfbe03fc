/*-------------------------------------------------------------------------
 *
 * client_internal.h
 *	  What the files of the Kafka client share; nobody else includes it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_KAFKA_CLIENT_INTERNAL_H
#define EVAUDIT_KAFKA_CLIENT_INTERNAL_H

#include <librdkafka/rdkafka.h>

#include "kafka/client.h"
#include "server/compat.h"

struct EvauditKafka
{
	rd_kafka_t *client;
	rd_kafka_queue_t *queue;	/* of records */
	int			pipe[2];		/* readable when there is something new */
	bool		down;			/* no broker can be reached */
	char		error[512];		/* the client's latest error */
};

/* conf.c */
extern rd_kafka_conf_t *evaudit_kafka_conf(List *options, bool ambient,
										   const char *group);

/* client.c */
extern char *evaudit_kafka_client_error(EvauditKafka *kafka, const char *what,
										rd_kafka_resp_err_t err);
extern bool evaudit_kafka_client_is_up(EvauditKafka *kafka);
pg_noreturn extern void evaudit_kafka_client_fail(EvauditKafka *kafka,
												  const char *what,
												  rd_kafka_resp_err_t err);

#endif							/* EVAUDIT_KAFKA_CLIENT_INTERNAL_H */
