/*-------------------------------------------------------------------------
 *
 * issuer_fetch.c
 *	  Keys that come from a URL: when, and what became of it.
 *
 * evaudit.issuer_fetches has the times; evaudit.issuers is written only when
 * other keys were fetched, because each session reads it anew then.  A fetch
 * that fails, or brings nothing of use, leaves the keys as they were.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "auth/issuer_fetch.h"
#include "auth/token_json.h"
#include "server/spi.h"

/*
 * When the next keys are due, and when the next that somebody asked for may
 * be fetched.  False if there is no issuer whose keys come from a URL.
 */
bool
evaudit_fetches_next(TimestampTz *due, TimestampTz *if_wanted)
{
	static EvauditStatement next = {
		"SELECT min(COALESCE(f.next_fetch_at, now())),"
		" min(COALESCE(f.last_attempt_at + COALESCE(i.options->>'refresh_cooldown',"
		"  '1min')::interval, now()))"
		" FROM evaudit.issuers i"
		" LEFT JOIN evaudit.issuer_fetches f ON f.issuer = i.name"
		" WHERE i.options ? 'jwks_url'", 0
	};
	bool		isnull;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&next, NULL, NULL);
	*due = DatumGetTimestampTz(evaudit_spi_datum(0, 0, &isnull));
	*if_wanted = DatumGetTimestampTz(evaudit_spi_datum(0, 1, &isnull));
	evaudit_spi_end(&spi);
	return !isnull;
}

/*
 * The issuers, in the current context, whose keys are due; with those whose
 * last fetch was long enough ago if keys are wanted.
 */
List *
evaudit_fetches_due(bool wanted)
{
	static EvauditStatement list = {
		"SELECT i.name, i.options"
		" FROM evaudit.issuers i"
		" LEFT JOIN evaudit.issuer_fetches f ON f.issuer = i.name"
		" WHERE i.options ? 'jwks_url'"
		" AND (COALESCE(f.next_fetch_at <= now(), true)"
		"  OR $1 AND f.last_attempt_at <= now()"
		"   - COALESCE(i.options->>'refresh_cooldown', '1min')::interval)"
		" ORDER BY i.name", 1, {BOOLOID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		value = BoolGetDatum(wanted);
	List	   *issuers = NIL;
	uint64		n;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	n = evaudit_spi_execute(&list, &value, NULL);
	for (uint64 i = 0; i < n; i++)
	{
		char	   *name = evaudit_spi_text((int) i, 0);
		bool		isnull;
		Datum		options = evaudit_spi_datum((int) i, 1, &isnull);
		MemoryContext spi_context = MemoryContextSwitchTo(context);

		issuers = lappend(issuers,
						  evaudit_issuer_compile(name,
												 DatumGetJsonbPCopy(options)));
		MemoryContextSwitchTo(spi_context);
	}
	evaudit_spi_end(&spi);
	return issuers;
}

/* Note that a fetch ended, well or, with an error, not. */
static void
note_end(const EvauditIssuer *issuer, const char *error)
{
	static EvauditStatement note = {
		"INSERT INTO evaudit.issuer_fetches AS f (issuer, last_attempt_at,"
		"  last_fetched_at, last_error, last_error_at, failures, next_fetch_at)"
		" SELECT i.name, t.now, CASE WHEN $3 IS NULL THEN t.now END, $3,"
		"  CASE WHEN $3 IS NOT NULL THEN t.now END,"
		"  CASE WHEN $3 IS NULL THEN 0 ELSE 1 END,"
		"  t.now + CASE WHEN $3 IS NULL THEN $4 ELSE LEAST($4, $5) END"
		"   * interval '1ms'"
		" FROM evaudit.issuers i, clock_timestamp() AS t(now)"
		" WHERE i.name = $1 AND i.options->>'jwks_url' = $2"
		" ON CONFLICT (issuer) DO UPDATE SET"
		"  last_attempt_at = excluded.last_attempt_at,"
		"  last_fetched_at = COALESCE(excluded.last_fetched_at, f.last_fetched_at),"
		"  last_error = excluded.last_error,"
		"  last_error_at = COALESCE(excluded.last_error_at, f.last_error_at),"
		"  failures = CASE WHEN $3 IS NULL THEN 0 ELSE f.failures + 1 END,"
		"  next_fetch_at = excluded.last_attempt_at + CASE WHEN $3 IS NULL"
		"   THEN $4 ELSE LEAST($4, $5 * (1 << LEAST(f.failures, 8))) END"
		"   * interval '1ms'",
		5, {TEXTOID, TEXTOID, TEXTOID, FLOAT8OID, FLOAT8OID}
	};
	Datum		values[5];
	char		nulls[5] = {' ', ' ', error == NULL ? 'n' : ' ', ' ', ' '};

	values[0] = CStringGetTextDatum(issuer->name);
	values[1] = CStringGetTextDatum(issuer->jwks_url);
	values[2] = error == NULL ? (Datum) 0 : CStringGetTextDatum(error);
	values[3] = Float8GetDatum(issuer->refresh_interval);
	values[4] = Float8GetDatum(issuer->refresh_cooldown);
	(void) evaudit_spi_execute(&note, values, nulls);
}

/* Put fetched keys in place, if they are others than those there. */
static void
put_keys(const EvauditIssuer *issuer, Jsonb *keys)
{
	static EvauditStatement compare = {
		"SELECT FROM evaudit.issuers WHERE name = $1"
		" AND options->>'jwks_url' = $2 AND keys <> $3 FOR UPDATE",
		3, {TEXTOID, TEXTOID, JSONBOID}
	};
	static EvauditStatement put = {
		"UPDATE evaudit.issuers SET keys = $3"
		" WHERE name = $1 AND options->>'jwks_url' = $2",
		3, {TEXTOID, TEXTOID, JSONBOID}
	};
	Datum		values[3];

	values[0] = CStringGetTextDatum(issuer->name);
	values[1] = CStringGetTextDatum(issuer->jwks_url);
	values[2] = JsonbPGetDatum(keys);
	if (evaudit_spi_execute(&compare, values, NULL) > 0)
		(void) evaudit_spi_execute(&put, values, NULL);
}

/* Take a document that was fetched; it is followed by a zero. */
void
evaudit_fetch_take(const EvauditIssuer *issuer, const char *body, size_t len)
{
	const char *why;
	char	   *trouble = NULL;
	Jsonb	   *document = evaudit_token_json(body, len, &why);
	Jsonb	   *keys = NULL;
	EvauditSpi	spi;

	if (document == NULL)
		trouble = psprintf("what was fetched is %s", why);
	else
	{
		keys = evaudit_keys_read_json(&document->root, true,
									  issuer->algorithms, &trouble);
		if (keys == NULL)
			trouble = psprintf("what was fetched cannot be used: %s", trouble);
	}

	evaudit_spi_begin(&spi);
	if (keys != NULL)
		put_keys(issuer, keys);
	note_end(issuer, keys == NULL ? trouble : NULL);
	evaudit_spi_end(&spi);
}

/* Note that nothing could be fetched. */
void
evaudit_fetch_failed(const EvauditIssuer *issuer, const char *error)
{
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	note_end(issuer, error);
	evaudit_spi_end(&spi);
}
