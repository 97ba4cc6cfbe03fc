/*-------------------------------------------------------------------------
 *
 * aws_sink.h
 *	  What the sinks to services of AWS share.
 *
 * Each of them sends up to ten deliveries in a request, several requests at a
 * time, and is told for each delivery whether it was taken.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_AWS_SINK_H
#define EVAUDIT_AWS_SINK_H

#include "aws/client.h"
#include "sinks/ready.h"
#include "sinks/sink.h"

/* Most deliveries in a request. */
#define EVAUDIT_AWS_ENTRIES		10

/* Longest id of a group, and of what is sent again; room for a zero. */
#define EVAUDIT_AWS_ID_BYTES	129

/* Attributes of messages of SQS and SNS: the topic and the event's id. */
#define EVAUDIT_AWS_ATTRIBUTES	2

/* What a response says of one entry of its request. */
typedef struct EvauditAwsEntry
{
	EvauditDelivery *delivery;
	bool		named;			/* the response says something */
	bool		failed;
	bool		sender_fault;	/* it cannot succeed, says the service */
	const char *code;			/* "" for none */
	const char *message;
} EvauditAwsEntry;

typedef struct EvauditAwsSink EvauditAwsSink;

/* What is particular to a service. */
typedef struct EvauditAwsOperation
{
	EvauditAwsService service;
	const char *name;
	int			max_bytes;		/* of a request, at most */
	int			usual_bytes;	/* unless an option says another number */

	/* Read its own options; an ERROR if they cannot be. */
	void		(*read_options) (Jsonb *options, EvauditAwsSink *aws);

	/*
	 * The bytes of a delivery, as the service counts them; 0 and a reason,
	 * with its code, if the service cannot take it.
	 */
	size_t		(*measure) (const EvauditAwsSink *aws,
							const EvauditDelivery *delivery,
							const char **code, const char **reason);

	/* Write a request. */
	void		(*write) (const EvauditAwsSink *aws, StringInfo body,
						  const EvauditAwsEntry *entries, int n);

	/*
	 * Read the response to a request of n entries; false if it speaks of
	 * others.
	 */
	bool		(*read) (const EvauditAwsResponse *response,
						 EvauditAwsEntry *entries, int n);

	/* Whether a delivery is at fault for an error of its entry. */
	bool		(*is_refusal) (const EvauditAwsEntry *entry);

	/*
	 * Check that the destination is there, and learn what it is like: NULL,
	 * or why it is not there or that cannot be known.
	 */
	const char *(*verify) (EvauditAwsSink *aws);
} EvauditAwsOperation;

/* A sink at work. */
struct EvauditAwsSink
{
	EvauditSink *sink;
	const EvauditAwsOperation *operation;
	EvauditHttp *http;
	EvauditAws *aws;
	TimestampTz verified_at;
	bool		known;			/* the destination was described, or has taken
								 * something: it is what it should be */
	size_t		max_bytes;		/* of a request */
	size_t		max_entry_bytes;	/* of a delivery, if that is less; else 0 */
	int			max_requests;	/* at a time */
	int			window;			/* likewise, as the service bears it */

	const char *target;			/* bus, queue or topic, for people */
	EvauditAwsQueue queue;
	const char *url;			/* of the queue */
	bool		fifo;

	/* of EventBridge */
	const char *source;			/* NULL: the topic */
	const char *detail_type;
	const char *detail_id;		/* member for the event's id, or NULL */
	bool		verify_bus;
};

/* aws_sink.c */
extern EvauditAwsSink *evaudit_aws_sink_open(const EvauditAwsOperation *operation,
											 EvauditSink *sink, List *options);
extern const char *evaudit_aws_sink_probe(const EvauditAwsOperation *operation,
										  EvauditSink *sink, List *options);
extern void evaudit_aws_sink_check(const EvauditAwsOperation *operation,
								   Jsonb *options);
extern const char *evaudit_aws_sink_verify(EvauditAwsSink *aws);
extern const char *evaudit_aws_sink_describe(const EvauditAwsResponse *response);

/* aws_send.c */
extern void evaudit_aws_sink_send(void *state, EvauditSinkBatch *batch);

/* aws_message.c: what SQS and SNS have in common */
extern const char *const evaudit_aws_message_attributes[EVAUDIT_AWS_ATTRIBUTES];
extern const char *evaudit_aws_message_attribute(const EvauditDelivery *delivery,
												 int i);
extern void evaudit_aws_message_id(const void *bytes, size_t len,
								   char id[EVAUDIT_AWS_ID_BYTES]);
extern void evaudit_aws_message_group(const EvauditDelivery *delivery,
									  char id[EVAUDIT_AWS_ID_BYTES]);
extern void evaudit_aws_message_repeat(const EvauditAwsSink *aws,
									   const EvauditDelivery *delivery,
									   char id[EVAUDIT_AWS_ID_BYTES]);
extern size_t evaudit_aws_message_bytes(const EvauditAwsSink *aws,
										const EvauditDelivery *delivery,
										const char **code,
										const char **reason);
extern bool evaudit_aws_message_refused(const EvauditAwsEntry *entry);

#endif							/* EVAUDIT_AWS_SINK_H */
