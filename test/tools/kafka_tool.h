/*-------------------------------------------------------------------------
 *
 * kafka_tool.h
 *	  What the parts of kafka_tool share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAFKA_TOOL_H
#define KAFKA_TOOL_H

#include <librdkafka/rdkafka.h>

#include "login_events.h"

typedef struct Options
{
	rd_kafka_conf_t *conf;
	const char *topic_config;	/* -C, of create: name=value */
	const char *transaction;	/* -T: commit, abort or abandon */
	int32_t		partition;		/* -p */
	int			escaped;		/* -e */
	LoginStream stream;			/* of load and dump */
} Options;

/* kafka_tool.c */
extern int	timeout_ms;
extern long undelivered;

extern void die(const char *fmt,...)
			__attribute__((format(printf, 1, 2), noreturn));
extern void check(rd_kafka_resp_err_t err, const char *what);
extern void check_error(rd_kafka_error_t *error, const char *what);
extern void set_property(rd_kafka_conf_t *conf, const char *setting);
extern rd_kafka_t *connect_as(Options *options, rd_kafka_type_t type);

/* kafka_admin.c */
extern int	count_partitions(rd_kafka_t *rk, const char *topic);
extern void run_await(Options *options, char **args);
extern void run_create(Options *options, char **args);
extern void run_delete(Options *options, char **args);
extern void run_partitions(Options *options, char **args);
extern void run_delete_records(Options *options, char **args);
extern void run_offsets(Options *options, char **args);
extern void run_committed(Options *options, char **args);

/* kafka_messages.c */
extern void run_produce(Options *options, char **args);
extern void run_transaction(Options *options, char **args);
extern void run_consume(Options *options, char **args);
extern void run_follow(Options *options, char **args);
extern void run_load(Options *options, char **args);
extern void run_dump(Options *options, char **args);

#endif							/* KAFKA_TOOL_H */
