/*-------------------------------------------------------------------------
 *
 * client.h
 *	  Calls of AWS services: of SQS and EventBridge, which speak JSON, and of
 *	  SNS, which takes forms and answers in XML.
 *
 *		aws = evaudit_aws_open(http, server, user, EVAUDIT_AWS_SQS);
 *		evaudit_aws_call(aws, "ReceiveMessage", body, len, tag, hold);
 *		evaudit_http_wait(http, timeout);
 *		while ((response = evaudit_aws_take(aws)) != NULL)
 *			... evaudit_aws_release(aws, response);
 *
 * A call never raises an ERROR for what the service, the network or the
 * credentials do: its response has a fault.  The caller retries, after
 * evaudit_aws_backoff().
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_AWS_CLIENT_H
#define EVAUDIT_AWS_CLIENT_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "net/http_client.h"
#include "text/json.h"

typedef struct EvauditAws EvauditAws;

typedef enum EvauditAwsService
{
	EVAUDIT_AWS_SQS,
	EVAUDIT_AWS_EVENTS,
	EVAUDIT_AWS_SNS,
	EVAUDIT_AWS_GLUE,
	EVAUDIT_AWS_S3				/* see s3.c */
} EvauditAwsService;

/* What a call came to, by what is to be done about it. */
typedef enum EvauditAwsFault
{
	EVAUDIT_AWS_OK,
	EVAUDIT_AWS_TRANSPORT,		/* no response, or 5xx: retry soon */
	EVAUDIT_AWS_THROTTLED,		/* retry slowly */
	EVAUDIT_AWS_OVER_LIMIT,		/* receive no more for a while, but delete */
	EVAUDIT_AWS_CREDENTIALS,	/* none, expired or refused: they are fetched
								 * anew before the next call; slowly */
	EVAUDIT_AWS_DENIED,			/* not allowed, or a key of KMS; slowly */
	EVAUDIT_AWS_MISSING,		/* the queue or bus is not there; slowly */
	EVAUDIT_AWS_STALE,			/* this receipt handle is of no use any more */
	EVAUDIT_AWS_INVALID			/* anything else: the request is at fault */
} EvauditAwsFault;

/*
 * A response; valid until it is released, but for json, which lives in the
 * memory context that was current when the response was taken.
 */
typedef struct EvauditAwsResponse
{
	void	   *tag;
	EvauditAwsFault fault;
	int			status;			/* of HTTP; 0: none */
	const char *code;			/* "QueueDoesNotExist"; "" for none */
	const char *message;		/* what happened, for people; "" if OK */
	const EvauditJson *json;	/* if OK: the body, an object; else NULL */
	const char *xml;			/* likewise, where that is not JSON */
	void	   *call;			/* private */
} EvauditAwsResponse;

/*
 * A client of a service, in the current memory context, by the options of a
 * foreign server and of the user's mapping there.  Within a transaction.
 * Raises an ERROR if the options are not complete.  Several may share http.
 */
extern EvauditAws *evaudit_aws_open(EvauditHttp *http, Oid server,
									Oid user, EvauditAwsService service);

/* The same by options alone; ambient: may use the server's credentials. */
extern EvauditAws *evaudit_aws_open_options(EvauditHttp *http, List *options,
											bool ambient,
											EvauditAwsService service);

/*
 * Make a call: operation is "ReceiveMessage", body its JSON or the fields of
 * its form, which need not outlive the call.  hold is how many milliseconds the service may let us
 * wait on purpose, as by a long poll: the server's request_timeout comes on
 * top.  Fetches credentials first where that is due, which may take seconds,
 * waiting on the latch; calls under way continue meanwhile.
 */
extern void evaudit_aws_call(EvauditAws *aws, const char *operation,
							 const char *body, size_t body_len,
							 void *tag, int hold);

/*
 * A call as a request that is made by somebody else, without its body; in
 * place that the caller has, and with keys that are good until the next call.
 */
typedef struct EvauditAwsRequest
{
	EvauditHttpRequest request;
	const char *headers[4];
	char		target[128];
} EvauditAwsRequest;

extern const EvauditHttpRequest *evaudit_aws_prepare(EvauditAws *aws,
													 const char *operation,
													 EvauditAwsRequest *place);

/* The oldest response, or NULL. */
extern EvauditAwsResponse *evaudit_aws_take(EvauditAws *aws);

/* Make a call and wait for its response, while no other is under way. */
extern EvauditAwsResponse *evaudit_aws_perform(EvauditAws *aws,
											   const char *operation,
											   const char *body);

extern void evaudit_aws_release(EvauditAws *aws, EvauditAwsResponse *response);

