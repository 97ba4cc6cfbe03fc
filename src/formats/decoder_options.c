/*-------------------------------------------------------------------------
 *
 * decoder_options.c
 *	  From the options of a topic to a decoder.
 *
 * Which options go together is fixed: a format that needs a schema has it
 * from the registry where the framing names one, and from the options where
 * it does not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "formats/decoder.h"
#include "text/base64.h"
#include "text/options.h"

static const char *const formats[] = {
	[EVAUDIT_FORMAT_JSON] = "json",
	[EVAUDIT_FORMAT_BYTES] = "bytes",
	[EVAUDIT_FORMAT_AVRO] = "avro",
	[EVAUDIT_FORMAT_PROTOBUF] = "protobuf",
	NULL
};

static const char *const framings[] = {
	[EVAUDIT_FRAMING_NONE] = "none",
	[EVAUDIT_FRAMING_CONFLUENT] = "confluent",
	[EVAUDIT_FRAMING_GLUE] = "glue",
	[EVAUDIT_FRAMING_CONFLUENT_HEADERS] = "confluent-headers",
	[EVAUDIT_FRAMING_APICURIO] = "apicurio",
	[EVAUDIT_FRAMING_APICURIO_4BYTE] = "apicurio-4byte",
	[EVAUDIT_FRAMING_APICURIO_HEADERS] = "apicurio-headers",
	NULL
};

static const char *const id_kinds[] = {
	[EVAUDIT_ID_GLOBAL] = "global",
	[EVAUDIT_ID_CONTENT] = "content",
	NULL
};

/* Counts changes of foreign servers; 0: nobody counts yet. */
static uint64 servers = 0;

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

/* Insist that an option is there, or that it is not. */
static void
check_given(const EvauditDecoder *decoder, Jsonb *options, const char *option,
			bool wanted)
{
	if ((evaudit_option_value(options, option) != NULL) == wanted)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg(wanted ?
					"topic option \"%s\" is required with format \"%s\" and framing \"%s\"" :
					"topic option \"%s\" cannot be used with format \"%s\" and framing \"%s\"",
					option, formats[decoder->format],
					framings[decoder->framing])));
}

/* The schema of the option "avro_schema". */
static const EvauditCompiledSchema *
read_avro_schema(Jsonb *options)
{
	JsonbValue *v = evaudit_option_value(options, "avro_schema");
	Jsonb	   *json = JsonbValueToJsonb(v);
	EvauditCompiledSchema *schema = palloc0(sizeof(EvauditCompiledSchema));
	EvauditSchemaText source = {
		.text = JsonbToCString(NULL, &json->root, VARSIZE(json))
	};

	schema->avro = evaudit_avro_compile(&source, &schema->error);
	if (schema->avro == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid schema in topic option \"%s\": %s",
						"avro_schema", schema->error)));
	return schema;
}

/* The message of the options "descriptor_set" or "proto", and "message". */
static const EvauditCompiledSchema *
read_message(Jsonb *options)
{
	EvauditCompiledSchema *schema = palloc0(sizeof(EvauditCompiledSchema));
	char	   *base64 = evaudit_option_text(options, "descriptor_set");
	EvauditSchemaText source = {.text = evaudit_option_text(options, "proto")};
	ProtoNamed *named;
	uint8	   *bytes;
	int			len;

	if ((base64 == NULL) == (source.text == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("topic option \"descriptor_set\" or \"proto\" is required with format \"protobuf\" and framing \"none\", not both")));
	if (base64 != NULL)
	{
		bytes = palloc(EVAUDIT_BASE64_BYTES(strlen(base64)));
		len = evaudit_base64_decode(base64, strlen(base64), bytes);
		if (len < 0)
			schema->error = "it is not base64";
		else
			schema->proto = evaudit_proto_compile_descriptors((char *) bytes,
															  len,
															  &schema->error);
	}
	else
		schema->proto = evaudit_proto_compile(&source, &schema->error);
	if (schema->proto == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid schema in topic option \"%s\": %s",
						base64 != NULL ? "descriptor_set" : "proto",
						schema->error)));
	named = evaudit_proto_find(schema->proto,
							   evaudit_option_text(options, "message"));
	if (named == NULL || named->message == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("topic option \"message\" names no message of the schema")));
	schema->message = named->message;
	return schema;
}

