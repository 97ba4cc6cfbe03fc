/*-------------------------------------------------------------------------
 *
 * sns_certificate.c
 *	  The certificates that SNS signs with, fetched once.
 *
 * A notification names the URL of its certificate, and whoever can send a
 * message to the queue can name any.  Only hosts of SNS itself are requested,
 * by https and without following a redirect; their TLS certificate is what
 * makes the result trusted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "sources/sns_signature.h"

/* Certificates that are remembered. */
#define MAX_CERTIFICATES	8

/* A fetch may take so long, milliseconds, and bring so many bytes. */
#define FETCH_TIMEOUT		10000
#define MAX_PEM_BYTES		16384

/* After a failure a URL is not requested again for so long, milliseconds. */
#define RETRY_PAUSE			10000

#define MAX_URL_BYTES		512

#define PEM_BEGIN			"-----BEGIN CERTIFICATE-----"

/* What is known of a URL. */
typedef struct Certificate
{
	char	   *url;			/* NULL: the place is free */
	char	   *pem;			/* NULL: there is none */
	EvauditSnsCertificate state;
	TimestampTz retry_at;		/* if it is not found */
} Certificate;

struct EvauditSnsVerifier
{
	MemoryContext context;
	EvauditHttp *http;
	const char *ca_file;
	Certificate certificates[MAX_CERTIFICATES];
	int			next;			/* the place to be used next */
};

/* A verifier in the current memory context. */
EvauditSnsVerifier *
evaudit_sns_verifier_create(EvauditHttp *http, const char *ca_file)
{
	EvauditSnsVerifier *verifier = palloc0(sizeof(EvauditSnsVerifier));

	verifier->context = CurrentMemoryContext;
	verifier->http = http;
	verifier->ca_file = ca_file;
	return verifier;
}

/* Whether a text begins with another; moves behind it then. */
static bool
skip(const char **p, const char *prefix)
{
	size_t		len = strlen(prefix);

	if (strncmp(*p, prefix, len) != 0)
		return false;
	*p += len;
	return true;
}

/*
 * Whether a URL is one that SNS has its certificates at:
 * https://sns.REGION.amazonaws.com/NAME.pem, or with .com.cn.
 */
static bool
is_url_of_sns(const char *url)
{
	const char *p = url;
	size_t		region;
	size_t		len = strlen(url);

	if (len > MAX_URL_BYTES || !skip(&p, "https://sns."))
		return false;
	region = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					"0123456789-");
	p += region;
	if (region < 3 || !skip(&p, ".amazonaws.com"))
		return false;
	(void) skip(&p, ".cn");
	if (*p != '/' || len < 4 || strcmp(url + len - 4, ".pem") != 0)
		return false;
	return p[strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					"0123456789-_./")] == '\0';
}

/* Whether what was fetched can be a certificate. */
static bool
is_certificate(const EvauditHttpResponse *response)
{
	return strlen(response->body) == response->body_len &&
		strncmp(response->body, PEM_BEGIN, strlen(PEM_BEGIN)) == 0;
}

/*
 * What a response says of a URL.  The host has proved to be one of SNS, so
 * that a response without a certificate is the fault of who named the URL.
 */
static EvauditSnsCertificate
state_of_response(const EvauditHttpResponse *response)
{
	if (response->fault != EVAUDIT_HTTP_OK || response->status < 200 ||
		response->status >= 500 || response->status == 408 ||
		response->status == 429)
		return EVAUDIT_SNS_UNKNOWN;
	return response->status == 200 && is_certificate(response) ?
		EVAUDIT_SNS_FOUND : EVAUDIT_SNS_REFUSED;
}

/* Fetch a certificate. */
static void
fetch(EvauditSnsVerifier *verifier, Certificate *certificate)
{
	EvauditHttpRequest request = {
		.url = certificate->url,
		.ca_file = verifier->ca_file,
		.timeout = FETCH_TIMEOUT,
		.max_bytes = MAX_PEM_BYTES,
	};
	EvauditHttpResponse *response = evaudit_http_perform(verifier->http, &request);

	certificate->retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
														RETRY_PAUSE);
	certificate->state = state_of_response(response);
	if (certificate->state == EVAUDIT_SNS_FOUND)
		certificate->pem = MemoryContextStrdup(verifier->context,
											   response->body);
	evaudit_http_release(verifier->http, response);
}

/* The place of a URL: the one it has, or the one that is used next. */
static Certificate *
find_place(EvauditSnsVerifier *verifier, const char *url)
{
	Certificate *certificate;

	for (int i = 0; i < MAX_CERTIFICATES; i++)
	{
		certificate = &verifier->certificates[i];
		if (certificate->url != NULL && strcmp(certificate->url, url) == 0)
			return certificate;
	}
	certificate = &verifier->certificates[verifier->next];
	verifier->next = (verifier->next + 1) % MAX_CERTIFICATES;
	if (certificate->url != NULL)
		pfree(certificate->url);
	if (certificate->pem != NULL)
		pfree(certificate->pem);
	memset(certificate, 0, sizeof(Certificate));
	certificate->state = EVAUDIT_SNS_UNKNOWN;
	certificate->url = MemoryContextStrdup(verifier->context, url);
	return certificate;
}

/* The certificate of a URL, as PEM. */
EvauditSnsCertificate
evaudit_sns_certificate(EvauditSnsVerifier *verifier, const char *url,
						const char **pem)
{
	Certificate *certificate;

	if (!is_url_of_sns(url))
		return EVAUDIT_SNS_REFUSED;
	certificate = find_place(verifier, url);
	if (certificate->state != EVAUDIT_SNS_FOUND && verifier->http != NULL &&
		GetCurrentTimestamp() >= certificate->retry_at)
		fetch(verifier, certificate);
	*pem = certificate->pem;
	return certificate->state;
}
