/*-------------------------------------------------------------------------
 *
 * metadata.c
 *	  Keys that the machine or its container is given: ECS and EKS by a URL
 *	  in the environment, EC2 by the instance metadata service, version 2.
 *
 * These requests go directly, never by way of a proxy.  A container's URL may
 * only lead to where such a service can be, or be https, since the
 * authorization token goes there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>

#include "aws/client_internal.h"
#include "net/url.h"
#include "text/ascii.h"

/* Where a container's relative URI is, and the machine's metadata. */
#define CONTAINER_URL	"http://169.254.170.2"
#define INSTANCE_URL	"http://169.254.169.254"

/* Milliseconds for each question, and how often it is put. */
#define TIMEOUT			1000
#define ATTEMPTS		3

#define MAX_RESPONSE		(64 * 1024)
#define MAX_TOKEN		4096
#define MAX_ROLE_NAME	64
#define TOKEN_TTL		"X-aws-ec2-metadata-token-ttl-seconds: 21600"

/* Whether a host is one that credentials may be requested from without TLS. */
static bool
is_near(const char *host)
{
	struct in_addr v4;

	if (inet_pton(AF_INET, host, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127 ||
			strcmp(host, "169.254.170.2") == 0 ||
			strcmp(host, "169.254.170.23") == 0;
	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
		strcmp(host, "[fd00:ec2::23]") == 0;
}

/* Whether the authorization token may be sent to a URL. */
static bool
is_allowed(const char *str)
{
	EvauditUrl	url;

	return evaudit_url_parse(str, &url) &&
		(strcmp(url.scheme, "https") == 0 ||
		 (strcmp(url.scheme, "http") == 0 && is_near(url.host)));
}

/* Request, and repeat while there is no response or a status of 5xx. */
static EvauditHttpResponse *
request_from(AwsCredentials *credentials, const char *method, const char *url,
			 const char *header, int attempts)
{
	const char *headers[2] = {header};
	EvauditHttpRequest request = {
		.method = method,.url = url,.headers = headers,.direct = true,
		.sensitive = true,.timeout = TIMEOUT,.max_bytes = MAX_RESPONSE
	};
	EvauditHttpResponse *response = evaudit_http_perform(credentials->http, &request);

	while (--attempts > 0 &&
		   (response->fault != EVAUDIT_HTTP_OK || response->status >= 500))
	{
		evaudit_http_release(credentials->http, response);
		response = evaudit_http_perform(credentials->http, &request);
	}
	return response;
}

/* Note that a response is of no use, and give it back. */
static AwsFound
refuse_response(AwsCredentials *credentials, const char *place,
				EvauditHttpResponse *response)
{
	if (response->fault != EVAUDIT_HTTP_OK)
		evaudit_aws_fault(credentials, "could not reach the %s: %s", place,
						  response->error);
	else
		evaudit_aws_fault(credentials, "the response of the %s has HTTP status %d",
						  place, response->status);
	evaudit_http_release(credentials->http, response);
	return AWS_FAILED;
}

/* Take keys from a response, and give it back. */
static AwsFound
take_keys(AwsCredentials *credentials, const char *place,
		  EvauditHttpResponse *response, AwsKeys *keys)
{
	AwsFound	found;

	if (response->fault != EVAUDIT_HTTP_OK || response->status != 200)
		return refuse_response(credentials, place, response);
	found = evaudit_aws_keys_of_json(credentials, response->body,
									 response->body_len, place, keys);
	evaudit_http_release(credentials->http, response);
	return found;
}

/*
 * The header that lets us in at a container's URL, or NULL for none.  The
 * token is in the environment or in a file, which is read anew each time.
 */
static bool
authorization(AwsCredentials *credentials, char **header)
{
	const char *file = evaudit_aws_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *variable = evaudit_aws_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	const char *error;
	char	   *token = NULL;

	*header = NULL;
	if (file != NULL)
	{
		token = evaudit_aws_read_file(file, &error);
		if (token == NULL)
		{
			evaudit_aws_fault(credentials, "%s", error != NULL ? error :
							  psprintf("file \"%s\" does not exist", file));
			return false;
		}
	}
	else if (variable != NULL)
		token = pstrdup(variable);
	if (token == NULL)
		return true;

	if (token[strcspn(token, "\r\n")] != '\0')
	{
		evaudit_aws_fault(credentials,
						  "the container's authorization token has more than one line");
		return false;
	}
	*header = psprintf("Authorization: %s", token);
	explicit_bzero(token, strlen(token));
	return true;
}

/* The keys of the container. */
AwsFound
evaudit_aws_container(AwsCredentials *credentials, AwsKeys *keys)
{
	const char *relative = evaudit_aws_variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = evaudit_aws_variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	const char *url = full;
	EvauditHttpResponse *response;
	char	   *header;

	if (relative != NULL)
		url = psprintf("%s%s", CONTAINER_URL, relative);
	if (url == NULL)
		return AWS_NOT_THERE;
	if (!is_allowed(url))
		return evaudit_aws_fault(credentials,
								 "AWS_CONTAINER_CREDENTIALS_FULL_URI leads to a host that is not allowed without TLS");
	if (!authorization(credentials, &header))
		return AWS_FAILED;
	response = request_from(credentials, NULL, url, header, ATTEMPTS);
	if (header != NULL)
		explicit_bzero(header, strlen(header));
	return take_keys(credentials, "container credentials service", response,
					 keys);
}

/* Note that the content of a response is of no use, and give it back. */
static AwsFound
refuse_content(AwsCredentials *credentials, EvauditHttpResponse *response)
{
	evaudit_http_release(credentials->http, response);
	return evaudit_aws_fault(credentials,
							 "the response of the instance metadata service is malformed");
}

/* Whether this can be the name of a role, which becomes part of a URL. */
static bool
is_role_name(const char *name)
{
	for (const char *c = name; *c != '\0'; c++)
	{
		if (!evaudit_is_alnum(*c) && strchr("+=,.@_-", *c) == NULL)
			return false;
	}
	return evaudit_is_word(name, MAX_ROLE_NAME);
}

/* The role of a machine: its name, or NULL. */
static char *
instance_role(AwsCredentials *credentials, const char *base,
			  const char *header)
{
	char	   *url = psprintf("%s/latest/meta-data/iam/security-credentials/",
							   base);
	EvauditHttpResponse *response = request_from(credentials, NULL, url, header, ATTEMPTS);
	char	   *role;

	if (response->fault != EVAUDIT_HTTP_OK || response->status != 200)
	{
		refuse_response(credentials, "instance metadata service", response);
		return NULL;
	}
	role = pnstrdup(response->body, strcspn(response->body, "\r\n"));
	if (!is_role_name(role))
	{
		refuse_content(credentials, response);
		return NULL;
	}
	evaudit_http_release(credentials->http, response);
	return role;
}

/* The keys of the machine's role. */
AwsFound
evaudit_aws_instance(AwsCredentials *credentials, AwsKeys *keys)
{
	const char *disabled = evaudit_aws_variable("AWS_EC2_METADATA_DISABLED");
	const char *base = evaudit_aws_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	EvauditHttpResponse *response;
	char	   *header;
	char	   *role;
	size_t		len;

	if (disabled != NULL && pg_strcasecmp(disabled, "true") == 0)
		return AWS_NOT_THERE;
	if (base == NULL)
		base = INSTANCE_URL;
	len = strlen(base);
	while (len > 0 && base[len - 1] == '/')
		len--;
	base = pnstrdup(base, len);

	/* a machine elsewhere has no such service, or another one's */
	response = request_from(credentials, "PUT", psprintf("%s/latest/api/token", base),
							TOKEN_TTL, 1);
	if (response->fault != EVAUDIT_HTTP_OK ||
		(response->status >= 400 && response->status < 500))
	{
		evaudit_http_release(credentials->http, response);
		return AWS_NOT_THERE;
	}
	if (response->status != 200)
		return refuse_response(credentials, "instance metadata service", response);
	response->body[strcspn(response->body, "\r\n")] = '\0';
	if (!evaudit_is_word(response->body, MAX_TOKEN))
		return refuse_content(credentials, response);
	header = psprintf("X-aws-ec2-metadata-token: %s", response->body);
	evaudit_http_release(credentials->http, response);

	role = instance_role(credentials, base, header);
	if (role == NULL)
		return AWS_FAILED;
	response = request_from(credentials, NULL,
							psprintf("%s/latest/meta-data/iam/security-credentials/%s",
									 base, role),
							header, ATTEMPTS);
	return take_keys(credentials, "instance metadata service", response, keys);
}
