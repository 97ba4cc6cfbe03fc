/*-------------------------------------------------------------------------
 *
 * issuer_api.c
 *	  create_issuer() and its kin: issuers as users handle them.
 *
 * Keys are checked, and put into the form that is kept, when they are given;
 * those of a URL come later (issuer_fetch.c).  The tables are written as
 * their owner: whoever may execute these functions may set up issuers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/rel.h"

#include "auth/issuer.h"
#include "runtime/wakeup.h"
#include "server/spi.h"
#include "server/trigger.h"
#include "text/options.h"

PG_FUNCTION_INFO_V1(evaudit_create_issuer);
PG_FUNCTION_INFO_V1(evaudit_alter_issuer);
PG_FUNCTION_INFO_V1(evaudit_drop_issuer);
PG_FUNCTION_INFO_V1(evaudit_issuers_changed);

/* Refuse names that could not be shown or used. */
static void
check_issuer_name(const char *name)
{
	if (name[0] == '\0' || strlen(name) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("name of an issuer must have 1 to %d bytes",
						NAMEDATALEN - 1)));
}

/* Refuse keys that the options do not say where to find. */
static void
require_key_option(const char *option)
{
	if (option == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an issuer needs one of the options \"jwks\", \"pem\", \"keys\" and \"jwks_url\"")));
}

/* Check what is only for those who may: fetching, and reading files. */
static void
check_fetching(const EvauditIssuer *issuer)
{
	if (issuer->jwks_url != NULL)
		evaudit_require_preload();
	if (issuer->ca_file == NULL)
		return;
	if (issuer->jwks_url == NULL || !is_absolute_path(issuer->ca_file))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"ca_file\" must be an absolute path, and given with \"jwks_url\"")));
	if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for option \"ca_file\""),
				 errdetail("It names a file on the server, which is for members of \"pg_read_server_files\".")));
}

/* The keys that an option holds, as evaudit.issuers keeps them. */
static Jsonb *
read_keys(const EvauditIssuer *issuer, Jsonb *options, const char *option)
{
	JsonbValue *value = evaudit_option_value(options, option);
	char	   *reason = "it must be an object";
	Jsonb	   *keys = NULL;

	if (strcmp(option, "jwks_url") == 0)
		return evaudit_keys_none();
	if (VARSIZE(options) > EVAUDIT_MAX_KEYS_BYTES)
		reason = psprintf("it has more than %d bytes",
						  EVAUDIT_MAX_KEYS_BYTES);
	else if (strcmp(option, "pem") == 0)
		keys = evaudit_keys_read_pem(evaudit_option_text(options, option),
									 issuer->algorithms, &reason);
	else if (value->type == jbvBinary)
		keys = evaudit_keys_read_json(value->val.binary.data, false,
									  issuer->algorithms, &reason);
	/* it may be a private key by mistake: keep the statement out of logs */
	if (keys == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" cannot be used: %s", option, reason),
				 errhidestmt(true), errhidecontext(true)));
	return keys;
}

/* create_issuer(name text, options jsonb) */
Datum
evaudit_create_issuer(PG_FUNCTION_ARGS)
{
	static EvauditStatement create = {
		"INSERT INTO evaudit.issuers (name, options, keys)"
		" VALUES ($1, jsonb_strip_nulls($2 - '{jwks,pem,keys}'::text[]), $3)"
		" ON CONFLICT (name) DO NOTHING",
		3, {TEXTOID, JSONBOID, JSONBOID}
	};
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Jsonb	   *options = PG_GETARG_JSONB_P(1);
	EvauditIssuer *issuer;
	const char *option;
	Datum		values[3];
	uint64		created;
	EvauditSpi	spi;

	check_issuer_name(name);
	issuer = evaudit_issuer_compile(name, options);
	option = evaudit_issuer_key_option(options);
	require_key_option(option);
	check_fetching(issuer);

	values[0] = PG_GETARG_DATUM(0);
	values[1] = PG_GETARG_DATUM(1);
	values[2] = JsonbPGetDatum(read_keys(issuer, options, option));
	evaudit_spi_begin(&spi);
	created = evaudit_spi_execute(&create, values, NULL);
	evaudit_spi_end(&spi);
	if (created == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("issuer \"%s\" already exists", name)));
	PG_RETURN_VOID();
}

/*
 * What options and keys an issuer has, its row locked, and the options after
 * a change; an ERROR if there is no such issuer.
 */
static void
find_issuer(const char *name, Jsonb *changes, bool other_keys,
			Jsonb **options, Jsonb **merged, Jsonb **keys)
{
	static EvauditStatement find = {
		"SELECT options, jsonb_strip_nulls(CASE WHEN $3"
		"  THEN options - 'jwks_url' ELSE options END || $2), keys"
		" FROM evaudit.issuers WHERE name = $1 FOR UPDATE",
		3, {TEXTOID, JSONBOID, BOOLOID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[3] = {CStringGetTextDatum(name),
		JsonbPGetDatum(changes), BoolGetDatum(other_keys)};
	bool		found;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	found = evaudit_spi_execute(&find, values, NULL) > 0;
	if (found)
	{
		MemoryContextSwitchTo(context);
		*options = evaudit_spi_jsonb(0, 0);
		*merged = evaudit_spi_jsonb(0, 1);
		*keys = evaudit_spi_jsonb(0, 2);
	}
	evaudit_spi_end(&spi);
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("issuer \"%s\" does not exist", name)));
}