/* One line of a string from outside, of at most so many bytes. */
extern char *evaudit_aws_printable(const char *string, size_t max);

/* What an error code of an entry of a batch calls for. */
extern EvauditAwsFault evaudit_aws_classify(const char *code);

/*
 * Milliseconds to wait before an attempt after a number of failures in a row
 * (1 or more): random, growing up to 20 s; longer at once for what does not
 * pass by itself.
 */
extern int	evaudit_aws_backoff(EvauditAwsFault fault, int failures);

/* When the credentials in use expire; 0: never, or there are none. */
extern TimestampTz evaudit_aws_credentials_expire_at(const EvauditAws *aws);

/*
 * Where they are from, for people: "user mapping", "environment", ...; NULL
 * if there are none.
 */
extern const char *evaudit_aws_credentials_source(const EvauditAws *aws);

/* Fetch credentials if there are none yet: NULL, or why there are none. */
extern const char *evaudit_aws_credentials_fetch(EvauditAws *aws);

/* The id of the key in use, which is no secret; NULL if there is none. */
extern const char *evaudit_aws_credentials_id(const EvauditAws *aws);

/* Whether it is known where STS is: not if only endpoint_url says. */
extern bool evaudit_aws_knows_sts(const EvauditAws *aws);

/* Ask STS who we are: the ARN, or false and why not; waits on the latch. */
extern bool evaudit_aws_identity(EvauditAws *aws, char **str);

extern const char *evaudit_aws_endpoint(const EvauditAws *aws);

/* The authorities that the server option ca_file names, or NULL. */
extern const char *evaudit_aws_ca_file(const EvauditAws *aws);

extern const char *evaudit_aws_region(const EvauditAws *aws);

/* What a queue is named by: its name, URL or ARN. */
typedef struct EvauditAwsQueue
{
	const char *said;			/* as it was given */
	const char *name;
	const char *url;			/* NULL: it has to be looked up */
	const char *account;		/* whose it is; NULL: the caller's */
	const char *region;			/* NULL: the server's */
} EvauditAwsQueue;

/* s3.c: objects of S3, by a client of that service */
extern bool evaudit_aws_is_bucket(const char *name);
extern bool evaudit_aws_is_object_key(const char *key);
extern EvauditHttpResponse *evaudit_aws_object(EvauditAws *aws,
											   EvauditHttp *http,
											   const char *method,
											   const char *bucket,
											   const char *key,
											   size_t max_bytes, bool wait,
											   const char **error);

/* What a response to a prepared request means, that is not as it should be. */
extern void evaudit_aws_describe(EvauditAws *aws,
								 const EvauditHttpResponse *http,
								 EvauditAwsResponse *response);

/* names.c: what queues, topics and buses are called */
extern void evaudit_aws_read_queue(const char *string, EvauditAwsQueue *queue);
extern const char *evaudit_aws_queue_error(const EvauditAws *aws,
										   const EvauditAwsQueue *queue);
extern bool evaudit_aws_is_fifo(const EvauditAwsQueue *queue);
extern void evaudit_aws_queue_lookup(const EvauditAwsQueue *queue,
									 StringInfo body);
extern bool evaudit_aws_is_queue_url(const char *url);
extern bool evaudit_aws_is_bus_name(const char *name);
extern bool evaudit_aws_is_arn(const char *arn, const char *service,
							   const char *resource);

/* query.c: forms and XML */
extern void evaudit_aws_form_field(StringInfo form, const char *name,
								   const char *value);
extern void evaudit_aws_form_bytes(StringInfo form, const char *name,
								   const char *value, size_t len);
extern char *evaudit_aws_xml_element(const char *xml, const char *element,
									 const char **rest);
extern char *evaudit_aws_xml_text(const char *xml, const char *element);

/*
 * msk.c: tokens that log in at Amazon MSK, by the options of a client.  A
 * token is palloc'd and as secret as a password; it may take as long as
 * credentials do, waiting on the latch.
 */
typedef struct EvauditAwsMsk EvauditAwsMsk;

extern EvauditAwsMsk *evaudit_aws_msk_open(List *options, bool ambient);
extern const char *evaudit_aws_msk_token(EvauditAwsMsk *msk, char **token,
										 TimestampTz *expires);
extern void evaudit_aws_msk_close(EvauditAwsMsk *msk);

/* conf.c: what may be said in servers and user mappings. */
extern void evaudit_aws_check_options(List *options, bool user_mapping,
									  Oid user);
extern List *evaudit_aws_read_options(Oid server, Oid user);

#endif							/* EVAUDIT_AWS_CLIENT_H */
