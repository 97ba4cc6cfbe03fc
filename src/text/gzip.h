/*-------------------------------------------------------------------------
 *
 * gzip.h
 *	  Inflating what strangers compressed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_GZIP_H
#define EVAUDIT_GZIP_H

#include "lib/stringinfo.h"

typedef enum EvauditGzipStatus
{
	EVAUDIT_GZIP_OK,
	EVAUDIT_GZIP_MALFORMED,
	EVAUDIT_GZIP_TOO_LARGE		/* more than the caller allows */
} EvauditGzipStatus;

/*
 * Append what the gzip members (RFC 1952) in "bytes" hold to "out", at most
 * max_bytes of it.  Memory: what is appended, and 64 kB meanwhile.
 */
extern EvauditGzipStatus evaudit_gzip_inflate(const char *bytes, size_t len,
											  size_t max_bytes,
											  StringInfo out);

/* The same of one stream of zlib (RFC 1950), which nothing follows. */
extern EvauditGzipStatus evaudit_zlib_inflate(const char *bytes, size_t len,
											  size_t max_bytes,
											  StringInfo out);

#endif							/* EVAUDIT_GZIP_H */