/*
 * The decoder that a topic's options ask for, in the current memory context;
 * NULL for JSON without a framing, which needs none.
 */
EvauditDecoder *
evaudit_decoder_define(Jsonb *options)
{
	EvauditDecoder *decoder = palloc0(sizeof(EvauditDecoder));
	bool		has_schema;
	bool		framed;

	decoder->format = read_name(options, "format", formats);
	decoder->framing = read_name(options, "framing", framings);
	has_schema = decoder->format >= EVAUDIT_FORMAT_AVRO;
	framed = decoder->framing != EVAUDIT_FRAMING_NONE;
	check_given(decoder, options, "schema_id",
				decoder->framing >= EVAUDIT_FRAMING_APICURIO);
	decoder->id_kind = read_name(options, "schema_id", id_kinds);
	check_given(decoder, options, "registry", has_schema && framed);
	check_given(decoder, options, "avro_schema",
				decoder->format == EVAUDIT_FORMAT_AVRO && !framed);
	check_given(decoder, options, "message",
				decoder->format == EVAUDIT_FORMAT_PROTOBUF && !framed);
	if (decoder->format != EVAUDIT_FORMAT_PROTOBUF || framed)
	{
		check_given(decoder, options, "descriptor_set", false);
		check_given(decoder, options, "proto", false);
	}
	if (decoder->format == EVAUDIT_FORMAT_JSON && !framed)
	{
		pfree(decoder);
		return NULL;
	}
	decoder->registry_name = evaudit_option_text(options, "registry");
	if (decoder->format == EVAUDIT_FORMAT_AVRO && !framed)
		decoder->schema = read_avro_schema(options);
	if (decoder->format == EVAUDIT_FORMAT_PROTOBUF && !framed)
		decoder->schema = read_message(options);
	return decoder;
}

/* The kind of registry whose ids a framing has. */
static EvauditRegistryKind
registry_of(EvauditFraming framing)
{
	switch (framing)
	{
		case EVAUDIT_FRAMING_GLUE:
			return EVAUDIT_REGISTRY_GLUE;
		case EVAUDIT_FRAMING_APICURIO:
		case EVAUDIT_FRAMING_APICURIO_4BYTE:
		case EVAUDIT_FRAMING_APICURIO_HEADERS:
			return EVAUDIT_REGISTRY_APICURIO;
		default:
			return EVAUDIT_REGISTRY_CONFLUENT;
	}
}

/* Syscache callback: some server may have changed. */
static void
servers_changed(Datum arg, int cacheid, uint32 hash)
{
	servers++;
}

/*
 * Find the registry of a decoder, again if servers have changed; an ERROR if
 * it is none, or of another kind than the framing.
 */
void
evaudit_decoder_find_registry(EvauditDecoder *decoder)
{
	MemoryContext previous;

	if (servers == 0)
	{
		CacheRegisterSyscacheCallback(FOREIGNSERVEROID, servers_changed, 0);
		CacheRegisterSyscacheCallback(FOREIGNDATAWRAPPEROID, servers_changed,
									  0);
		servers++;
	}
	if (decoder->servers == servers)
		return;
	decoder->last = NULL;
	previous = MemoryContextSwitchTo(GetMemoryChunkContext(decoder));
	evaudit_registry_find(decoder->registry_name, &decoder->registry);
	MemoryContextSwitchTo(previous);
	if (decoder->registry.kind != registry_of(decoder->framing))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is not a registry for framing \"%s\"",
						decoder->registry_name, framings[decoder->framing]),
				 errdetail("Servers with a url are for Confluent's framings, or by their option \"api\" for Apicurio's; those without one for Glue's.")));
	decoder->servers = servers;
}

/* Refuse a registry that is none, or that the current user may not use. */
void
evaudit_decoder_check(EvauditDecoder *decoder)
{
	if (decoder == NULL || decoder->registry_name == NULL)
		return;
	evaudit_decoder_find_registry(decoder);
	(void) evaudit_registry_read_options(decoder->registry.server, GetUserId());
}
