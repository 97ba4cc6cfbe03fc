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
 *		apicurio			00 | id, 8 bytes, most significant first | body
 *		apicurio-4byte		00 | id, 4 bytes, likewise | body
 *		apicurio-headers	the body alone; the header apicurio.value.globalId,
 *							or .contentId, is the id, 8 bytes, likewise
 *
 * Before a message of Protocol Buffers Apicurio has its name, as a message
 * { string name = 1; } of a length in front, or in a header.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "port/pg_bswap.h"
#include "utils/memutils.h"

#include "formats/decoder.h"
#include "formats/proto_wire.h"
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

#define APICURIO_MAGIC			0
#define APICURIO_ID_BYTES		8
#define APICURIO_SHORT_ID_BYTES	4

/* The headers that framings have instead of bytes before a body. */
#define CONFLUENT_ID_HEADER		"__value_schema_id"
#define GLOBAL_ID_HEADER		"apicurio.value.globalId"
#define CONTENT_ID_HEADER		"apicurio.value.contentId"
#define APICURIO_TYPE_HEADER	"apicurio.protobuf.type"

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
	const char *value = content->headers[EVAUDIT_HEADER_ID];
	size_t		len = content->header_lens[EVAUDIT_HEADER_ID];

	if (value == NULL)
		return bad_framing(content, "header \"%s\" is missing",
						   CONFLUENT_ID_HEADER);
	if (len < HEADER_BYTES || value[0] != HEADER_MAGIC)
		return bad_framing(content, "header \"%s\" is not 0x01 and a UUID",
						   CONFLUENT_ID_HEADER);
	write_uuid(frame->schema_id, value + 1);
	frame->rest = value + HEADER_BYTES;
	frame->rest_len = len - HEADER_BYTES;
	return EVAUDIT_DECODE_OK;
}

/*
 * Note an id of Apicurio's, by the path that it has there.  It is a signed
 * number there, so that none is larger than that.
 */
static EvauditDecodeStatus
take_apicurio_id(const EvauditDecoder *decoder, EvauditContent *content,
				 const char *bytes, int len, EvauditFrame *frame)
{
	uint64		id = 0;

	for (int i = 0; i < len; i++)
		id = id << 8 | (unsigned char) bytes[i];
	if (id > PG_INT64_MAX)
		return bad_framing(content, "the id of the schema is negative");
	snprintf(frame->schema_id, sizeof(frame->schema_id), "%s/" UINT64_FORMAT,
			 decoder->id_kind == EVAUDIT_ID_GLOBAL ? "globalIds" :
			 "contentIds", id);
	return EVAUDIT_DECODE_OK;
}

/* Take the name of a message off a body of Protocol Buffers. */
static bool
take_apicurio_type(EvauditFrame *frame)
{
	ProtoWire	body = {frame->body, frame->body + frame->body_len};
	ProtoWire	ref;
	ProtoWireField field;
	uint64		len;

	if (!evaudit_wire_varint(&body, &len) ||
		len > (uint64) (body.end - body.p))
		return false;
	ref.p = body.p;
	ref.end = body.p + len;
	while (ref.p < ref.end)
	{
		if (!evaudit_wire_field(&ref, &field))
			return false;
		if (field.number != 1 || field.type != PROTO_WIRE_BYTES)
			continue;
		frame->type = field.bytes;
		frame->type_len = field.len;
	}
	frame->body = ref.end;
	frame->body_len = body.end - ref.end;
	return frame->type != NULL;
}

