/*-------------------------------------------------------------------------
 *
 * payload.c
 *	  Fuzz targets: payloads in Avro and Protocol Buffers, and what schemas
 *	  are.
 *
 * Whatever the bytes are, the outcome is a fault, or JSON that can be parsed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fuzz.h"
#include "formats/avro.h"
#include "formats/proto.h"
#include "text/json_text.h"

/* What decoding has made must be JSON, within its bound. */
static void
check_outcome(bool ok, const EvauditJsonOut *out, size_t size)
{
	EvauditJsonVisitor nothing = {0};
	EvauditJsonText json;
	EvauditJsonStatus status;

	if (ok != (out->fault == EVAUDIT_OUT_OK))
		abort();
	if (out->text.len > EVAUDIT_JSON_OUT_FLOOR + size * EVAUDIT_JSON_OUT_RATIO)
		abort();
	if (!ok)
		return;
	status = evaudit_json_prepare(out->text.data, out->text.len,
								  MaxAllocSize, CurrentMemoryContext, &json);
	if (status == EVAUDIT_JSON_OK)
		status = evaudit_json_visit(&json, &nothing);
	if (status == EVAUDIT_JSON_MALFORMED || status == EVAUDIT_JSON_NOT_UTF8)
	{
		write_stderr("not JSON: %s\n", out->text.data);
		abort();
	}
}

/* A line with a schema, and the bytes of a value. */
void
evaudit_fuzz_avro(const char *data, size_t size)
{
	EvauditSchemaText schema = {.text = evaudit_fuzz_line(&data, &size)};
	const char *error;
	const AvroType *type = evaudit_avro_compile(&schema, &error);
	EvauditJsonOut out;
	bool		ok;

	if (type == NULL)
	{
		if (error == NULL)
			abort();
		return;
	}
	evaudit_out_begin(&out, size, MaxAllocSize / 4);
	ok = evaudit_avro_decode(type, data, size, &out);
	check_outcome(ok, &out, size);
}

/* A file in a line, and the bytes of a message of it. */
void
evaudit_fuzz_protobuf(const char *data, size_t size)
{
	EvauditSchemaText schema = {.text = evaudit_fuzz_line(&data, &size)};
	const char *error;
	ProtoSet   *set = evaudit_proto_compile(&schema, &error);
	EvauditJsonOut out;
	bool		ok;

	if (set == NULL || set->roots == NIL)
		return;
	evaudit_out_begin(&out, size, MaxAllocSize / 4);
	ok = evaudit_proto_decode(set, linitial(set->roots), data, size, &out);
	check_outcome(ok, &out, size);
}

/* A descriptor set. */
void
evaudit_fuzz_descriptors(const char *data, size_t size)
{
	const char *error = NULL;

	if (evaudit_proto_compile_descriptors(data, size, &error) == NULL &&
		error == NULL)
		abort();
}

/* The text of a file. */
void
evaudit_fuzz_proto_text(const char *data, size_t size)
{
	EvauditSchemaText schema = {.text = evaudit_fuzz_rest(data, size)};
	const char *error = NULL;

	if (evaudit_proto_compile(&schema, &error) == NULL && error == NULL)
		abort();
}
