/*-------------------------------------------------------------------------
 *
 * epoch.h
 *	  Timestamps written as a decimal number since 1970.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_EPOCH_H
#define EVAUDIT_EPOCH_H

#include "datatype/timestamp.h"

/* Decimals from the unit of the number down to a microsecond. */
#define EVAUDIT_EPOCH_SECONDS		6
#define EVAUDIT_EPOCH_MILLISECONDS	3

extern bool evaudit_epoch_from_millis(double millis, TimestampTz *result);
extern bool evaudit_epoch_parse(const char *number, size_t len, int decimals,
								TimestampTz *result);

#endif							/* EVAUDIT_EPOCH_H */
