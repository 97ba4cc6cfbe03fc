/*-------------------------------------------------------------------------
 *
 * encoding.h
 *	  What a payload is encoded by on its way: base64, gzip, zstd.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_ENCODING_H
#define EVAUDIT_ENCODING_H

#include "lib/stringinfo.h"

typedef enum EvauditEncoding
{
	EVAUDIT_ENCODING_NONE,
	EVAUDIT_ENCODING_BASE64,
	EVAUDIT_ENCODING_GZIP,
	EVAUDIT_ENCODING_ZSTD,
	EVAUDIT_ENCODING_BASE64_GZIP
} EvauditEncoding;

typedef enum EvauditEncodingStatus
{
	EVAUDIT_ENCODING_OK,
	EVAUDIT_ENCODING_MALFORMED,
	EVAUDIT_ENCODING_TOO_LARGE	/* more than the caller allows */
} EvauditEncodingStatus;

/* By EvauditEncoding, up to NULL. */
extern const char *const evaudit_encoding_names[];

/*
 * Put what "bytes" were before they were encoded into "out", which is made in
 * the current memory context: at most max_bytes.
 */
extern EvauditEncodingStatus evaudit_encoding_undo(EvauditEncoding encoding,
												   const char *bytes, size_t len,
												   size_t max_bytes,
												   StringInfo out);

#endif							/* EVAUDIT_ENCODING_H */
