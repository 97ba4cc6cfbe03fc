/*-------------------------------------------------------------------------
 *
 * token_counts.c
 *	  How many tokens were accepted, and refused for which reason, for
 *	  metrics.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "auth/token_parse.h"
#include "server/counters.h"

PG_FUNCTION_INFO_V1(evaudit_token_counts);

/* What became of a token, by its code. */
static const char *const outcomes[] = {
	[EVAUDIT_TOKEN_GOOD] = "accepted",
	[EVAUDIT_TOKEN_MISSING] = "missing",
	[EVAUDIT_TOKEN_TOO_LARGE] = "too_large",
	[EVAUDIT_TOKEN_MALFORMED] = "malformed",
	[EVAUDIT_TOKEN_BAD_HEADER] = "bad_header",
	[EVAUDIT_TOKEN_CRITICAL] = "critical_extension",
	[EVAUDIT_TOKEN_UNKNOWN_ISSUER] = "unknown_issuer",
	[EVAUDIT_TOKEN_INVALID_ISSUER] = "invalid_issuer",
	[EVAUDIT_TOKEN_BAD_ALGORITHM] = "bad_algorithm",
	[EVAUDIT_TOKEN_NO_KEYS] = "no_keys",
	[EVAUDIT_TOKEN_UNKNOWN_KEY] = "unknown_key",
	[EVAUDIT_TOKEN_BAD_SIGNATURE] = "bad_signature",
	[EVAUDIT_TOKEN_BAD_CLAIMS] = "bad_claims",
	[EVAUDIT_TOKEN_EXPIRED] = "expired",
	[EVAUDIT_TOKEN_NOT_YET_VALID] = "not_yet_valid",
	[EVAUDIT_TOKEN_WRONG_AUDIENCE] = "wrong_audience",
};

StaticAssertDecl(lengthof(outcomes) == EVAUDIT_TOKEN_WRONG_AUDIENCE + 1,
				 "every code of a token needs a name");

static EvauditCounters counters = {.n = lengthof(outcomes)};

/* Register what is counted. */
void
evaudit_token_counts_init(void)
{
	evaudit_counters_register(&counters);
}

/* Count a token that was verified. */
void
evaudit_token_count(EvauditTokenErrorCode code)
{
	evaudit_count(&counters, (int) code, 1);
}

/* token_counts() returns setof (outcome text, tokens bigint) */
Datum
evaudit_token_counts(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < lengthof(outcomes); i++)
	{
		Datum		values[] = {
			CStringGetTextDatum(outcomes[i]),
			Int64GetDatum((int64) evaudit_counted(&counters, i))
		};
		bool		nulls[lengthof(values)] = {false};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}
