/*-------------------------------------------------------------------------
 *
 * decoder.h
 *	  The inside of a decoder, for this room alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_DECODER_H
#define EVAUDIT_DECODER_H

#include "formats/format.h"
#include "formats/schema_store.h"

/* What the bytes of a payload are. */
typedef enum EvauditFormat
{
	EVAUDIT_FORMAT_JSON,
	EVAUDIT_FORMAT_BYTES,
	EVAUDIT_FORMAT_AVRO,
	EVAUDIT_FORMAT_PROTOBUF
} EvauditFormat;

/* What is around them. */
typedef enum EvauditFraming
{
	EVAUDIT_FRAMING_NONE,
	EVAUDIT_FRAMING_CONFLUENT,
	EVAUDIT_FRAMING_GLUE,
	EVAUDIT_FRAMING_CONFLUENT_HEADERS,
	EVAUDIT_FRAMING_APICURIO,
	EVAUDIT_FRAMING_APICURIO_4BYTE,
	EVAUDIT_FRAMING_APICURIO_HEADERS
} EvauditFraming;

/* Which of its two numbers of a schema Apicurio's framings have. */
typedef enum EvauditIdKind
{
	EVAUDIT_ID_GLOBAL,			/* of a version of an artifact */
	EVAUDIT_ID_CONTENT			/* of its text, whatever has it */
} EvauditIdKind;

struct EvauditDecoder
{
	EvauditFormat format;
	EvauditFraming framing;
	EvauditIdKind id_kind;		/* of Apicurio's framings */
	const EvauditCompiledSchema *schema;	/* given by the options; or NULL */
	const char *registry_name;	/* where schemas are looked up; or NULL */

	/* the registry as it was at a generation of servers; 0: never */
	EvauditRegistry registry;
	uint64		servers;

	/* the schema found last, at a generation of schemas */
	const EvauditCompiledSchema *last;
	uint64		schemas;
	char		last_id[EVAUDIT_SCHEMA_ID_SIZE];
};

/* What framing.c takes off a payload. */
typedef struct EvauditFrame
{
	char		schema_id[EVAUDIT_SCHEMA_ID_SIZE];
	const char *rest;			/* of the header, after the id; or NULL */
	size_t		rest_len;
	const char *type;			/* name of the message; or NULL */
	size_t		type_len;
	const char *body;			/* what follows the framing */
	size_t		body_len;
} EvauditFrame;

extern EvauditDecodeStatus evaudit_framing_remove(const EvauditDecoder *decoder,
												  EvauditContent *content,
												  EvauditFrame *frame);

/* decoder_options.c */
extern void evaudit_decoder_find_registry(EvauditDecoder *decoder);

#endif							/* EVAUDIT_DECODER_H */
