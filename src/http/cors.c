/*-------------------------------------------------------------------------
 *
 * cors.c
 *	  Which pages of other origins may ask, and what they get to see (the
 *	  CORS protocol of the Fetch standard).
 *
 * Who may publish or read is decided by tokens and grants alone: an origin
 * that is not listed here only keeps a browser from handing the response to
 * the page.  So every response has the headers, errors included, or a page
 * could not tell one from a network that failed.
 *
 * Credentials are allowed for origins that are listed by name, never for all
 * of them by "*".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/guc.h"

#include "http/cors.h"
#include "http/settings.h"
#include "text/ascii.h"

/* What a page may read of a response, besides what each may. */
#define EXPOSED \
	"ETag, Location, Retry-After, WWW-Authenticate, X-Request-Id"

/* Longest list of headers that a preflight is answered with, in bytes. */
#define MAX_ASKED		1024

/* Characters between the items of a list. */
#define SEPARATORS		" ,\t\r\n"

/* The next item of a list, and its length; NULL at the end. */
static const char *
next_item(const char *p, size_t *len)
{
	p += strspn(p, SEPARATORS);
	*len = strcspn(p, SEPARATORS);
	return *len > 0 ? p : NULL;
}

/* Whether a list has an item. */
static bool
has_item(const char *list, const char *item)
{
	size_t		len;

	for (const char *p = list; (p = next_item(p, &len)) != NULL; p += len)
	{
		if (len == strlen(item) && strncmp(p, item, len) == 0)
			return true;
	}
	return false;
}

/*
 * Whether an item is an origin as browsers send it: scheme, host and perhaps
 * a port, in lower case, without a path.
 */
static bool
is_origin(const char *item, size_t len)
{
	const char *host = memchr(item, ':', len);

	if (len == 1 && *item == '*')
		return true;
	if (host == NULL || host == item || len - (host - item) < 4 ||
		strncmp(host, "://", 3) != 0)
		return false;
	for (const char *p = item; p < item + len; p++)
	{
		if ((*p >= 'A' && *p <= 'Z') ||
			(!evaudit_is_alnum(*p) && strchr("+-.:[]_", *p) == NULL &&
			 (p < host + 1 || p > host + 2)))
			return false;
	}
	return true;
}

/* The check of evaudit.http_cors_origins. */
bool
evaudit_cors_check_origins(char **value, void **extra, GucSource source)
{
	size_t		len;

	for (const char *p = *value; (p = next_item(p, &len)) != NULL; p += len)
	{
		if (is_origin(p, len))
			continue;
		GUC_check_errdetail("\"%.*s\" is not an origin.", (int) len, p);
		GUC_check_errhint("Origins are separated by commas, such as \"https://app.example, http://localhost:3000\"; \"*\" stands for any.");
		return false;
	}
	return true;
}

/* Whether a text has nothing that could not be in a list of header names. */
static bool
is_name_list(const char *str)
{
	if (strlen(str) > MAX_ASKED)
		return false;
	for (; *str != '\0'; str++)
	{
		if (!evaudit_is_alnum(*str) && strchr("!#$%&'*+-.^_`|~, ", *str) == NULL)
			return false;
	}
	return true;
}

/* What a preflight asks for: the headers of a request to come. */
static void
allow_headers(const EvauditRequest *request, EvauditResponse *response)
{
	const char *asked = evaudit_request_header(request,
											   "access-control-request-headers");
	const char *allowed = evaudit_http_cors_headers;

	if (has_item(allowed, "*"))
		allowed = asked != NULL && is_name_list(asked) ? asked : "";
	if (*allowed != '\0')
		evaudit_response_header(response, "Access-Control-Allow-Headers",
								allowed);
}

/*
 * Add the headers for a page of another origin.  "methods" are those of the
 * path, if the request asks what may be sent there, else NULL.
 */
void
evaudit_cors_add_headers(const EvauditRequest *request, const char *methods,
						 EvauditResponse *response)
{
	const char *origins = evaudit_http_cors_origins;
	const char *origin = evaudit_request_header(request, "origin");
	bool		any = has_item(origins, "*");

	if (*origins == '\0')
		return;
	/* what is kept for one origin must not be sent to another */
	if (!any)
		evaudit_response_header(response, "Vary", "Origin");
	if (origin == NULL || !(any || has_item(origins, origin)))
		return;
	evaudit_response_header(response, "Access-Control-Allow-Origin",
							any ? "*" : origin);
	if (evaudit_http_cors_credentials && !any)
		evaudit_response_header(response, "Access-Control-Allow-Credentials",
								"true");
	if (methods == NULL)
	{
		evaudit_response_header(response, "Access-Control-Expose-Headers",
								EXPOSED);
		return;
	}
	evaudit_response_header(response, "Access-Control-Allow-Methods", methods);
	allow_headers(request, response);
	evaudit_response_header(response, "Access-Control-Max-Age",
							psprintf("%d", evaudit_http_cors_max_age));
}
