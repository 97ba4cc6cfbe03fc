/*-------------------------------------------------------------------------
 *
 * config.h
 *	  The settings evaudit.*, each defined once, in config.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_CONFIG_H
#define EVAUDIT_CONFIG_H

/* Who acts, and in which request: kept with each audit row. */
extern char *evaudit_actor;
extern char *evaudit_request_id;

/* Sources and partitions that shared memory has room for. */
extern int	evaudit_max_sources;
extern int	evaudit_max_partitions;

/* Longest pause between two attempts of a failing source, milliseconds. */
extern int	evaudit_max_backoff;

/* Role whose members may use the AWS credentials of the server, or "". */
extern char *evaudit_ambient_credentials_role;

/* Whether evaudit.http() answers as a certain gateway does, defects included. */
typedef enum EvauditCompat
{
	EVAUDIT_COMPAT_OFF,
	EVAUDIT_COMPAT_EVENTGATE
} EvauditCompat;

extern int	evaudit_http_compat;

/* Whether evaudit.http() has the routes of an event logger. */
typedef enum EvauditLoggerAccess
{
	EVAUDIT_LOGGER_OFF,
	EVAUDIT_LOGGER_TOKEN,		/* for those with a token and a grant */
	EVAUDIT_LOGGER_OPEN			/* for everybody */
} EvauditLoggerAccess;

extern int	evaudit_http_events;

/* Longest body of a request, kilobytes. */
extern int	evaudit_http_max_body;

/* Where the page at /docs finds Swagger UI. */
extern char *evaudit_http_docs_assets;

/* Messages a second from a subject to a topic, and at once; 0: any number. */
extern double evaudit_rate_limit;
extern int	evaudit_rate_burst;

extern void evaudit_config_init(void);

#endif							/* EVAUDIT_CONFIG_H */
