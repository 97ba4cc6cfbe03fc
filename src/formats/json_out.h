/*-------------------------------------------------------------------------
 *
 * json_out.h
 *	  JSON that is written from the values of a binary payload.
 *
 * Every value that is decoded takes at least a byte of the text, so that the
 * bound of the text bounds what a payload can cost: values without bytes,
 * long names and deep recursion included.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_JSON_OUT_H
#define EVAUDIT_JSON_OUT_H

#include "lib/stringinfo.h"

/*
 * Most bytes of JSON for each byte of a payload, and for a payload of none.
 */
#define EVAUDIT_JSON_OUT_RATIO	256
#define EVAUDIT_JSON_OUT_FLOOR	65536

/* How deep what is decoded may nest. */
#define EVAUDIT_DECODE_MAX_DEPTH	100

typedef enum EvauditOutFault
{
	EVAUDIT_OUT_OK = 0,
	EVAUDIT_OUT_MALFORMED,
	EVAUDIT_OUT_NOT_UTF8,
	EVAUDIT_OUT_TOO_LARGE,
	EVAUDIT_OUT_TOO_DEEP
} EvauditOutFault;

/* A text under construction; the first fault ends it. */
typedef struct EvauditJsonOut
{
	StringInfoData text;
	size_t		max_bytes;
	EvauditOutFault fault;
	const char *error;
} EvauditJsonOut;

/* All are false if there is a fault. */
extern bool evaudit_out_fault(EvauditJsonOut *out, EvauditOutFault fault,
							  const char *fmt,...) pg_attribute_printf(3, 4);
extern bool evaudit_out_malformed(EvauditJsonOut *out, const char *fmt,...)
			pg_attribute_printf(2, 3);
extern bool evaudit_out_raw(EvauditJsonOut *out, const char *str);
extern bool evaudit_out_string(EvauditJsonOut *out, const char *bytes,
							   size_t len);
extern bool evaudit_out_base64(EvauditJsonOut *out, const char *bytes,
							   size_t len);
extern bool evaudit_out_int(EvauditJsonOut *out, int64 value);
extern bool evaudit_out_uint(EvauditJsonOut *out, uint64 value);
extern bool evaudit_out_float(EvauditJsonOut *out, float value);
extern bool evaudit_out_double(EvauditJsonOut *out, double value);
extern bool evaudit_out_decimal(EvauditJsonOut *out, const char *bytes,
								size_t len, int scale);
extern bool evaudit_out_date(EvauditJsonOut *out, int64 epoch_day);
extern bool evaudit_out_time(EvauditJsonOut *out, int64 nanos);
extern bool evaudit_out_timestamp(EvauditJsonOut *out, int64 seconds,
								  int nanos, const char *zone);

/* Begin a text; what it takes is in the current memory context. */
extern void evaudit_out_begin(EvauditJsonOut *out, size_t len,
							  size_t max_bytes);

/* A name of a schema, in the server's encoding, as JSON in UTF-8. */
extern char *evaudit_out_name(const char *name);

#endif							/* EVAUDIT_JSON_OUT_H */
