/*-------------------------------------------------------------------------
 *
 * config.c
 *	  What the program is told: by its arguments, else by the environment,
 *	  else by a file.
 *
 * An option --max-body is the variable EVAUDIT_HTTP_MAX_BODY and the line
 * "max-body = 1048576" of the file that --config names.  All three are read
 * again by SIGHUP; what is wrong then is logged, and nothing changes.
 *
 * Values are kept for the life of the process, those of earlier readings too:
 * connections and listeners may use them still.
 *
 *-------------------------------------------------------------------------
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "config.h"
#include "log.h"

Config		config;

/* The arguments, for reading them again. */
static int	nargs;
static char **args;

/* Why the configuration that is read is refused; "": it is not. */
static char fault[512];

/* Remember the first fault. */
static void
__attribute__((format(printf, 1, 2)))
refuse(const char *fmt,...)
{
	va_list		ap;

	if (fault[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(fault, sizeof(fault), fmt, ap);
	va_end(ap);
}

/* The option of a name of some length, or NULL. */
static const Option *
find_option(const char *name, size_t len)
{
	for (const Option *option = options; option->name != NULL; option++)
	{
		if (strlen(option->name) == len &&
			strncmp(option->name, name, len) == 0)
			return option;
	}
	refuse("no option \"%.*s\"", (int) len, name);
	return NULL;
}

/* The field of a configuration that an option sets. */
static void *
field_of(Config *c, const Option *option)
{
	return (char *) c + option->offset;
}

/* Set a number within its bounds. */
static void
set_number(int *field, const Option *option, const char *value)
{
	char	   *end;
	long		number;

	errno = 0;
	number = strtol(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' ||
		number < option->min || number > option->max)
		refuse("option \"%s\" must be a number from %d to %d",
			   option->name, option->min, option->max);
	else
		*field = (int) number;
}

/* Set an option. */
static void
set_option(Config *c, const Option *option, const char *value)
{
	ConfigList *list;

	switch (option->kind)
	{
		case OPTION_STRING:
			*(const char **) field_of(c, option) = xstrdup(value);
			break;
		case OPTION_NUMBER:
			set_number(field_of(c, option), option, value);
			break;
		case OPTION_LIST:
			list = field_of(c, option);
			if (list->n == MAX_LISTENERS)
				refuse("option \"%s\" is given more than %d times",
					   option->name, MAX_LISTENERS);
			else
				list->values[list->n++] = xstrdup(value);
			break;
		case OPTION_FILE:
			break;
	}
}

/* Read the arguments: --name value, --name=value, or the connection string. */
static const char *
read_arguments(Config *c, bool *given)
{
	const char *file = NULL;

	for (int i = 1; i < nargs; i++)
	{
		const char *name = "database";
		const char *value = args[i];
		const Option *option;

		if (strncmp(value, "--", 2) == 0)
		{
			name = value + 2;
			value = strchr(name, '=');
			if (value != NULL)
				value++;
			else if (i + 1 < nargs)
				value = args[++i];
			else
				refuse("option \"%s\" needs a value", name);
		}
		option = find_option(name, strcspn(name, "="));
		if (option == NULL || value == NULL)
			return NULL;
		if (option->kind == OPTION_FILE)
			file = value;
		set_option(c, option, value);
		given[option - options] = true;
	}
	return file;
}

/* Read the environment, for what the arguments left open. */
static const char *
read_environment(Config *c, bool *given)
{
	const char *file = NULL;

	for (const Option *option = options; option->name != NULL; option++)
	{
		char		name[64] = "EVAUDIT_HTTP_";
		size_t		len = strlen(name);
		const char *value;

		for (const char *p = option->name; *p != '\0'; p++)
			name[len++] = *p == '-' ? '_' : (char) toupper((unsigned char) *p);
		name[len] = '\0';
		value = getenv(name);
		if (value == NULL || given[option - options])
			continue;
		if (option->kind == OPTION_FILE)
			file = value;
		set_option(c, option, value);
		given[option - options] = true;
	}
	return file;
}

/* Read the file, for what is still open. */
static void
read_file(Config *c, const bool *given, const char *path)
{
	FILE	   *file = fopen(path, "r");
	char		line[4096];

	if (file == NULL)
	{
		refuse("could not open \"%s\": %s", path, strerror(errno));
		return;
	}
	while (fgets(line, sizeof(line), file) != NULL)
	{
		char	   *name = line + strspn(line, " \t");
		char	   *value = name + strcspn(name, "=\n");
		const Option *option;

		if (*name == '#' || *name == '\n' || *name == '\0')
			continue;
		if (*value != '=')
		{
			refuse("\"%s\": a line is not \"name = value\"", path);
			break;
		}
		value += 1 + strspn(value + 1, " \t");
		value[strcspn(value, "\r\n")] = '\0';
		option = find_option(name, strcspn(name, " \t=\n"));
		if (option == NULL)
			break;
		if (option->kind != OPTION_FILE && !given[option - options])
			set_option(c, option, value);
	}
	fclose(file);
}

/* Read everything; false if it is refused, see fault. */
static bool
load(Config *c)
{
	bool		given[MAX_OPTIONS] = {0};
	const char *file;
	const char *file_by_environment;
	LogLevel	level;

	memset(c, 0, sizeof(*c));
	fault[0] = '\0';
	for (const Option *option = options; option->name != NULL; option++)
	{
		if (option->initial != NULL)
			set_option(c, option, option->initial);
	}
	file = read_arguments(c, given);
	file_by_environment = read_environment(c, given);
	file = file != NULL ? file : file_by_environment;
	if (file != NULL)
		read_file(c, given, file);
	if (c->listen.n + c->listen_tls.n == 0)
		c->listen.values[c->listen.n++] = "127.0.0.1:8080";
	if ((c->certificate == NULL) != (c->key == NULL))
		refuse("options \"tls-certificate\" and \"tls-key\" go together");
	if (c->listen_tls.n > 0 && c->certificate == NULL)
		refuse("option \"listen-tls\" needs \"tls-certificate\"");
	if (!log_parse_level(c->log_level, &level))
		refuse("option \"log-level\" must be error, info or request");
	return fault[0] == '\0';
}

/* Read everything at the start; ends the program if it is wrong. */
void
config_read(int argc, char **argv)
{
	nargs = argc;
	args = argv;
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		options_usage();
	if (!load(&config))
		die("%s", fault);
	(void) log_parse_level(config.log_level, &log_level);
}

/*
 * Read everything again.  What listeners, processes and connections are made
 * by stays as it is until a restart.
 */
void
config_reload(void)
{
	Config		read;

	if (!load(&read))
	{
		log_line(LOG_LEVEL_ERROR, "the configuration was not reloaded: %s",
				 fault);
		return;
	}
	read.listen = config.listen;
	read.listen_tls = config.listen_tls;
	read.admin = config.admin;
	read.processes = config.processes;
	read.write_connections = config.write_connections;
	read.read_connections = config.read_connections;
	config = read;
	(void) log_parse_level(config.log_level, &log_level);
	log_line(LOG_LEVEL_INFO, "the configuration was reloaded");
}

/* The longest body of a request, in bytes. */
size_t
config_max_body(void)
{
	return (size_t) config.max_body * 1024;
}
