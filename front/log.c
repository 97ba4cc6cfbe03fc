/*-------------------------------------------------------------------------
 *
 * log.c
 *	  The log: a line of JSON each, to standard error.
 *
 * Lines of requests are gathered and written once in each round of the loop,
 * whole lines and never more than a pipe takes at once, so that lines of
 * several processes do not mix.  Nothing of a request's headers or body is
 * ever logged, but its id.
 *
 *-------------------------------------------------------------------------
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

LogLevel	log_level = LOG_LEVEL_REQUEST;

/* Lines that are not written yet. */
static char pending[PIPE_BUF];
static size_t npending = 0;

/* The level of a name. */
bool
log_parse_level(const char *name, LogLevel *level)
{
	static const char *const names[] = {"error", "info", "request"};

	for (int i = 0; i < 3; i++)
	{
		if (strcmp(name, names[i]) == 0)
		{
			*level = (LogLevel) i;
			return true;
		}
	}
	return false;
}

/* Begin a line: its time and level. */
void
log_begin(Buffer *line, const char *level)
{
	static time_t second = 0;
	static char text[32];
	struct timeval now;
	struct tm	utc;

	gettimeofday(&now, NULL);
	if (now.tv_sec != second)
	{
		second = now.tv_sec;
		gmtime_r(&second, &utc);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	}
	buffer_printf(line, "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"pid\":%d",
				  text, (int) (now.tv_usec / 1000), level, (int) getpid());
}

/* End the line. */
void
log_end(Buffer *line)
{
	buffer_puts(line, "}\n");
	if (npending + line->len > sizeof(pending))
		log_flush();
	if (line->len <= sizeof(pending))
	{
		memcpy(pending + npending, line->data, line->len);
		npending += line->len;
	}
	else
		(void) !write(STDERR_FILENO, line->data, line->len);
	buffer_free(line);
}

/* Write the lines that are gathered. */
void
log_flush(void)
{
	if (npending > 0)
		(void) !write(STDERR_FILENO, pending, npending);
	npending = 0;
}

/* Write a message. */
static void
log_message(const char *level, const char *fmt, va_list args)
{
	Buffer		line = {0};
	char		text[1024];

	vsnprintf(text, sizeof(text), fmt, args);
	log_begin(&line, level);
	buffer_puts(&line, ",\"message\":");
	buffer_json(&line, text);
	log_end(&line);
	log_flush();
}

/* Log a message, if its level is logged. */
void
log_line(LogLevel level, const char *fmt,...)
{
	va_list		args;

	if (level > log_level)
		return;
	va_start(args, fmt);
	log_message(level == LOG_LEVEL_ERROR ? "error" : "info", fmt, args);
	va_end(args);
}

/* Log why the process cannot continue, and end it. */
void
die(const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	log_message("fatal", fmt, args);
	va_end(args);
	exit(1);
}
