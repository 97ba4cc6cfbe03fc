/*-------------------------------------------------------------------------
 *
 * config.c
 *	  What the program is told: by its arguments, else by the environment,
 *	  else by a file.
 *
 * An option --max-body is the variable EVAUDIT_HTTP_MAX_BODY and the line
 * "max-body = 1048576" of the file that --config names.
 *
 *-------------------------------------------------------------------------
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "config.h"
#include "log.h"

Config		config = {
	.processes = 1,
	.write_connections = 2,
	.read_connections = 2,
	.max_connections = 10000,
	.max_per_address = 1000,
	.max_queue = 2000,
	.max_body = 1024 * 1024,
	.header_timeout = 10000,
	.body_timeout = 30000,
	.response_timeout = 30000,
	.idle_timeout = 60000,
	.shutdown_timeout = 10000,
};

typedef struct Option
{
	const char *name;
	const char *argument;		/* for the usage */
	const char *help;
	const char **string;		/* where it goes: one of these, or neither */
	int		   *number;
	int			min;
	int			max;
} Option;

static const char *config_file = NULL;
static int	max_body_kb = 1024;

static const Option options[] = {
	{"listen", "ADDRESS", "host:port, [v6]:port or unix:/path; may be repeated"},
	{"admin", "ADDRESS", "serves /live, /ready and /metrics", &config.admin},
	{"database", "CONNINFO", "libpq's connection string", &config.conninfo},
	{"config", "FILE", "lines such as max-queue = 2000", &config_file},
	{"processes", "N", "processes that share the listeners", NULL, &config.processes, 1, 64},
	{"write-connections", "N", "to the database, a process", NULL, &config.write_connections, 1, 64},
	{"read-connections", "N", "likewise, for GET", NULL, &config.read_connections, 1, 64},
	{"max-connections", "N", "clients, a process", NULL, &config.max_connections, 1, 100000},
	{"max-per-address", "N", "clients of an address, a process", NULL, &config.max_per_address, 1, 100000},
	{"max-queue", "N", "requests that wait for the database", NULL, &config.max_queue, 1, 100000},
	{"max-body", "KB", "longest body of a request", NULL, &max_body_kb, 1, 65536},
	{"header-timeout", "MS", "for the whole of the headers", NULL, &config.header_timeout, 10, 3600000},
	{"body-timeout", "MS", "for the whole of the body", NULL, &config.body_timeout, 10, 3600000},
	{"response-timeout", "MS", "from the body's end to the response", NULL, &config.response_timeout, 10, 3600000},
	{"idle-timeout", "MS", "between two requests", NULL, &config.idle_timeout, 1000, 3600000},
	{"shutdown-timeout", "MS", "for requests under way at SIGTERM", NULL, &config.shutdown_timeout, 0, 3600000},
	{"tls-certificate", "FILE", "PEM, with its chain", &config.certificate},
	{"tls-key", "FILE", "PEM", &config.key},
	{"trusted-proxy", "ADDRESS", "whose X-Forwarded-For names the client", &config.trusted_proxy},
	{"docs-assets", "FOLDER", "Swagger UI's files, served below /docs/", &config.docs_assets},
};

#define NOPTIONS ((int) (sizeof(options) / sizeof(options[0])))

static bool given[NOPTIONS];

/* Print how the program is called, and end. */
static void
usage(FILE *out, int status)
{
	fputs("usage: evaudit-http [OPTION]... [CONNINFO]\n\n"
		  "Serves evaudit.http() of a database over HTTP.\n\n", out);
	for (int i = 0; i < NOPTIONS; i++)
		fprintf(out, "  --%-18s %-9s %s\n", options[i].name,
				options[i].argument, options[i].help);
	exit(status);
}

/* Set an option, unless it was given before in a stronger place. */
static void
set_option(int i, const char *value, bool again)
{
	const Option *option = &options[i];
	char	   *end;
	long		number;

	if (given[i] && !again)
		return;
	given[i] = true;
	if (strcmp(option->name, "listen") == 0)
	{
		if (config.nlisten == MAX_LISTENERS)
			die("more than %d listeners", MAX_LISTENERS);
		config.listen[config.nlisten++] = xstrdup(value);
		return;
	}
	if (option->string != NULL)
	{
		*option->string = xstrdup(value);
		return;
	}
	errno = 0;
	number = strtol(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' ||
		number < option->min || number > option->max)
		die("option \"%s\" must be a number from %d to %d",
			option->name, option->min, option->max);
	*option->number = (int) number;
}

/* The option of a name of some length. */
static int
find_option(const char *name, size_t len)
{
	for (int i = 0; i < NOPTIONS; i++)
	{
		if (strlen(options[i].name) == len &&
			strncmp(options[i].name, name, len) == 0)
			return i;
	}
	die("no option \"%.*s\"", (int) len, name);
}

/* Read the arguments: --name value, --name=value, or the connection string. */
static void
read_arguments(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
	{
		const char *name = argv[i] + 2;
		size_t		len;
		int			option;

		if (strcmp(argv[i], "--help") == 0)
			usage(stdout, 0);
		if (strncmp(argv[i], "--", 2) != 0)
		{
			set_option(find_option("database", strlen("database")), argv[i],
					   true);
			continue;
		}
		len = strcspn(name, "=");
		option = find_option(name, len);
		if (name[len] == '=')
			set_option(option, name + len + 1, true);
		else if (i + 1 < argc)
			set_option(option, argv[++i], true);
		else
			usage(stderr, 2);
	}
}

/* Read the environment, for what the arguments left open. */
static void
read_environment(void)
{
	for (int i = 0; i < NOPTIONS; i++)
	{
		char		name[64] = "EVAUDIT_HTTP_";
		size_t		len = strlen(name);
		const char *value;

		for (const char *p = options[i].name; *p != '\0'; p++)
			name[len++] = *p == '-' ? '_' : (char) toupper((unsigned char) *p);
		name[len] = '\0';
		value = getenv(name);
		if (value != NULL)
			set_option(i, value, false);
	}
}

/* Read the file, for what is still open. */
static void
read_file(const char *path)
{
	FILE	   *file = fopen(path, "r");
	bool		before[NOPTIONS];
	char		line[4096];

	if (file == NULL)
		die("could not open \"%s\": %s", path, strerror(errno));
	memcpy(before, given, sizeof(before));
	while (fgets(line, sizeof(line), file) != NULL)
	{
		char	   *name = line + strspn(line, " \t");
		char	   *value = name + strcspn(name, "=\n");
		size_t		len = strcspn(name, " \t=\n");
		int			option;

		if (*name == '#' || *name == '\n' || *name == '\0')
			continue;
		if (*value != '=')
			die("\"%s\": a line is not \"name = value\"", path);
		value += 1 + strspn(value + 1, " \t");
		value[strcspn(value, "\r\n")] = '\0';
		option = find_option(name, len);
		if (!before[option])
			set_option(option, value, true);
	}
	fclose(file);
}

/* Read everything, and refuse what cannot work. */
void
config_read(int argc, char **argv)
{
	read_arguments(argc, argv);
	read_environment();
	if (config_file != NULL)
		read_file(config_file);
	if (config.nlisten == 0)
		config.listen[config.nlisten++] = "127.0.0.1:8080";
	if (config.conninfo == NULL)
		config.conninfo = "";
	if ((config.certificate == NULL) != (config.key == NULL))
		die("tls-certificate and tls-key go together");
	config.max_body = (size_t) max_body_kb * 1024;
}
