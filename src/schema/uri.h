/*-------------------------------------------------------------------------
 *
 * uri.h
 *	  References between schemas: URIs as RFC 3986 resolves them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_URI_H
#define EVAUDIT_URI_H

extern char *evaudit_uri_resolve(const char *base, const char *reference);
extern char *evaudit_uri_split(char *uri);
extern bool evaudit_uri_is_absolute(const char *uri);

#endif							/* EVAUDIT_URI_H */