/* Refuse algorithms for none of which an issuer has a key. */
static void
check_keys_serve(EvauditIssuer *issuer, Jsonb *keys)
{
	uint32		served = 0;

	evaudit_keys_load(issuer, keys);
	for (int i = 0; i < issuer->nkeys; i++)
		served |= issuer->keys[i].algorithms;
	if (issuer->nkeys > 0 && !(served & issuer->algorithms))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("issuer \"%s\" has no key for any of its algorithms",
						issuer->name)));
}

/* Whether two sets of options name the same URL of keys. */
static bool
same_url(Jsonb *a, Jsonb *b)
{
	char	   *url = evaudit_option_text(a, "jwks_url");
	char	   *other = evaudit_option_text(b, "jwks_url");

	return url != NULL && other != NULL && strcmp(url, other) == 0;
}

/* alter_issuer(name text, options jsonb) */
Datum
evaudit_alter_issuer(PG_FUNCTION_ARGS)
{
	static EvauditStatement alter = {
		"WITH forgotten AS"
		" (DELETE FROM evaudit.issuer_fetches WHERE issuer = $1)"
		" UPDATE evaudit.issuers"
		" SET options = $2 - '{jwks,pem,keys}'::text[], keys = $3"
		" WHERE name = $1", 3, {TEXTOID, JSONBOID, JSONBOID}
	};
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Jsonb	   *changes = PG_GETARG_JSONB_P(1);
	const char *option;
	EvauditIssuer *issuer;
	Jsonb	   *options;
	Jsonb	   *merged;
	Jsonb	   *keys;
	Datum		values[3];
	EvauditSpi	spi;

	evaudit_options_check_object(changes);
	option = evaudit_issuer_key_option(changes);
	find_issuer(name, changes, option != NULL, &options, &merged, &keys);
	issuer = evaudit_issuer_compile(name, merged);
	if (option != NULL)
	{
		if (!same_url(options, merged))
			keys = read_keys(issuer, merged, option);
	}
	else if (issuer->jwks_url == NULL)
		require_key_option(evaudit_option_value(options, "jwks_url") == NULL ?
						   "keys" : NULL);
	check_fetching(issuer);
	check_keys_serve(issuer, keys);
	/* the trigger wakes the scheduler only if another issuer has a URL */
	if (evaudit_option_value(options, "jwks_url") != NULL)
		evaudit_wake_scheduler_at_commit();

	values[0] = PG_GETARG_DATUM(0);
	values[1] = JsonbPGetDatum(merged);
	values[2] = JsonbPGetDatum(keys);
	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&alter, values, NULL);
	evaudit_spi_end(&spi);
	PG_RETURN_VOID();
}

/* drop_issuer(name text) */
Datum
evaudit_drop_issuer(PG_FUNCTION_ARGS)
{
	static EvauditStatement drop = {
		"WITH forgotten AS"
		" (DELETE FROM evaudit.issuer_fetches WHERE issuer = $1)"
		" DELETE FROM evaudit.issuers WHERE name = $1"
		" RETURNING options ? 'jwks_url'", 1, {TEXTOID}
	};
	Datum		name = PG_GETARG_DATUM(0);
	uint64		dropped;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	dropped = evaudit_spi_execute(&drop, &name, NULL);
	if (dropped > 0 && evaudit_spi_bool(0, 0))
		evaudit_wake_scheduler_at_commit();
	evaudit_spi_end(&spi);
	if (dropped == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("issuer \"%s\" does not exist",
						TextDatumGetCString(name))));
	PG_RETURN_VOID();
}

/*
 * Trigger after any statement that changes evaudit.issuers: tell all
 * backends, and the scheduler if there are keys to be fetched.
 */
Datum
evaudit_issuers_changed(PG_FUNCTION_ARGS)
{
	static EvauditStatement find_fetched = {
		"SELECT FROM evaudit.issuers WHERE options ? 'jwks_url' LIMIT 1", 0
	};
	TriggerData *trigger = evaudit_own_trigger(fcinfo, "issuers",
											   "issuers_changed",
											   EVAUDIT_AFTER_STATEMENT);
	EvauditSpi	spi;
	uint64		found;

	CacheInvalidateRelcache(trigger->tg_relation);
	evaudit_spi_begin(&spi);
	found = evaudit_spi_execute(&find_fetched, NULL, NULL);
	evaudit_spi_end(&spi);
	if (found > 0)
		evaudit_wake_scheduler_at_commit();
	return PointerGetDatum(NULL);
}
