/*-------------------------------------------------------------------------
 *
 * epoch.h
 *	  Times as seconds or milliseconds since 1970.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_EPOCH_H
#define EVAUDIT_EPOCH_H

#include "datatype/timestamp.h"

/* Milliseconds from 1970 to the Postgres epoch. */
#define EVAUDIT_EPOCH_MILLIS \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000)

/* Decimals from the unit of the number down to a microsecond. */
#define EVAUDIT_EPOCH_SECONDS		6
#define EVAUDIT_EPOCH_MILLISECONDS	3

extern bool evaudit_epoch_parse(const char *number, size_t len, int decimals,
								TimestampTz *result);
extern bool evaudit_epoch_time(int64 millis, TimestampTz *result);
extern int64 evaudit_epoch_millis(TimestampTz time);

#endif							/* EVAUDIT_EPOCH_H */
