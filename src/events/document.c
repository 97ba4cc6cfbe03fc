/*-------------------------------------------------------------------------
 *
 * document.c
 *	  The payload of an event as jsonb.
 *
 * What may fail of a payload that is known to be JSON, in depth and encoding
 * within the limits, is a number that the type numeric cannot hold, such as
 * 1e200000.  Only where there may be one the conversion takes place in a
 * subtransaction: that would cost more than the conversion itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "events/attempt.h"
#include "events/document.h"
#include "text/ascii.h"

/* A number of fewer digits and without an exponent fits into any numeric. */
#define SAFE_DIGITS		1000

/* A conversion on its way. */
typedef struct Conversion
{
	char	   *json;
	Jsonb	   *result;
} Conversion;

/* Is there a number with an exponent, or one of many digits? */
static bool
may_have_huge_number(const char *p, int len)
{
	const char *end = p + len;
	int			digits = 0;

	for (; p < end; p++)
	{
		if (*p == '"')
		{
			for (p++; p < end && *p != '"'; p++)
				if (*p == '\\')
					p++;
			digits = 0;
		}
		else if (evaudit_is_digit(*p))
		{
			if (++digits > SAFE_DIGITS)
				return true;
		}
		/* the words true and false have an "e", but not after a digit */
		else if ((*p | 0x20) == 'e' && digits > 0)
			return true;
		else
			digits = 0;
	}
	return false;
}

/* Let Postgres read the payload. */
static bool
convert(void *arg)
{
	Conversion *conversion = arg;
	Datum		json = CStringGetDatum(conversion->json);

	conversion->result = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, json));
	return true;
}

/*
 * Make the document of an event in the current memory context, unless it has
 * one.  False if the event is now rejected.
 */
bool
evaudit_document_read(EvauditEvent *event, const EvauditPayload *payload)
{
	Conversion	conversion = {.json = pnstrdup(payload->json, payload->len)};
	ErrorData  *error = NULL;

	if (may_have_huge_number(payload->json, payload->len))
		error = evaudit_attempt(convert, &conversion);
	else
		(void) convert(&conversion);
	pfree(conversion.json);
	if (error != NULL)
	{
		evaudit_event_reject(event, EVAUDIT_DATABASE_ERROR, "%s",
							 error->message);
		event->sqlstate = error->sqlerrcode;
		FreeErrorData(error);
		return false;
	}
	event->document = conversion.result;
	return true;
}
