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

/* What the bytes of a payload are. */
typedef enum EvauditFormat
{
	EVAUDIT_FORMAT_JSON,
	EVAUDIT_FORMAT_BYTES
} EvauditFormat;

/* What is around them. */
typedef enum EvauditFraming
{
	EVAUDIT_FRAMING_NONE,
	EVAUDIT_FRAMING_CONFLUENT,
	EVAUDIT_FRAMING_GLUE,
	EVAUDIT_FRAMING_CONFLUENT_HEADERS
} EvauditFraming;

struct EvauditDecoder
{
	EvauditFormat format;
	EvauditFraming framing;
};

/* The id of a schema as text: a number, or a UUID. */
#define EVAUDIT_SCHEMA_ID_SIZE	37

/* What framing.c takes off a payload. */
typedef struct EvauditFrame
{
	char		schema_id[EVAUDIT_SCHEMA_ID_SIZE];
	const char *body;			/* what follows the framing */
	size_t		body_len;
} EvauditFrame;

extern EvauditDecodeStatus evaudit_framing_remove(EvauditFraming framing,
												  EvauditContent *content,
												  EvauditFrame *frame);

#endif							/* EVAUDIT_DECODER_H */
