/*-------------------------------------------------------------------------
 *
 * config.h
 *	  What the program is told at its start.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_CONFIG_H
#define FRONT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#define MAX_LISTENERS	16

typedef struct Config
{
	const char *listen[MAX_LISTENERS];	/* host:port, [v6]:port, unix:/path */
	int			nlisten;
	const char *admin;			/* NULL: no admin listener */
	const char *conninfo;
	int			processes;
	int			write_connections;	/* of each process */
	int			read_connections;
	int			max_connections;	/* of clients, of each process */
	int			max_per_address;
	int			max_queue;		/* requests that wait for the database */
	size_t		max_body;		/* bytes */
	int			header_timeout; /* milliseconds, each */
	int			body_timeout;
	int			response_timeout;
	int			idle_timeout;
	int			shutdown_timeout;
	const char *certificate;	/* files; NULL: no TLS */
	const char *key;
	const char *trusted_proxy;	/* an address whose X-Forwarded-For holds */
	const char *docs_assets;	/* folder of Swagger UI's files, or NULL */
} Config;

extern Config config;

extern void config_read(int argc, char **argv);

#endif							/* FRONT_CONFIG_H */
