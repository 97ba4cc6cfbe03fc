/*-------------------------------------------------------------------------
 *
 * log.c
 *	  The log: a line of JSON each, to standard error.
 *
 * A line is written by one write(), so that lines of several processes do not
 * mix.  Nothing of a request's headers or body is ever logged, but its id.
 *
 *-------------------------------------------------------------------------
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

LogLevel	log_level = LOG_LEVEL_REQUEST;

/* Begin a line: its time and level. */
void
log_begin(Buffer *line, const char *level)
{
	struct timeval now;
	struct tm	utc;
	char		text[32];

	gettimeofday(&now, NULL);
	gmtime_r(&now.tv_sec, &utc);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	buffer_printf(line, "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"pid\":%d",
				  text, (int) (now.tv_usec / 1000), level, (int) getpid());
}

/* Write the line. */
void
log_end(Buffer *line)
{
	buffer_puts(line, "}\n");
	(void) !write(STDERR_FILENO, line->data, line->len);
	buffer_free(line);
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

/* Log why the process cannot go on, and end it. */
void
die(const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	log_message("fatal", fmt, args);
	va_end(args);
	exit(1);
}
