/*-------------------------------------------------------------------------
 *
 * gzip.c
 *	  Inflating what strangers compressed, by zlib.
 *
 * A few bytes can stand for a thousand times as many, so the result is
 * bounded while it is made: no more than one byte beyond the limit is ever
 * inflated.
 *
 * Memory: zlib's own is in the current memory context, so that nothing is
 * left behind by an ERROR between two of its calls; within a call nothing
 * raises one, for the allocator returns NULL instead.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <zlib.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "text/gzip.h"

/* Bytes that one call of zlib makes at most. */
#define CHUNK_BYTES		(64 * 1024)

/* Window bits for the largest window, and for gzip's header and trailer. */
#define ZLIB_WINDOW		MAX_WBITS
#define GZIP_WINDOW		(MAX_WBITS + 16)

/* Memory for zlib; NULL if there is none. */
static voidpf
allocate(voidpf context, uInt n, uInt size)
{
	return MemoryContextAllocExtended(context, (Size) n * size,
									  MCXT_ALLOC_NO_OOM);
}

/* zlib frees memory of its own. */
static void
release(voidpf context, voidpf memory)
{
	pfree(memory);
}

/*
 * Inflate the one member of zlib, or those of gzip one after the other, into
 * "out", until the input ends or the output is full.
 */
static EvauditGzipStatus
inflate_members(z_stream * stream, bool one, size_t max_bytes,
				StringInfo out)
{
	size_t		total = 0;

	for (;;)
	{
		size_t		room = Min(max_bytes + 1 - total, CHUNK_BYTES);
		size_t		made;
		int			status;

		CHECK_FOR_INTERRUPTS();
		enlargeStringInfo(out, (int) room);
		stream->next_out = (Bytef *) out->data + out->len;
		stream->avail_out = (uInt) room;
		status = inflate(stream, Z_NO_FLUSH);
		made = room - stream->avail_out;
		total += made;
		out->len += (int) made;
		out->data[out->len] = '\0';
		if (total > max_bytes)
			return EVAUDIT_GZIP_TOO_LARGE;
		if (status == Z_STREAM_END && stream->avail_in == 0)
			return EVAUDIT_GZIP_OK;
		if (status == Z_STREAM_END && !one)
			status = inflateReset(stream);
		if (status != Z_OK)
			return EVAUDIT_GZIP_MALFORMED;
	}
}

/* Inflate what has a header and trailer of the kind that "window" says. */
static EvauditGzipStatus
inflate_bytes(const char *bytes, size_t len, int window, size_t max_bytes,
			  StringInfo out)
{
	z_stream	stream = {0};
	EvauditGzipStatus result;

	Assert(max_bytes < MaxAllocSize && len < MaxAllocSize);
	stream.zalloc = allocate;
	stream.zfree = release;
	stream.opaque = CurrentMemoryContext;
	stream.next_in = (z_const Bytef *) bytes;
	stream.avail_in = (uInt) len;
	if (inflateInit2(&stream, window) != Z_OK)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	result = inflate_members(&stream, window == ZLIB_WINDOW, max_bytes, out);
	(void) inflateEnd(&stream);
	return result;
}

/* See gzip.h. */
EvauditGzipStatus
evaudit_gzip_inflate(const char *bytes, size_t len, size_t max_bytes,
					 StringInfo out)
{
	return inflate_bytes(bytes, len, GZIP_WINDOW, max_bytes, out);
}

/* See gzip.h. */
EvauditGzipStatus
evaudit_zlib_inflate(const char *bytes, size_t len, size_t max_bytes,
					 StringInfo out)
{
	return inflate_bytes(bytes, len, ZLIB_WINDOW, max_bytes, out);
}
