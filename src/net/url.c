/*-------------------------------------------------------------------------
 *
 * url.c
 *	  The parts of a URL, as the HTTP client understands it.
 *
 * Whoever decides by its host whether a URL may be requested must read it as
 * libcurl does, which then connects to it.  So libcurl parses it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <curl/curl.h>

#include "net/url.h"

/* Parse a URL; NULL if it is none. */
static CURLU *
parse(const char *string)
{
	CURLU	   *url = curl_url();

	if (url == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	if (curl_url_set(url, CURLUPART_URL, string, 0) == CURLUE_OK)
		return url;
	curl_url_cleanup(url);
	return NULL;
}

/* A part of a URL, palloc'd, or NULL. */
static char *
get_part(CURLU *url, CURLUPart part)
{
	char	   *string;
	char	   *copy;

	if (curl_url_get(url, part, &string, 0) != CURLUE_OK)
		return NULL;
	copy = MemoryContextAllocExtended(CurrentMemoryContext, strlen(string) + 1,
									  MCXT_ALLOC_NO_OOM);
	if (copy != NULL)
		strcpy(copy, string);
	curl_free(string);
	return copy;
}

/* Parse a URL into its parts; false if it is none, or has no host. */
bool
evaudit_url_parse(const char *string, EvauditUrl *result)
{
	CURLU	   *url = parse(string);

	if (url == NULL)
		return false;
	result->scheme = get_part(url, CURLUPART_SCHEME);
	result->host = get_part(url, CURLUPART_HOST);
	curl_url_cleanup(url);
	return result->scheme != NULL && result->host != NULL;
}

/* Whether a URL is http or https, and lacks some parts. */
static bool
is_http_without(const char *string, const CURLUPart *absent, int n)
{
	EvauditUrl	parts;
	CURLU	   *url;
	bool		result = true;

	if (!evaudit_url_parse(string, &parts) ||
		(strcmp(parts.scheme, "http") != 0 &&
		 strcmp(parts.scheme, "https") != 0))
		return false;
	url = parse(string);
	if (url == NULL)
		return false;
	for (int i = 0; i < n; i++)
	{
		char	   *part = get_part(url, absent[i]);

		result &= part == NULL ||
			(absent[i] == CURLUPART_PATH && strcmp(part, "/") == 0);
	}
	curl_url_cleanup(url);
	return result;
}

/* Whether a URL is http or https, and nothing but a host and a port. */
bool
evaudit_url_is_origin(const char *string)
{
	static const CURLUPart absent[] = {
		CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_PATH, CURLUPART_QUERY,
		CURLUPART_FRAGMENT
	};

	return is_http_without(string, absent, lengthof(absent));
}

/* Whether a URL is http or https, with neither credentials nor fragment. */
bool
evaudit_url_is_endpoint(const char *string)
{
	static const CURLUPart absent[] = {
		CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_FRAGMENT
	};

	return is_http_without(string, absent, lengthof(absent));
}
