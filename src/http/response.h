/*-------------------------------------------------------------------------
 *
 * response.h
 *	  A response of evaudit.http().
 *
 * It lives in the memory context of the call.  What goes into a body is
 * bounded by evaudit.http_max_response.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_HTTP_RESPONSE_H
#define EVAUDIT_HTTP_RESPONSE_H

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

/* Types of errors that more than one route has. */
#define EVAUDIT_PROBLEM_AUTH		"auth"
#define EVAUDIT_PROBLEM_INTERNAL	"internal"
#define EVAUDIT_PROBLEM_ROUTE		"route"
#define EVAUDIT_PROBLEM_SIZE		"size"
#define EVAUDIT_PROBLEM_TOPIC		"topic"
#define EVAUDIT_PROBLEM_UNAVAILABLE "unavailable"
#define EVAUDIT_PROBLEM_VALIDATION	"validation"

typedef struct EvauditResponse
{
	int			status;
	const char *content_type;	/* NULL: no body */
	StringInfoData headers;		/* members of a JSON object, but the above */
	StringInfoData body;		/* in the server's encoding */
	int			nerrors;		/* errors that the body lists so far */
	const char *preflight;		/* methods that pages of other origins may
								 * send, if that was asked */
	StringInfoData wait;		/* what a front waits for before it responds
								 * (wait.c); no data: nothing */
	bool		cacheable;		/* it is the same for everybody until what it
								 * shows is changed */
} EvauditResponse;

extern void evaudit_response_init(EvauditResponse *response);
extern void evaudit_response_reset(EvauditResponse *response);
extern StringInfo evaudit_response_begin(EvauditResponse *response,
										 int status, const char *content_type);
extern StringInfo evaudit_response_begin_json(EvauditResponse *response,
											  int status);
extern void evaudit_response_success(EvauditResponse *response, int status);
extern void evaudit_response_header(EvauditResponse *response,
									const char *name, const char *value);
extern bool evaudit_response_is_unchanged(EvauditResponse *response,
										  const char *known);
extern void evaudit_response_data_error(EvauditResponse *response,
										int sqlstate, const char *message);
extern void evaudit_response_error(EvauditResponse *response, int status,
								   const char *type, const char *message);
extern size_t evaudit_response_limit(void);
extern bool evaudit_response_fits(EvauditResponse *response);
extern void evaudit_response_too_large(EvauditResponse *response);

/* Parts of a body of JSON. */
extern void evaudit_response_member(StringInfo json, const char *name,
									const char *value);
extern bool evaudit_response_jsonb(StringInfo json, Jsonb *value,
								   size_t limit);

#endif							/* EVAUDIT_HTTP_RESPONSE_H */
