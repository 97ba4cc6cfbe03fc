/*-------------------------------------------------------------------------
 *
 * url.h
 *	  The parts of a URL, as the HTTP client understands it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_URL_H
#define EVAUDIT_URL_H

/* The parts that decide where a request goes; palloc'd. */
typedef struct EvauditUrl
{
	char	   *scheme;			/* in lower case */
	char	   *host;			/* an IPv6 address is in brackets */
} EvauditUrl;

extern bool evaudit_url_parse(const char *string, EvauditUrl *url);
extern bool evaudit_url_is_origin(const char *string);
extern bool evaudit_url_is_endpoint(const char *string);

#endif							/* EVAUDIT_URL_H */
