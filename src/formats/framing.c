/*-------------------------------------------------------------------------
 *
 * framing.c
 *	  What serializers of a schema registry put around a payload.
 *
 *		confluent			00 | id, 4 bytes, most significant first | body
 *		glue				03 | 00, or 05: body is compressed by zlib |
 *							UUID of the schema's version, 16 bytes | body
 *		confluent-headers	the body alone; the header __value_schema_id is
 *							01 | UUID of the schema, 16 bytes
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "port/pg_bswap.h"
#include "utils/memutils.h"

#include "formats/decoder.h"
#include "text/gzip.h"

#define UUID_BYTES				16

#define CONFLUENT_MAGIC			0
#define CONFLUENT_BYTES			5

#define GLUE_VERSION			3
#define GLUE_PLAIN				0
#define GLUE_ZLIB				5
#define GLUE_BYTES				(2 + UUID_BYTES)

#define HEADER_MAGIC			1
#define HEADER_BYTES			(1 + UUID_BYTES)

/* Say what is wrong with the framing of a payload. */
#define bad_framing(content, ...) \
	((content)->error = psprintf(__VA_ARGS__), EVAUDIT_DECODE_BAD_FRAMING)

/* The text of a UUID. */
static void
write_uuid(char *str, const char *bytes)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < UUID_BYTES; i++)
	{
		unsigned char byte = bytes[i];

		if (i == 4 || i == 6 || i == 8 || i == 10)
			*str++ = '-';
		*str++ = digits[byte >> 4];
		*str++ = digits[byte & 0xf];
	}
	*str = '\0';
}

/* Check that a payload begins with a byte and is not cut within its framing. */
static bool
begins_with(EvauditContent *content, size_t len, int first, const char *name)
{
	int			byte = content->len > 0 ? (unsigned char) content->bytes[0] : 0;

	if (content->len >= len && byte == first)
		return true;
	if (content->len < len)
		content->error = psprintf("payload of %zu bytes has no framing \"%s\", of %zu bytes",
								  content->len, name, len);
	else
		content->error = psprintf("payload begins with 0x%02x, and the framing \"%s\" with 0x%02x",
								  byte, name, first);
	return false;
}

/* The framing "confluent". */
static EvauditDecodeStatus
remove_confluent(EvauditContent *content, EvauditFrame *frame)
{
	uint32		id;

	if (!begins_with(content, CONFLUENT_BYTES, CONFLUENT_MAGIC, "confluent"))
		return EVAUDIT_DECODE_BAD_FRAMING;
	memcpy(&id, content->bytes + 1, sizeof(id));
	snprintf(frame->schema_id, sizeof(frame->schema_id), "%u",
			 pg_ntoh32(id));
	frame->body = content->bytes + CONFLUENT_BYTES;
	frame->body_len = content->len - CONFLUENT_BYTES;
	return EVAUDIT_DECODE_OK;
}

/* Inflate the body of a frame, in the current memory context. */
static EvauditDecodeStatus
inflate_body(EvauditContent *content, EvauditFrame *frame)
{
	StringInfoData out;

	initStringInfo(&out);
	switch (evaudit_zlib_inflate(frame->body, frame->body_len,
								 Min(content->max_bytes, MaxAllocSize / 2),
								 &out))
	{
		case EVAUDIT_GZIP_OK:
			break;
		case EVAUDIT_GZIP_TOO_LARGE:
			content->error = psprintf("payload of %zu bytes inflates to more than %zu bytes",
									  content->len, content->max_bytes);
			return EVAUDIT_DECODE_TOO_LARGE;
		default:
			return bad_framing(content, "payload is not compressed by zlib, as its framing says");
	}
	frame->body = out.data;
	frame->body_len = out.len;
	return EVAUDIT_DECODE_OK;
}

/* The framing "glue". */
static EvauditDecodeStatus
remove_glue(EvauditContent *content, EvauditFrame *frame)
{
	int			compression;

	if (!begins_with(content, GLUE_BYTES, GLUE_VERSION, "glue"))
		return EVAUDIT_DECODE_BAD_FRAMING;
	compression = (unsigned char) content->bytes[1];
	if (compression != GLUE_PLAIN && compression != GLUE_ZLIB)
		return bad_framing(content, "compression 0x%02x of the framing \"glue\" is not known",
						   compression);
	write_uuid(frame->schema_id, content->bytes + 2);
	frame->body = content->bytes + GLUE_BYTES;
	frame->body_len = content->len - GLUE_BYTES;
	return compression == GLUE_PLAIN ? EVAUDIT_DECODE_OK :
		inflate_body(content, frame);
}

/* The framing "confluent-headers". */
static EvauditDecodeStatus
remove_header(EvauditContent *content, EvauditFrame *frame)
{
	const char *value = content->id_header;

	if (value == NULL)
		return bad_framing(content, "header \"%s\" is missing",
						   EVAUDIT_SCHEMA_ID_HEADER);
	if (content->id_header_len < HEADER_BYTES || value[0] != HEADER_MAGIC)
		return bad_framing(content, "header \"%s\" is not 0x01 and a UUID",
						   EVAUDIT_SCHEMA_ID_HEADER);
	write_uuid(frame->schema_id, value + 1);
	frame->rest = value + HEADER_BYTES;
	frame->rest_len = content->id_header_len - HEADER_BYTES;
	frame->body = content->bytes;
	frame->body_len = content->len;
	return EVAUDIT_DECODE_OK;
}

/*
 * Take the framing off a payload; what has to be made of it for that is in
 * the current memory context.
 */
EvauditDecodeStatus
evaudit_framing_remove(EvauditFraming framing, EvauditContent *content,
					   EvauditFrame *frame)
{
	memset(frame, 0, sizeof(EvauditFrame));
	switch (framing)
	{
		case EVAUDIT_FRAMING_CONFLUENT:
			return remove_confluent(content, frame);
		case EVAUDIT_FRAMING_GLUE:
			return remove_glue(content, frame);
		case EVAUDIT_FRAMING_CONFLUENT_HEADERS:
			return remove_header(content, frame);
		case EVAUDIT_FRAMING_NONE:
			break;
	}
	frame->body = content->bytes;
	frame->body_len = content->len;
	return EVAUDIT_DECODE_OK;
}
