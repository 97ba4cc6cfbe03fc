/*-------------------------------------------------------------------------
 *
 * options.h
 *	  The program's options: what they say, their names, bounds and initial
 *	  values.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_OPTIONS_H
#define FRONT_OPTIONS_H

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
	int			sample_interval;	/* milliseconds */
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

#define MAX_OPTIONS		64

typedef enum OptionKind
{
	OPTION_STRING,
	OPTION_NUMBER,
	OPTION_LIST,				/* may be repeated */
	OPTION_FILE					/* names the file with others */
} OptionKind;

typedef struct Option
{
	const char *name;
	OptionKind	kind;
	size_t		offset;			/* of its field in Config */
	const char *initial;		/* NULL: none */
	int			min;
	int			max;
	const char *argument;		/* for the usage */
	const char *help;
} Option;

extern const Option options[];	/* the last one has no name */

extern void options_usage(void) __attribute__((noreturn));

#endif							/* FRONT_OPTIONS_H */
