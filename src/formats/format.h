/*-------------------------------------------------------------------------
 *
 * format.h
 *	  From the bytes of a payload to the JSON that they stand for.
 *
 * A topic says by its options in which format its payloads are, and which
 * framing is around them; nothing is guessed from the bytes.  Whatever the
 * format, the outcome is a JSON text in UTF-8, which then goes the way of
 * every JSON payload: its depth, values and digits are bounded there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_FORMAT_H
#define EVAUDIT_FORMAT_H

#include "utils/jsonb.h"

/* What the headers say that a framing consists of. */
typedef enum EvauditDecoderHeader
{
	EVAUDIT_HEADER_ID,			/* the id of the schema */
	EVAUDIT_HEADER_TYPE,		/* the name of the message */
	EVAUDIT_DECODER_NHEADERS
} EvauditDecoderHeader;

/* What is wrong with a payload. */
typedef enum EvauditDecodeStatus
{
	EVAUDIT_DECODE_OK = 0,
	EVAUDIT_DECODE_BAD_FRAMING,
	EVAUDIT_DECODE_UNKNOWN_SCHEMA,	/* or one that cannot be used */
	EVAUDIT_DECODE_MALFORMED_AVRO,	/* not what its schema says */
	EVAUDIT_DECODE_MALFORMED_PROTOBUF,
	EVAUDIT_DECODE_NOT_UTF8,	/* a string in it */
	EVAUDIT_DECODE_TOO_LARGE,	/* than max_bytes, once it is decoded */
	EVAUDIT_DECODE_TOO_DEEP
} EvauditDecodeStatus;

/* A payload before and after it is decoded. */
typedef struct EvauditContent
{
	const char *bytes;			/* as received, then as JSON */
	size_t		len;
	const char *headers[EVAUDIT_DECODER_NHEADERS];	/* NULL: not there */
	size_t		header_lens[EVAUDIT_DECODER_NHEADERS];
	size_t		max_bytes;		/* of the JSON */
	const char *error;			/* what is wrong with it */
} EvauditContent;

/* How a topic's payloads are decoded: opaque outside this room. */
typedef struct EvauditDecoder EvauditDecoder;

extern EvauditDecoder *evaudit_decoder_define(Jsonb *options);
extern const char *evaudit_decoder_header(const EvauditDecoder *decoder,
										  EvauditDecoderHeader which);
extern void evaudit_decoder_check(EvauditDecoder *decoder);
extern EvauditDecodeStatus evaudit_decode(EvauditDecoder *decoder,
										  EvauditContent *content);

/* What becomes of schemas that are missing while payloads are decoded. */
typedef enum EvauditSchemasCollected
{
	EVAUDIT_SCHEMAS_IGNORED,
	EVAUDIT_SCHEMAS_FETCHED,	/* by this process; then events are decoded
								 * again */
	EVAUDIT_SCHEMAS_REQUESTED	/* of another one; events do without */
} EvauditSchemasCollected;

/* schema_store.c */
extern void evaudit_schemas_collect(EvauditSchemasCollected what);
extern bool evaudit_schemas_missing(void);

/* registry_fetch.c */
extern void evaudit_schemas_fetch(void);

#endif							/* EVAUDIT_FORMAT_H */
