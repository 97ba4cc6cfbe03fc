/*-------------------------------------------------------------------------
 *
 * encoding.c
 *	  What a payload is encoded by on its way: base64, gzip, zstd.
 *
 * A few bytes can stand for any number of others, so what comes out is bounded
 * while it is made: no more than one byte beyond the limit ever is.
 *
 * Memory: the one decoder of zstd that a process has is made when it is first
 * needed and kept.  A frame that wants a window of more than 8 MiB, which
 * decoders need not have, is malformed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <zstd.h>

#include "miscadmin.h"

#include "text/base64.h"
#include "text/encoding.h"
#include "text/gzip.h"

/* Bytes that one call of zstd makes at most. */
#define CHUNK_BYTES		(64 * 1024)

/* The largest window of zstd, as a power of two. */
#define WINDOW_LOG		23

const char *const evaudit_encoding_names[] = {
	[EVAUDIT_ENCODING_NONE] = "none",
	[EVAUDIT_ENCODING_BASE64] = "base64",
	[EVAUDIT_ENCODING_GZIP] = "gzip",
	[EVAUDIT_ENCODING_ZSTD] = "zstd",
	[EVAUDIT_ENCODING_BASE64_GZIP] = "base64+gzip",
	NULL
};

/* Decode base64. */
static EvauditEncodingStatus
undo_base64(const char *bytes, size_t len, size_t max_bytes, StringInfo out)
{
	int			n;

	/* as many characters as the limit can need, and no more */
	if (len / 4 * 3 > max_bytes + 2)
		return EVAUDIT_ENCODING_TOO_LARGE;
	enlargeStringInfo(out, (int) EVAUDIT_BASE64_BYTES(len));
	n = evaudit_base64_decode(bytes, len, (uint8 *) out->data);
	if (n < 0)
		return EVAUDIT_ENCODING_MALFORMED;
	if ((size_t) n > max_bytes)
		return EVAUDIT_ENCODING_TOO_LARGE;
	out->len = n;
	out->data[n] = '\0';
	return EVAUDIT_ENCODING_OK;
}

/* Inflate gzip. */
static EvauditEncodingStatus
undo_gzip(const char *bytes, size_t len, size_t max_bytes, StringInfo out)
{
	switch (evaudit_gzip_inflate(bytes, len, max_bytes, out))
	{
		case EVAUDIT_GZIP_OK:
			return EVAUDIT_ENCODING_OK;
		case EVAUDIT_GZIP_TOO_LARGE:
			return EVAUDIT_ENCODING_TOO_LARGE;
		default:
			return EVAUDIT_ENCODING_MALFORMED;
	}
}

/* The decoder of zstd, ready for another payload. */
static ZSTD_DCtx *
zstd_decoder(void)
{
	static ZSTD_DCtx * decoder = NULL;

	if (decoder == NULL)
		decoder = ZSTD_createDCtx();
	if (decoder == NULL ||
		ZSTD_isError(ZSTD_DCtx_reset(decoder,
									 ZSTD_reset_session_and_parameters)) ||
		ZSTD_isError(ZSTD_DCtx_setParameter(decoder, ZSTD_d_windowLogMax,
											WINDOW_LOG)))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return decoder;
}

/* Decompress the frames of zstd, one after the other. */
static EvauditEncodingStatus
undo_zstd(const char *bytes, size_t len, size_t max_bytes, StringInfo out)
{
	ZSTD_DCtx  *decoder = zstd_decoder();
	ZSTD_inBuffer input = {bytes, len, 0};
	size_t		left;

	for (;;)
	{
		size_t		room = Min(max_bytes + 1 - out->len, CHUNK_BYTES);
		ZSTD_outBuffer output;

		CHECK_FOR_INTERRUPTS();
		enlargeStringInfo(out, (int) room);
		output = (ZSTD_outBuffer)
		{
			out->data + out->len, room, 0
		};
		left = ZSTD_decompressStream(decoder, &output, &input);
		if (ZSTD_isError(left))
			return EVAUDIT_ENCODING_MALFORMED;
		out->len += (int) output.pos;
		out->data[out->len] = '\0';
		if ((size_t) out->len > max_bytes)
			return EVAUDIT_ENCODING_TOO_LARGE;
		if (left == 0 && input.pos == input.size)
			return EVAUDIT_ENCODING_OK;
		/* it wants more than there is */
		if (input.pos == input.size && output.pos < output.size)
			return EVAUDIT_ENCODING_MALFORMED;
	}
}

/* See encoding.h. */
EvauditEncodingStatus
evaudit_encoding_undo(EvauditEncoding encoding, const char *bytes, size_t len,
					  size_t max_bytes, StringInfo out)
{
	EvauditEncodingStatus status;
	StringInfoData compressed;

	initStringInfo(out);
	switch (encoding)
	{
		case EVAUDIT_ENCODING_NONE:
			break;
		case EVAUDIT_ENCODING_BASE64:
			return undo_base64(bytes, len, max_bytes, out);
		case EVAUDIT_ENCODING_GZIP:
			return undo_gzip(bytes, len, max_bytes, out);
		case EVAUDIT_ENCODING_ZSTD:
			return undo_zstd(bytes, len, max_bytes, out);
		case EVAUDIT_ENCODING_BASE64_GZIP:
			initStringInfo(&compressed);
			/* what it is compressed to may be more than what it was */
			status = undo_base64(bytes, len, len, &compressed);
			return status != EVAUDIT_ENCODING_OK ? status :
				undo_gzip(compressed.data, compressed.len, max_bytes, out);
	}
	pg_unreachable();
}
