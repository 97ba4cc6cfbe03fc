/*-------------------------------------------------------------------------
 *
 * gate.c
 *	  Fuzz targets: tokens, and requests over HTTP.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "fuzz.h"
#include "auth/token.h"

/* A token; setup.sql has the issuers. */
void
evaudit_fuzz_token(const char *data, size_t size)
{
	EvauditTokenError error = {0};
	Jsonb	   *claims = evaudit_token_verify(data, size, &error);

	if ((claims == NULL) != (error.code != EVAUDIT_TOKEN_GOOD))
	{
		write_stderr("claims: %d, error: %d\n", claims != NULL, error.code);
		abort();
	}
}

/* Method, path and headers, a line for each, and the body. */
void
evaudit_fuzz_http(const char *data, size_t size)
{
	static Oid	types[] = {TEXTOID, TEXTOID, JSONBOID, BYTEAOID};
	Datum		values[4];
	bytea	   *body;
	char	   *status;

	values[0] = CStringGetTextDatum(evaudit_fuzz_line(&data, &size));
	values[1] = CStringGetTextDatum(evaudit_fuzz_line(&data, &size));
	values[2] = JsonbPGetDatum(evaudit_fuzz_jsonb(evaudit_fuzz_line(&data, &size)));
	body = palloc(VARHDRSZ + size);
	SET_VARSIZE(body, VARHDRSZ + size);
	memcpy(VARDATA(body), data, size);
	values[3] = PointerGetDatum(body);

	SPI_connect();
	SPI_execute_with_args("SELECT status FROM evaudit.http($1, $2, $3, $4)",
						  4, types, values, NULL, false, 0);
	/* what "cannot happen" is an answer, too, but never a right one */
	status = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (strcmp(status, "500") == 0)
	{
		write_stderr("the answer is 500\n");
		abort();
	}
	SPI_finish();
}
