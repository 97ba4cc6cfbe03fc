/*-------------------------------------------------------------------------
 *
 * error.c
 *	  What a response of an AWS service means.
 *
 * An error says its code in "__type" of a JSON body, in <Code> of an XML
 * body, or in a header; a proxy before the service may send
 * anything, HTML for instance.  The Content-Type is not to be relied on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "lib/stringinfo.h"

#include "aws/client_internal.h"
#include "text/json.h"

/* Backoff, in milliseconds. */
#define FIRST_PAUSE			50
#define FIRST_SLOW_PAUSE	1000
#define LONGEST_PAUSE		20000

/* Most of a code or a message that is kept, in bytes. */
#define MAX_CODE			100
#define MAX_MESSAGE			300

/* Codes, or how they begin if a star follows, by what to do about them. */
static const struct
{
	const char *code;
	EvauditAwsFault fault;
}			known_codes[] = {
	{"RequestTimeout*", EVAUDIT_AWS_TRANSPORT},
	{"Internal*", EVAUDIT_AWS_TRANSPORT},	/* Error, Failure, ... */
	{"ServiceUnavailable*", EVAUDIT_AWS_TRANSPORT},

	{"RequestThrottled*", EVAUDIT_AWS_THROTTLED},
	{"Throttl*", EVAUDIT_AWS_THROTTLED},	/* ThrottlingException, ... */
	{"TooManyRequests*", EVAUDIT_AWS_THROTTLED},
	{"RequestLimitExceeded", EVAUDIT_AWS_THROTTLED},
	{"BandwidthLimitExceeded", EVAUDIT_AWS_THROTTLED},
	{"ProvisionedThroughputExceeded*", EVAUDIT_AWS_THROTTLED},
	{"PriorRequestNotComplete", EVAUDIT_AWS_THROTTLED},
	{"EC2ThrottledException", EVAUDIT_AWS_THROTTLED},
	{"SlowDown", EVAUDIT_AWS_THROTTLED},
	{"KmsThrottled*", EVAUDIT_AWS_THROTTLED},
	{"KMS.ThrottlingException", EVAUDIT_AWS_THROTTLED},

	{"OverLimit", EVAUDIT_AWS_OVER_LIMIT},

	{"ExpiredToken*", EVAUDIT_AWS_CREDENTIALS},
	{"RequestExpired", EVAUDIT_AWS_CREDENTIALS},
	{"InvalidClientTokenId", EVAUDIT_AWS_CREDENTIALS},
	{"InvalidAccessKeyId", EVAUDIT_AWS_CREDENTIALS},
	{"InvalidToken", EVAUDIT_AWS_CREDENTIALS},
	{"UnrecognizedClientException", EVAUDIT_AWS_CREDENTIALS},
	{"SignatureDoesNotMatch", EVAUDIT_AWS_CREDENTIALS},
	{"InvalidSignatureException", EVAUDIT_AWS_CREDENTIALS},
	{"IncompleteSignature*", EVAUDIT_AWS_CREDENTIALS},
	{"MissingAuthenticationToken*", EVAUDIT_AWS_CREDENTIALS},
	{"AuthFailure", EVAUDIT_AWS_CREDENTIALS},

	{"AccessDenied*", EVAUDIT_AWS_DENIED},
	{"AuthorizationError*", EVAUDIT_AWS_DENIED},
	{"NotAuthorized*", EVAUDIT_AWS_DENIED},
	{"UnauthorizedOperation", EVAUDIT_AWS_DENIED},
	{"OptInRequired", EVAUDIT_AWS_DENIED},
	{"InvalidAccountId*", EVAUDIT_AWS_DENIED},
	{"Kms*", EVAUDIT_AWS_DENIED},
	{"KMS.*", EVAUDIT_AWS_DENIED},

	{"QueueDoesNotExist", EVAUDIT_AWS_MISSING},
	{"NonExistentQueue", EVAUDIT_AWS_MISSING},
	{"ResourceNotFound*", EVAUDIT_AWS_MISSING},
	{"NotFound", EVAUDIT_AWS_MISSING},	/* of SNS */

	{"ReceiptHandleIsInvalid", EVAUDIT_AWS_STALE},
	{"MessageNotInflight", EVAUDIT_AWS_STALE},
};

/* Whether a code is one of the table's. */
static bool
code_matches(const char *code, const char *known)
{
	size_t		len = strlen(known);

	if (known[len - 1] == '*')
		return strncmp(code, known, len - 1) == 0;
	return strcmp(code, known) == 0;
}

/* What an error code calls for. */
EvauditAwsFault
evaudit_aws_classify(const char *code)
{
	static const char old[] = "AWS.SimpleQueueService.";

	if (strncmp(code, old, strlen(old)) == 0)
		code += strlen(old);
	for (int i = 0; i < lengthof(known_codes); i++)
	{
		if (code_matches(code, known_codes[i].code))
			return known_codes[i].fault;
	}
	return EVAUDIT_AWS_INVALID;
}

