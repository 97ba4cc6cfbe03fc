/*-------------------------------------------------------------------------
 *
 * config.h
 *	  What the program is told at its start, and by SIGHUP.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_CONFIG_H
#define FRONT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#define MAX_LISTENERS	16
#define MAX_PROCESSES	64

/* Values of an option that may be repeated. */
typedef struct ConfigList
{
	const char *values[MAX_LISTENERS];
	int			n;
} ConfigList;

typedef struct Config
{
	ConfigList	listen;			/* host:port, [v6]:port, unix:/path */
	ConfigList	listen_tls;		/* likewise, of those that speak TLS */
	const char *admin;			/* NULL: no admin listener */
	const char *conninfo;		/* for what may write */
	const char *read_conninfo;	/* for what only reads; NULL: the same */
	const char *metrics_conninfo;	/* a member of pg_monitor; or NULL */
	int			processes;
	int			write_connections;	/* of each process */
	int			read_connections;
	int			max_connections;	/* of clients, of each process */
	int			max_per_address;
	int			max_queue;		/* requests that wait for the database */
	int			max_body;		/* kilobytes */
	int			max_memory;		/* megabytes of bodies and responses */
	int			header_timeout; /* milliseconds, each */
	int			body_timeout;
	int			response_timeout;
	int			idle_timeout;
	int			shutdown_timeout;
	const char *certificate;	/* files; NULL: no TLS */
	const char *key;
	ConfigList	trusted_proxies;	/* whose X-Forwarded-For holds */
	const char *docs_assets;	/* folder of Swagger UI's files, or NULL */
	const char *log_level;
} Config;

extern Config config;

extern void config_read(int argc, char **argv);
extern void config_reload(void);
extern size_t config_max_body(void);

#endif							/* FRONT_CONFIG_H */
