/*-------------------------------------------------------------------------
 *
 * schema.c
 *	  Fuzz targets: the compiler of schemas, and validation.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fuzz.h"
#include "schema/schema.h"

/* A schema, applied to itself. */
void
evaudit_fuzz_schema(const char *data, size_t size)
{
	Jsonb	   *jsonb = evaudit_fuzz_jsonb(evaudit_fuzz_rest(data, size));
	EvauditSchema *schema = evaudit_schema_compile(jsonb, CurrentMemoryContext);

	evaudit_schema_accepts(schema, jsonb, true);
	evaudit_schema_free(schema);
}

/*
 * A line with a schema, and an instance: the two ways to validate agree, and
 * what is accepted with formats is accepted without.
 */
void
evaudit_fuzz_validate(const char *data, size_t size)
{
	Jsonb	   *source = evaudit_fuzz_jsonb(evaudit_fuzz_line(&data, &size));
	Jsonb	   *instance = evaudit_fuzz_jsonb(evaudit_fuzz_rest(data, size));
	EvauditSchema *schema = evaudit_schema_compile(source, CurrentMemoryContext);
	bool		accepted = evaudit_schema_accepts(schema, instance, true);
	List	   *errors = evaudit_schema_errors(schema, instance, true, 100);

	if (accepted != (errors == NIL))
	{
		write_stderr("accepted: %d, errors: %d\n", accepted,
					 list_length(errors));
		abort();
	}
	evaudit_schema_errors(schema, instance, false, 1);
	evaudit_schema_free(schema);
}