/* What an HTTP status calls for where no code is known. */
static EvauditAwsFault
classify_status(int status)
{
	switch (status)
	{
		case 401:
			return EVAUDIT_AWS_CREDENTIALS;
		case 403:
			return EVAUDIT_AWS_DENIED;
		case 408:
			return EVAUDIT_AWS_TRANSPORT;
		case 429:
			return EVAUDIT_AWS_THROTTLED;
		default:
			return status >= 500 ? EVAUDIT_AWS_TRANSPORT : EVAUDIT_AWS_INVALID;
	}
}

/*
 * A copy of a string from outside that can be shown: one line of at most so
 * many bytes, valid in any encoding.
 */
char *
evaudit_aws_printable(const char *string, size_t max)
{
	StringInfoData copy;

	initStringInfo(&copy);
	for (; *string != '\0' && copy.len < max; string++)
	{
		unsigned char c = *string;

		if (c > 0x20 && c < 0x7f)
			appendStringInfoCharMacro(&copy, c);
		else if (c >= 0x7f)
			appendStringInfoCharMacro(&copy, '?');
		else if (copy.len > 0 && copy.data[copy.len - 1] != ' ')
			appendStringInfoCharMacro(&copy, ' ');
	}
	return copy.data;
}

/* "com.amazonaws.sqs#QueueDoesNotExist:http://..." without its frame. */
static char *
bare_code(const char *type)
{
	const char *hash = strchr(type, '#');

	if (hash != NULL)
		type = hash + 1;
	return evaudit_aws_printable(pnstrdup(type, strcspn(type, ":;")), MAX_CODE);
}

/* Find code and message of an error. */
static void
read_error(EvauditAwsResponse *response, const EvauditHttpResponse *http)
{
	EvauditJson *json = evaudit_json_parse(http->body, http->body_len);
	const char *code = NULL;
	const char *message = NULL;

	if (evaudit_json_is_object(json))
	{
		code = evaudit_json_string(json, "__type");
		if (code == NULL)
			code = evaudit_json_string(json, "code");
		message = evaudit_json_string(json, "message");
		if (message == NULL)
			message = evaudit_json_string(json, "Message");
	}
	else
	{
		code = evaudit_aws_xml_text(http->body, "Code");
		message = evaudit_aws_xml_text(http->body, "Message");
	}
	if (code == NULL)
		code = evaudit_http_header(http, "x-amzn-errortype");
	if (code == NULL)
		code = evaudit_http_header(http, "x-amzn-query-error");

	if (code != NULL)
		response->code = bare_code(code);
	if (message != NULL)
		response->message = evaudit_aws_printable(message, MAX_MESSAGE);
	else
		response->message = psprintf("HTTP status %d", http->status);
}

/*
 * Find out what a response without a JSON object means; what it says of an
 * error is in the current memory context.
 */
void
evaudit_aws_classify_response(EvauditAwsResponse *response,
							  const EvauditHttpResponse *http)
{
	response->status = http->status;
	response->code = response->message = "";
	response->json = NULL;

	if (http->fault == EVAUDIT_HTTP_IMPOSSIBLE ||
		http->fault == EVAUDIT_HTTP_TOO_LARGE)
		response->fault = EVAUDIT_AWS_INVALID;
	else if (http->fault != EVAUDIT_HTTP_OK)
		response->fault = EVAUDIT_AWS_TRANSPORT;
	else if (http->status == 200)
	{
		response->fault = EVAUDIT_AWS_INVALID;
		response->message = psprintf("the response is not JSON: %s",
									 evaudit_aws_printable(http->body, 60));
	}
	else
	{
		read_error(response, http);
		response->fault = evaudit_aws_classify(response->code);
		if (response->fault == EVAUDIT_AWS_INVALID)
			response->fault = classify_status(http->status);
	}
	if (http->fault != EVAUDIT_HTTP_OK)
		response->message = pstrdup(http->error);
}

/* Milliseconds to wait before an attempt after some failures in a row. */
int
evaudit_aws_backoff(EvauditAwsFault fault, int failures)
{
	bool		fast = fault == EVAUDIT_AWS_TRANSPORT;
	double		most = fast ? FIRST_PAUSE : FIRST_SLOW_PAUSE;
	double		random = pg_prng_double(&pg_global_prng_state);

	for (int i = 1; i < failures && most < LONGEST_PAUSE; i++)
		most *= 2;
	most = Min(most, LONGEST_PAUSE);
	/* an error that persists is retried at a steady pace */
	if (!fast && fault != EVAUDIT_AWS_THROTTLED)
		random = (1 + random) / 2;
	return (int) (random * most);
}
