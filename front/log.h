/*-------------------------------------------------------------------------
 *
 * log.h
 *	  The log: a line of JSON each, to standard error.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_LOG_H
#define FRONT_LOG_H

#include <stdbool.h>

#include "buffer.h"

typedef enum LogLevel
{
	LOG_LEVEL_ERROR,
	LOG_LEVEL_INFO,				/* also what starts and ends */
	LOG_LEVEL_REQUEST			/* also each request */
} LogLevel;

extern LogLevel log_level;

extern bool log_parse_level(const char *name, LogLevel *level);
extern void log_line(LogLevel level, const char *fmt,...)
			__attribute__((format(printf, 2, 3)));
extern void log_begin(Buffer *line, const char *level);
extern void log_end(Buffer *line);
extern void log_flush(void);
extern void die(const char *fmt,...)
			__attribute__((format(printf, 1, 2), noreturn));

#endif							/* FRONT_LOG_H */
