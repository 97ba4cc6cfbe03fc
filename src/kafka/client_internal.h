/*-------------------------------------------------------------------------
 *
 * client_internal.h
 *	  What client.c and request.c share; nobody else includes it.
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
	char		error[512];		/* the latest complaint of the client */
};

pg_noreturn extern void evaudit_kafka_fail(EvauditKafka *kafka,
										   const char *what,
										   rd_kafka_resp_err_t err);

#endif							/* EVAUDIT_KAFKA_CLIENT_INTERNAL_H */
