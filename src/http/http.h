/*-------------------------------------------------------------------------
 *
 * net/http_client.h
 *	  A request to evaudit.http() and what is answered.
 *
 * Both live in the memory context of the call.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_HTTP_H
#define EVAUDIT_HTTP_H

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include "events/topic.h"

/* Longest method and path, a query included, in bytes. */
#define EVAUDIT_GATE_MAX_METHOD		16
#define EVAUDIT_GATE_MAX_PATH		2048

/* Most headers, and most bytes of them all as jsonb. */
#define EVAUDIT_GATE_MAX_HEADERS	128
#define EVAUDIT_GATE_MAX_HEADER_BYTES	65536

/* Types of errors that more than one route has. */
#define EVAUDIT_GATE_AUTH		"auth"
#define EVAUDIT_GATE_INTERNAL	"internal"
#define EVAUDIT_GATE_ROUTE		"route"
#define EVAUDIT_GATE_TOPIC		"topic"
#define EVAUDIT_GATE_VALIDATION "validation"

typedef struct EvauditGateRequest
{
	const char *method;
	const char *path;			/* without the query */
	const char *param;			/* what stands for {} in the route, decoded */
	const char *id;				/* goes through logs and audit rows */
	Jsonb	   *headers;		/* an object, or NULL */
	const char *body;			/* NULL: none; not terminated by a zero */
	size_t		body_len;
} EvauditGateRequest;

typedef struct EvauditGateAnswer
{
	int			status;
	const char *content_type;	/* NULL: no body */
	StringInfoData headers;		/* members of a JSON object, but the above */
	StringInfoData body;		/* in the server's encoding */
	int			nerrors;		/* errors that the body lists so far */
} EvauditGateAnswer;

typedef void (*EvauditGateHandler) (EvauditGateRequest *request,
									EvauditGateAnswer *answer);

/* How the body of a request reads. */
typedef enum EvauditGateJson
{
	EVAUDIT_GATE_JSON,
	EVAUDIT_GATE_JSON_EMPTY,	/* there is no body */
	EVAUDIT_GATE_JSON_BAD,
	EVAUDIT_GATE_JSON_TOO_LARGE
} EvauditGateJson;

/* request.c */
extern bool evaudit_gate_read_request(EvauditGateRequest *request,
									  const char *method, const char *path,
									  EvauditGateAnswer *answer);
extern const char *evaudit_gate_decode(const char *path, size_t len);
extern const char *evaudit_gate_header(const EvauditGateRequest *request,
									   const char *name);
extern const char *evaudit_gate_request_id(const EvauditGateRequest *request);
extern EvauditGateJson evaudit_gate_body(const EvauditGateRequest *request,
										 Jsonb **json, const char **error);

/* response.c */
extern void evaudit_gate_answer_init(EvauditGateAnswer *answer);
extern void evaudit_gate_answer_reset(EvauditGateAnswer *answer);
extern StringInfo evaudit_gate_answer(EvauditGateAnswer *answer, int status,
									  const char *content_type);
extern StringInfo evaudit_gate_answer_json(EvauditGateAnswer *answer,
										   int status);
extern void evaudit_gate_add_header(EvauditGateAnswer *answer,
									const char *name, const char *value);
extern void evaudit_gate_error(EvauditGateAnswer *answer, int status,
							   const char *type, const char *message);
extern void evaudit_gate_member(StringInfo json, const char *name,
								const char *value);
extern void evaudit_gate_jsonb(StringInfo json, Jsonb *value);

/* auth.c */
extern bool evaudit_gate_authenticate(const EvauditGateRequest *request,
									  EvauditGateAnswer *answer,
									  char **subject);

/* topics.c */
extern const EvauditTopic *evaudit_gate_find_topic(EvauditGateRequest *request,
												   EvauditGateAnswer *answer);

/* publish.c */
extern bool evaudit_gate_publish(const EvauditGateRequest *request,
								 const EvauditTopic *topic, Jsonb *payload,
								 const char *event_id, const char *subject,
								 EvauditEvent *event);

/* route.c */
extern void evaudit_gate_route(EvauditGateRequest *request,
							   EvauditGateAnswer *answer);

/* The routes, each in the file of its subject. */
extern void evaudit_gate_get_api(EvauditGateRequest *, EvauditGateAnswer *);
extern void evaudit_gate_get_docs(EvauditGateRequest *, EvauditGateAnswer *);
extern void evaudit_gate_get_token(EvauditGateRequest *, EvauditGateAnswer *);
extern void evaudit_gate_get_health(EvauditGateRequest *, EvauditGateAnswer *);
extern void evaudit_gate_get_topics(EvauditGateRequest *, EvauditGateAnswer *);
extern void evaudit_gate_get_topic(EvauditGateRequest *, EvauditGateAnswer *);
extern void evaudit_gate_post_topic(EvauditGateRequest *, EvauditGateAnswer *);
extern void evaudit_gate_post_stats(EvauditGateRequest *, EvauditGateAnswer *);
extern void evaudit_gate_post_terminate(EvauditGateRequest *,
										EvauditGateAnswer *);
extern void evaudit_gate_post_event(EvauditGateRequest *, EvauditGateAnswer *);
extern void evaudit_gate_get_event(EvauditGateRequest *, EvauditGateAnswer *);
extern void evaudit_gate_options_events(EvauditGateRequest *,
										EvauditGateAnswer *);
extern void evaudit_gate_get_services(EvauditGateRequest *,
									  EvauditGateAnswer *);

#endif							/* EVAUDIT_HTTP_H */