/* The framings "apicurio" and "apicurio-4byte". */
static EvauditDecodeStatus
remove_apicurio(const EvauditDecoder *decoder, EvauditContent *content,
				int id_bytes, EvauditFrame *frame)
{
	EvauditDecodeStatus status;

	if (!begins_with(content, 1 + id_bytes, APICURIO_MAGIC,
					 id_bytes == APICURIO_ID_BYTES ? "apicurio" :
					 "apicurio-4byte"))
		return EVAUDIT_DECODE_BAD_FRAMING;
	status = take_apicurio_id(decoder, content, content->bytes + 1, id_bytes,
							  frame);
	frame->body = content->bytes + 1 + id_bytes;
	frame->body_len = content->len - 1 - id_bytes;
	if (status == EVAUDIT_DECODE_OK &&
		decoder->format == EVAUDIT_FORMAT_PROTOBUF &&
		!take_apicurio_type(frame))
		return bad_framing(content, "payload does not begin with the name of a message");
	return status;
}

/* The framing "apicurio-headers". */
static EvauditDecodeStatus
remove_apicurio_headers(const EvauditDecoder *decoder,
						EvauditContent *content, EvauditFrame *frame)
{
	for (int which = 0; which < EVAUDIT_DECODER_NHEADERS; which++)
	{
		const char *name = evaudit_decoder_header(decoder, which);

		if (name != NULL && content->headers[which] == NULL)
			return bad_framing(content, "header \"%s\" is missing", name);
	}
	if (content->header_lens[EVAUDIT_HEADER_ID] != APICURIO_ID_BYTES)
		return bad_framing(content, "header \"%s\" has not %d bytes",
						   evaudit_decoder_header(decoder, EVAUDIT_HEADER_ID),
						   APICURIO_ID_BYTES);
	frame->type = content->headers[EVAUDIT_HEADER_TYPE];
	frame->type_len = content->header_lens[EVAUDIT_HEADER_TYPE];
	return take_apicurio_id(decoder, content,
							content->headers[EVAUDIT_HEADER_ID],
							APICURIO_ID_BYTES, frame);
}

/* The name of a header that a decoder reads; NULL if it reads none. */
const char *
evaudit_decoder_header(const EvauditDecoder *decoder,
					   EvauditDecoderHeader which)
{
	switch (decoder->framing)
	{
		case EVAUDIT_FRAMING_CONFLUENT_HEADERS:
			return which == EVAUDIT_HEADER_ID ? CONFLUENT_ID_HEADER : NULL;
		case EVAUDIT_FRAMING_APICURIO_HEADERS:
			if (which == EVAUDIT_HEADER_TYPE)
				return decoder->format == EVAUDIT_FORMAT_PROTOBUF ?
					APICURIO_TYPE_HEADER : NULL;
			return decoder->id_kind == EVAUDIT_ID_GLOBAL ? GLOBAL_ID_HEADER :
				CONTENT_ID_HEADER;
		default:
			return NULL;
	}
}

/*
 * Take the framing off a payload; what has to be made of it for that is in
 * the current memory context.
 */
EvauditDecodeStatus
evaudit_framing_remove(const EvauditDecoder *decoder, EvauditContent *content,
					   EvauditFrame *frame)
{
	memset(frame, 0, sizeof(EvauditFrame));
	frame->body = content->bytes;
	frame->body_len = content->len;
	switch (decoder->framing)
	{
		case EVAUDIT_FRAMING_CONFLUENT:
			return remove_confluent(content, frame);
		case EVAUDIT_FRAMING_GLUE:
			return remove_glue(content, frame);
		case EVAUDIT_FRAMING_CONFLUENT_HEADERS:
			return remove_header(content, frame);
		case EVAUDIT_FRAMING_APICURIO:
			return remove_apicurio(decoder, content, APICURIO_ID_BYTES, frame);
		case EVAUDIT_FRAMING_APICURIO_4BYTE:
			return remove_apicurio(decoder, content, APICURIO_SHORT_ID_BYTES,
								   frame);
		case EVAUDIT_FRAMING_APICURIO_HEADERS:
			return remove_apicurio_headers(decoder, content, frame);
		case EVAUDIT_FRAMING_NONE:
			break;
	}
	return EVAUDIT_DECODE_OK;
}
