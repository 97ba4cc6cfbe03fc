/*-------------------------------------------------------------------------
 *
 * decoder.c
 *	  From the options of a topic to a decoder, and decoding by it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "formats/decoder.h"
#include "text/base64.h"
#include "text/options.h"

static const char *const formats[] = {
	[EVAUDIT_FORMAT_JSON] = "json",
	[EVAUDIT_FORMAT_BYTES] = "bytes",
	NULL
};

static const char *const framings[] = {
	[EVAUDIT_FRAMING_NONE] = "none",
	[EVAUDIT_FRAMING_CONFLUENT] = "confluent",
	[EVAUDIT_FRAMING_GLUE] = "glue",
	[EVAUDIT_FRAMING_CONFLUENT_HEADERS] = "confluent-headers",
	NULL
};

/* The place of an option's value in a list of names; the first if not given. */
static int
read_name(Jsonb *options, const char *option, const char *const *names)
{
	char	   *value = evaudit_option_text(options, option);
	StringInfoData valid;

	if (value == NULL)
		return 0;
	initStringInfo(&valid);
	for (int i = 0; names[i] != NULL; i++)
	{
		if (strcmp(names[i], value) == 0)
			return i;
		appendStringInfo(&valid, "%s%s", i > 0 ? ", " : "", names[i]);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized %s \"%s\"", option, value),
			 errhint("Valid values are: %s.", valid.data)));
	return 0;					/* keep the compiler quiet */
}

/*
 * The decoder that a topic's options ask for, in the current memory context;
 * NULL for JSON without a framing, which needs none.
 */
EvauditDecoder *
evaudit_decoder_define(Jsonb *options)
{
	EvauditDecoder *decoder = palloc0(sizeof(EvauditDecoder));

	decoder->format = read_name(options, "format", formats);
	decoder->framing = read_name(options, "framing", framings);
	if (decoder->format == EVAUDIT_FORMAT_JSON &&
		decoder->framing == EVAUDIT_FRAMING_NONE)
	{
		pfree(decoder);
		return NULL;
	}
	return decoder;
}

/* Whether a decoder reads the header that has the id of a schema. */
bool
evaudit_decoder_reads_header(const EvauditDecoder *decoder)
{
	return decoder->framing == EVAUDIT_FRAMING_CONFLUENT_HEADERS;
}

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

/*
 * Decode a payload to JSON, in the current memory context or where it is.
 * Never an ERROR for what the bytes are.
 */
EvauditDecodeStatus
evaudit_decode(const EvauditDecoder *decoder, EvauditContent *content)
{
	EvauditFrame frame;
	EvauditDecodeStatus status = evaudit_framing_remove(decoder->framing,
														content, &frame);

	if (status != EVAUDIT_DECODE_OK)
		return status;
	switch (decoder->format)
	{
		case EVAUDIT_FORMAT_BYTES:
			return decode_bytes(&frame, content);
		case EVAUDIT_FORMAT_JSON:
			break;
	}
	content->bytes = frame.body;
	content->len = frame.body_len;
	return EVAUDIT_DECODE_OK;
}
