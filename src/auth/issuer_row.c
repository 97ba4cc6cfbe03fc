/*-------------------------------------------------------------------------
 *
 * issuer_row.c
 *	  A row of evaudit.issuers, compiled under a guard of its own.
 *
 * A dump, another release or an edit by hand may bring a row that no function
 * would have written.  It must not fail the other issuers, and no token may
 * pass because of it: the result is an issuer that is invalid, with the reason,
 * and keeps its option "issuer" so that it still is the one that refuses
 * tokens of that name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "auth/issuer.h"
#include "events/attempt.h"
#include "text/jsonb.h"

PG_FUNCTION_INFO_V1(evaudit_issuer_error);

/* A row that is compiled, for evaudit_attempt(). */
typedef struct Compilation
{
	const EvauditIssuerRow *row;
	EvauditIssuer *issuer;
} Compilation;

/* Refuse a column that is null or large, without fetching its value. */
static void
check_column(const char *name, const NullableDatum *column, Size max_bytes)
{
	if (column->isnull)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column \"%s\" is null", name)));
	if (toast_raw_datum_size(column->value) > max_bytes)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column \"%s\" has more than %zu bytes",
						name, max_bytes)));
}

/* Compile a row; an ERROR if that cannot be done. */
static bool
compile(void *arg)
{
	Compilation *c = arg;
	const EvauditIssuerRow *row = c->row;

	check_column("options", &row->options, EVAUDIT_MAX_ISSUER_BYTES);
	check_column("keys", &row->keys, EVAUDIT_MAX_KEYS_BYTES);
	c->issuer = evaudit_issuer_compile(row->name,
									   DatumGetJsonbP(row->options.value));
	evaudit_keys_load(c->issuer, DatumGetJsonbP(row->keys.value));
	return true;
}

/*
 * The option "issuer" of a row that is not valid; NULL if it has none that
 * can be read.
 */
static char *
option_issuer(const EvauditIssuerRow *row)
{
	Jsonb	   *options;

	if (row->options.isnull ||
		toast_raw_datum_size(row->options.value) > EVAUDIT_MAX_ISSUER_BYTES)
		return NULL;
	options = DatumGetJsonbP(row->options.value);
	return JB_ROOT_IS_OBJECT(options) ?
		evaudit_jsonb_text(&options->root, "issuer") : NULL;
}

/* The issuer of a row, in the current memory context; perhaps invalid. */
EvauditIssuer *
evaudit_issuer_from_row(const EvauditIssuerRow *row)
{
	Compilation c = {row};
	ErrorData  *error = evaudit_attempt(compile, &c);

	if (error == NULL)
		return c.issuer;
	c.issuer = palloc0(sizeof(EvauditIssuer));
	c.issuer->name = pstrdup(row->name);
	c.issuer->issuer = option_issuer(row);
	c.issuer->invalid = pstrdup(error->message);
	FreeErrorData(error);
	return c.issuer;
}

/* issuer_error(name text, options jsonb, keys jsonb) returns text */
Datum
evaudit_issuer_error(PG_FUNCTION_ARGS)
{
	EvauditIssuerRow row = {
		.name = PG_ARGISNULL(0) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(0)),
		.options = fcinfo->args[1],
		.keys = fcinfo->args[2]
	};
	EvauditIssuer *issuer = evaudit_issuer_from_row(&row);

	if (issuer->invalid == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(issuer->invalid));
}
