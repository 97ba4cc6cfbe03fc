/*-------------------------------------------------------------------------
 *
 * issuer_fetch.c
 *	  Keys that come from a URL: when they are fetched, and the result.
 *
 * evaudit.issuer_fetches has the times; evaudit.issuers is written only when
 * other keys were fetched, because each session reads it again then.  A fetch
 * that fails, or brings no usable key, does not change the keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "auth/issuer_fetch.h"
#include "auth/token_json.h"
#include "server/spi.h"

/* Calls a function for each issuer whose keys come from a URL. */
typedef void (*IssuerVisitor) (const EvauditIssuer *issuer,
							   TimestampTz next_fetch,
							   TimestampTz last_attempt, void *arg);

/*
 * Visit the issuers whose keys come from a URL, with the time of the next
 * fetch, -infinity for at once, and of the last.  Each is compiled in the
 * given context under a guard of its own; one that is invalid is skipped, as
 * evaudit.stat_issuers shows.
 */
static void
visit_fetched(MemoryContext context, IssuerVisitor visit, void *arg)
{
	static EvauditStatement list = {
		"SELECT i.name, i.options, f.next_fetch_at, f.last_attempt_at"
		" FROM evaudit.issuers i"
		" LEFT JOIN evaudit.issuer_fetches f ON f.issuer = i.name"
		" WHERE i.options ? 'jwks_url' ORDER BY i.name", 0
	};
	enum
	{
		NAME,
		OPTIONS,
		NEXT_FETCH_AT,
		LAST_ATTEMPT_AT
	};
	NullableDatum no_keys = {.value = JsonbPGetDatum(evaudit_keys_none())};
	EvauditSpi	spi;
	int			n;

	evaudit_spi_begin(&spi);
	n = (int) evaudit_spi_execute(&list, NULL, NULL);
	for (int i = 0; i < n; i++)
	{
		EvauditIssuerRow row = {evaudit_spi_text(i, NAME),.keys = no_keys};
		bool		fetched = !evaudit_spi_is_null(i, NEXT_FETCH_AT);
		MemoryContext spi_context = MemoryContextSwitchTo(context);
		EvauditIssuer *issuer;

		row.options.value = evaudit_spi_datum(i, OPTIONS, &row.options.isnull);
		issuer = evaudit_issuer_from_row(&row);
		if (issuer->jwks_url != NULL)
			visit(issuer,
				  fetched ? evaudit_spi_timestamptz(i, NEXT_FETCH_AT) :
				  DT_NOBEGIN,
				  fetched ? evaudit_spi_timestamptz(i, LAST_ATTEMPT_AT) :
				  DT_NOBEGIN, arg);
		MemoryContextSwitchTo(spi_context);
	}
	evaudit_spi_end(&spi);
}

/* When an issuer's keys may be fetched if a token asks for them. */
static TimestampTz
fetch_if_wanted(const EvauditIssuer *issuer, TimestampTz last_attempt)
{
	return last_attempt == DT_NOBEGIN ? DT_NOBEGIN :
		TimestampTzPlusMilliseconds(last_attempt, issuer->refresh_cooldown);
}

/* The earliest times. */
typedef struct NextFetch
{
	bool		found;
	TimestampTz due;
	TimestampTz if_wanted;
} NextFetch;

/* Visitor: take the earliest times. */
static void
take_earliest(const EvauditIssuer *issuer, TimestampTz next_fetch,
			  TimestampTz last_attempt, void *arg)
{
	NextFetch  *next = arg;
	TimestampTz now = GetCurrentTransactionStartTimestamp();
	TimestampTz due = next_fetch == DT_NOBEGIN ? now : next_fetch;
	TimestampTz if_wanted = fetch_if_wanted(issuer, last_attempt);

	if (if_wanted == DT_NOBEGIN)
		if_wanted = now;
	if (!next->found || due < next->due)
		next->due = due;
	if (!next->found || if_wanted < next->if_wanted)
		next->if_wanted = if_wanted;
	next->found = true;
}

/*
 * When the next keys are due, and when the next that a token asked for may be
 * fetched.  False if there is no issuer whose keys come from a URL.
 */
bool
evaudit_fetches_next(TimestampTz *due, TimestampTz *if_wanted)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "evaudit issuers to fetch",
												  ALLOCSET_DEFAULT_SIZES);
	NextFetch	next = {false};

	visit_fetched(context, take_earliest, &next);
	MemoryContextDelete(context);
	*due = next.due;
	*if_wanted = next.if_wanted;
	return next.found;
}

/* The issuers whose keys are due. */
typedef struct DueFetches
{
	bool		wanted;			/* those whose last fetch is long ago, too */
	List	   *issuers;
} DueFetches;

/* Visitor: take the issuers that are due. */
static void
take_due(const EvauditIssuer *issuer, TimestampTz next_fetch,
		 TimestampTz last_attempt, void *arg)
{
	DueFetches *due = arg;
	TimestampTz now = GetCurrentTransactionStartTimestamp();

	if (next_fetch <= now ||
		(due->wanted && fetch_if_wanted(issuer, last_attempt) <= now))
		due->issuers = lappend(due->issuers,
							   unconstify(EvauditIssuer *, issuer));
}

/*
 * The issuers, in the current context, whose keys are due; with those whose
 * last fetch was long enough ago if keys are wanted.
 */
List *
evaudit_fetches_due(bool wanted)
{
	DueFetches	due = {wanted};

	visit_fetched(CurrentMemoryContext, take_due, &due);
	return due.issuers;
}

/* Record the end of a fetch; error is NULL if it succeeded. */
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

/* Store fetched keys, if they differ from those there. */
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

/* Store a document that was fetched; it is followed by a zero. */
void
evaudit_fetch_take(const EvauditIssuer *issuer, const char *body, size_t len)
{
	const char *why;
	char	   *error = NULL;
	Jsonb	   *document = evaudit_token_json(body, len, &why);
	Jsonb	   *keys = NULL;
	EvauditSpi	spi;

	if (document == NULL)
		error = psprintf("what was fetched is %s", why);
	else
	{
		keys = evaudit_keys_read_json(&document->root, true,
									  issuer->algorithms, &error);
		if (keys == NULL)
			error = psprintf("what was fetched cannot be used: %s", error);
	}

	evaudit_spi_begin(&spi);
	if (keys != NULL)
		put_keys(issuer, keys);
	note_end(issuer, keys == NULL ? error : NULL);
	evaudit_spi_end(&spi);
}

/* Record that a fetch failed. */
void
evaudit_fetch_failed(const EvauditIssuer *issuer, const char *error)
{
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	note_end(issuer, error);
	evaudit_spi_end(&spi);
}
