/*-------------------------------------------------------------------------
 *
 * msk.h
 *	  Logging in at Amazon MSK by IAM: options, and tokens of a client.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_KAFKA_MSK_H
#define EVAUDIT_KAFKA_MSK_H

#include "kafka/client_internal.h"

/* msk_options.c */
extern bool evaudit_kafka_is_aws_option(const char *name);
extern bool evaudit_kafka_uses_msk(List *options);
extern List *evaudit_kafka_msk_options(List *options);
extern void evaudit_kafka_check_msk(List *options, bool user_mapping, Oid user);
extern void evaudit_kafka_check_msk_ambient(List *options, Oid server);

/* msk.c */
extern void evaudit_kafka_msk_open(EvauditKafka *kafka, rd_kafka_conf_t *conf,
								   List *options, bool ambient);
extern void evaudit_kafka_msk_begin(EvauditKafka *kafka);
extern void evaudit_kafka_msk_renew(EvauditKafka *kafka);
extern void evaudit_kafka_msk_close(EvauditKafka *kafka);

#endif							/* EVAUDIT_KAFKA_MSK_H */
