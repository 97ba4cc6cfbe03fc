/*-------------------------------------------------------------------------
 *
 * decoder.c
 *	  Decoding a payload by its topic's decoder.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "formats/decoder.h"
#include "formats/proto_wire.h"
#include "text/base64.h"

/* Any bytes, as {"base64": "..."}. */
static EvauditDecodeStatus
decode_bytes(const EvauditFrame *frame, EvauditContent *content)
{
	char	   *base64;

	if (frame->body_len / 3 * 4 > content->max_bytes)
	{
		content->error = psprintf("payload of %zu bytes has more than %zu in base64",
								  frame->body_len, content->max_bytes);
		return EVAUDIT_DECODE_TOO_LARGE;
	}
	base64 = evaudit_base64_encode((const uint8 *) frame->body,
								   frame->body_len);
	content->bytes = psprintf("{\"base64\": \"%s\"}", base64);
	content->len = strlen(content->bytes);
	return EVAUDIT_DECODE_OK;
}

/* The schema of a payload; NULL, with the reason, if there is none to use. */
static const EvauditCompiledSchema *
find_schema(EvauditDecoder *decoder, const EvauditFrame *frame,
			const char *type, EvauditContent *content)
{
	const EvauditCompiledSchema *schema = decoder->schema;
	char	   *error;

	if (schema != NULL)
		return schema;
	evaudit_decoder_find_registry(decoder);
	if (decoder->last != NULL &&
		decoder->schemas == evaudit_payload_schemas_generation &&
		strcmp(decoder->last_id, frame->schema_id) == 0)
		return decoder->last;
	schema = evaudit_schema_find(&decoder->registry, frame->schema_id, type,
								 &error);
	if (schema == NULL)
		content->error = error;
	else if (schema->error != NULL)
	{
		content->error = psprintf("schema %s of registry \"%s\" cannot be used: %s",
								  frame->schema_id, decoder->registry_name,
								  schema->error);
		schema = NULL;
	}
	decoder->last = schema;
	decoder->schemas = evaudit_payload_schemas_generation;
	strlcpy(decoder->last_id, frame->schema_id, sizeof(decoder->last_id));
	return schema;
}

/* What a fault of the decoded text means for its payload. */
static EvauditDecodeStatus
status_of(const EvauditDecoder *decoder, EvauditOutFault fault)
{
	switch (fault)
	{
		case EVAUDIT_OUT_OK:
			return EVAUDIT_DECODE_OK;
		case EVAUDIT_OUT_NOT_UTF8:
			return EVAUDIT_DECODE_NOT_UTF8;
		case EVAUDIT_OUT_TOO_LARGE:
			return EVAUDIT_DECODE_TOO_LARGE;
		case EVAUDIT_OUT_TOO_DEEP:
			return EVAUDIT_DECODE_TOO_DEEP;
		case EVAUDIT_OUT_MALFORMED:
			break;
	}
	return decoder->format == EVAUDIT_FORMAT_AVRO ?
		EVAUDIT_DECODE_MALFORMED_AVRO : EVAUDIT_DECODE_MALFORMED_PROTOBUF;
}

/*
 * The message that a payload is, which the framing names; "body" is what
 * follows that then.  NULL if it names none.
 */
static const ProtoMessage *
find_message(const EvauditDecoder *decoder,
			 const EvauditCompiledSchema *schema, const EvauditFrame *frame,
			 ProtoWire *body)
{
	ProtoWire	rest = {frame->rest, frame->rest + frame->rest_len};

	switch (decoder->framing)
	{
		case EVAUDIT_FRAMING_CONFLUENT:
			return evaudit_proto_by_indexes(schema->proto, body);
		case EVAUDIT_FRAMING_CONFLUENT_HEADERS:
			return evaudit_proto_by_indexes(schema->proto, &rest);
		case EVAUDIT_FRAMING_GLUE:
			return evaudit_proto_by_place(schema->proto, body);
		case EVAUDIT_FRAMING_APICURIO:
		case EVAUDIT_FRAMING_APICURIO_4BYTE:
		case EVAUDIT_FRAMING_APICURIO_HEADERS:
			return evaudit_proto_by_name(schema->proto, frame->type,
										 frame->type_len);
		case EVAUDIT_FRAMING_NONE:
			break;
	}
	return schema->message;
}

/* A message of Protocol Buffers. */
static EvauditDecodeStatus
decode_protobuf(const EvauditDecoder *decoder,
				const EvauditCompiledSchema *schema,
				const EvauditFrame *frame, EvauditJsonOut *out)
{
	ProtoWire	body = {frame->body, frame->body + frame->body_len};
	const ProtoMessage *message = find_message(decoder, schema, frame, &body);

	if (message == NULL)
	{
		out->error = "the framing names no message of the schema";
		return EVAUDIT_DECODE_BAD_FRAMING;
	}
	(void) evaudit_proto_decode(schema->proto, message, body.p,
								body.end - body.p, out);
	return status_of(decoder, out->fault);
}

/* A payload of a format that has a schema. */
static EvauditDecodeStatus
decode_by_schema(EvauditDecoder *decoder, const EvauditFrame *frame,
				 EvauditContent *content)
{
	bool		is_avro = decoder->format == EVAUDIT_FORMAT_AVRO;
	const EvauditCompiledSchema *schema = find_schema(decoder, frame, is_avro ?
													  "AVRO" : "PROTOBUF",
													  content);
	EvauditDecodeStatus status;
	EvauditJsonOut out;

	if (schema == NULL)
		return EVAUDIT_DECODE_UNKNOWN_SCHEMA;
	evaudit_out_begin(&out, frame->body_len, content->max_bytes);
	if (is_avro)
	{
		(void) evaudit_avro_decode(schema->avro, frame->body, frame->body_len,
								   &out);
		status = status_of(decoder, out.fault);
	}
	else
		status = decode_protobuf(decoder, schema, frame, &out);
	content->bytes = out.text.data;
	content->len = out.text.len;
	content->error = out.error;
	return status;
}

/*
 * Decode a payload to JSON, in the current memory context or where it is.
 * Never an ERROR for what the bytes are.
 */
EvauditDecodeStatus
evaudit_decode(EvauditDecoder *decoder, EvauditContent *content)
{
	EvauditFrame frame;
	EvauditDecodeStatus status = evaudit_framing_remove(decoder, content,
														&frame);

	if (status != EVAUDIT_DECODE_OK)
		return status;
	switch (decoder->format)
	{
		case EVAUDIT_FORMAT_BYTES:
			return decode_bytes(&frame, content);
		case EVAUDIT_FORMAT_AVRO:
		case EVAUDIT_FORMAT_PROTOBUF:
			return decode_by_schema(decoder, &frame, content);
		case EVAUDIT_FORMAT_JSON:
			break;
	}
	content->bytes = frame.body;
	content->len = frame.body_len;
	return EVAUDIT_DECODE_OK;
}
