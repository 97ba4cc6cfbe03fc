/*-------------------------------------------------------------------------
 *
 * rfc3339.h
 *	  Timestamps as events and documents carry them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_RFC3339_H
#define EVAUDIT_RFC3339_H

#include "datatype/timestamp.h"

/* Longest text that a format function writes, with its terminating zero. */
#define EVAUDIT_RFC3339_LEN		32

extern bool evaudit_rfc3339_in_range(TimestampTz time);
extern bool evaudit_rfc3339_parse(const char *input, size_t len,
								  TimestampTz *result);
extern bool evaudit_iso8601_parse(const char *input, size_t len,
								  TimestampTz *result);
extern bool evaudit_rfc3339_is_date_time(const char *input, size_t len);
extern bool evaudit_rfc3339_is_date(const char *input, size_t len);
extern bool evaudit_rfc3339_is_time(const char *input, size_t len);
extern int	evaudit_rfc3339_format(TimestampTz time, char *buf);
extern int	evaudit_rfc3339_format_millis(TimestampTz time, char *buf);

#endif							/* EVAUDIT_RFC3339_H */
