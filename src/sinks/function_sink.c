/*-------------------------------------------------------------------------
 *
 * function_sink.c
 *	  Sinks that hand events to a function of this database.
 *
 * The function is called in the transaction that moves the sink's position, so
 * that it has its effect exactly once.  It gets the rights that the function
 * of a topic would (events/event_function.c): the sink's owner has named it,
 * and must be able to be its owner whenever it is called.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "events/attempt.h"
#include "events/event_function.h"
#include "events/ingest.h"
#include "server/compat.h"
#include "server/foreign_options.h"
#include "sinks/shape.h"
#include "text/options.h"

PG_FUNCTION_INFO_V1(evaudit_function_validator);

/* What the name of a function is an option for, in messages. */
#define OPTION	"option \"function\" must be"

/* What a process works with. */
typedef struct FunctionSink
{
	EvauditFunctionUse use;
	const EvauditSink *sink;
} FunctionSink;

/* Deliveries that are tried together, those of them that are pending. */
typedef struct Attempt
{
	const EvauditFunctionUse *use;
	EvauditDelivery *deliveries;
	int			n;
} Attempt;

/* Servers of this kind have no options, nor has a user there. */
static void
check_server_options(List *options, bool user_mapping, Oid user)
{
	if (options != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("servers of foreign-data wrapper \"%s\" have no options",
						"evaudit_function")));
}

/* function_validator(options text[], catalog oid) */
Datum
evaudit_function_validator(PG_FUNCTION_ARGS)
{
	return evaudit_validate_options(fcinfo, check_server_options);
}

/* See sink.h. */
static List *
read_options(Oid server, Oid user)
{
	return evaudit_server_options(server, user, check_server_options);
}

/* The name of the function. */
static char *
function_option(Jsonb *options)
{
	char	   *name = evaudit_option_text(options, "function");

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" is required", "function")));
	return name;
}

/* See sink.h. */
static void
check(Jsonb *options)
{
	(void) evaudit_event_function_find(OPTION, function_option(options),
									   EVAUDIT_FUNCTION_OF_BATCH);
}

/* See sink.h: the use of the function, looked up for each batch. */
static void *
open_function(EvauditSink *sink, List *options)
{
	FunctionSink *state = palloc0(sizeof(FunctionSink));

	state->use.function = function_option(sink->options);
	state->use.noun = "sink";
	state->use.name = sink->name;
	state->sink = sink;
	return state;
}

/* Call the function with deliveries. */
static bool
call(void *arg)
{
	const Attempt *attempt = arg;
	Oid			function = evaudit_event_function_find(OPTION,
													   attempt->use->function,
													   EVAUDIT_FUNCTION_OF_BATCH);
	EvauditEventValue *events = palloc(attempt->n * sizeof(EvauditEventValue));
	Oid			owner = evaudit_sink_function_owner(attempt->use->function,
													function);
	int			n = 0;

	for (int i = 0; i < attempt->n; i++)
	{
		if (attempt->deliveries[i].outcome != EVAUDIT_OUTCOME_PENDING)
			continue;
		events[n] = *attempt->deliveries[i].event;
		events[n++].payload = attempt->deliveries[i].payload;
	}
	if (n > 0)
		evaudit_event_function_call(attempt->use, function, owner, events, n);
	pfree(events);
	return true;
}

/* Whether two deliveries have the same key. */
static bool
same_key(const EvauditDelivery *one, const EvauditDelivery *other)
{
	return one->key != NULL && other->key != NULL &&
		one->key_len == other->key_len &&
		memcmp(one->key, other->key, one->key_len) == 0;
}

/* A delivery is refused; in a blocking sink those of its key wait. */
static void
refuse(const FunctionSink *state, EvauditDelivery *delivery,
	   const EvauditDelivery *end, const ErrorData *error)
{
	delivery->outcome = EVAUDIT_OUTCOME_REFUSED;
	delivery->code = pstrdup(unpack_sql_state(error->sqlerrcode));
	delivery->error = error->message;
	if (!state->sink->blocking)
		return;
	for (EvauditDelivery *later = delivery + 1; later < end; later++)
		if (later->outcome == EVAUDIT_OUTCOME_PENDING &&
			same_key(delivery, later))
			later->outcome = EVAUDIT_OUTCOME_HELD;
}

/*
 * Hand over deliveries; where the function refuses some for their data, halves
 * of them, until those that cause it stand alone.  "end" is that of the batch.
 */
static void
hand_over(const FunctionSink *state, EvauditDelivery *deliveries, int n,
		  const EvauditDelivery *end)
{
	Attempt		attempt = {&state->use, deliveries, n};
	ErrorData  *error;

	if (n == 0)
		return;
	error = evaudit_attempt(call, &attempt);
	if (error == NULL)
	{
		for (int i = 0; i < n; i++)
			if (deliveries[i].outcome == EVAUDIT_OUTCOME_PENDING)
				deliveries[i].outcome = EVAUDIT_OUTCOME_DELIVERED;
	}
	else if (n > 1)
	{
		FreeErrorData(error);
		hand_over(state, deliveries, n / 2, end);
		hand_over(state, deliveries + n / 2, n - n / 2, end);
	}
	else
		refuse(state, deliveries, end, error);
}

/* See sink.h. */
static void
send_to_function(void *state, EvauditSinkBatch *batch)
{
	MemoryContext previous = MemoryContextSwitchTo(batch->context);

	evaudit_constraints_immediate();
	hand_over(state, batch->deliveries, batch->n,
			  batch->deliveries + batch->n);
	MemoryContextSwitchTo(previous);
}

static const char *const own_options[] = {"function", NULL};

const EvauditSinkKind evaudit_function_sink = {
	.name = "function",
	.wrapper = "evaudit_function",
	.own = own_options,
	.batch_size = EVAUDIT_SINK_BATCH_SIZE,
	.check = check,
	.read_options = read_options,
	.open = open_function,
	.send = send_to_function,
	.transactional = true,
};
