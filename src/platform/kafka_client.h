/*-------------------------------------------------------------------------
 *
 * kafka_client.h
 *	  What kafka.c and kafka_request.c share; nobody else includes it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_KAFKA_CLIENT_H
#define EVAUDIT_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>

#include "platform/compat.h"
#include "platform/kafka.h"

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

#endif							/* EVAUDIT_KAFKA_CLIENT_H */
