/*-------------------------------------------------------------------------
 *
 * registry_api.c
 *	  register_schema() and unregister_schema(): changing evaudit.schemas.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "schema/compile.h"
#include "schema/limits.h"
#include "schema/metaschemas.h"
#include "schema/uri.h"
#include "server/spi.h"

PG_FUNCTION_INFO_V1(evaudit_register_schema);
PG_FUNCTION_INFO_V1(evaudit_unregister_schema);

/* register_schema(uri, schema): keep a schema for others to refer to. */
Datum
evaudit_register_schema(PG_FUNCTION_ARGS)
{
	static EvauditStatement insert = {
		"INSERT INTO evaudit.schemas (uri, schema) VALUES ($1, $2)"
		" ON CONFLICT (uri) DO UPDATE SET schema = EXCLUDED.schema",
		2, {TEXTOID, JSONBOID}
	};
	char	   *given = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *uri = pstrdup(given);
	Jsonb	   *schema = PG_GETARG_JSONB_P(1);
	Datum		values[2];
	EvauditSpi	spi;

	if (*evaudit_uri_split(uri) != '\0' || !evaudit_uri_is_absolute(uri) ||
		strlen(uri) > EVAUDIT_SCHEMA_MAX_URI)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not a valid URI for a schema", given),
				 errhint("Use an absolute URI without a fragment, of at most %d bytes.",
						 EVAUDIT_SCHEMA_MAX_URI)));
	if (evaudit_metaschema(uri) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("schema \"%s\" is built in", uri)));
	evaudit_schema_check_size(schema);
	evaudit_schema_check(schema, uri);

	values[0] = CStringGetTextDatum(uri);
	values[1] = JsonbPGetDatum(schema);
	evaudit_spi_begin(&spi);
	evaudit_spi_execute(&insert, values, NULL);
	evaudit_spi_end(&spi);
	PG_RETURN_VOID();
}

/* unregister_schema(uri): forget a schema. */
Datum
evaudit_unregister_schema(PG_FUNCTION_ARGS)
{
	static EvauditStatement delete = {
		"DELETE FROM evaudit.schemas WHERE uri = $1", 1, {TEXTOID}
	};
	char	   *uri = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Datum		value;
	uint64		deleted;
	EvauditSpi	spi;

	evaudit_uri_split(uri);
	value = CStringGetTextDatum(uri);
	evaudit_spi_begin(&spi);
	deleted = evaudit_spi_execute(&delete, &value, NULL);
	evaudit_spi_end(&spi);
	if (deleted == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("schema \"%s\" is not registered", uri)));
	PG_RETURN_VOID();
}
