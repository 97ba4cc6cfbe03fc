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
#include "sinks/sink.h"
#include "text/options.h"

PG_FUNCTION_INFO_V1(evaudit_function_validator);

/* What the name of a function is an option for, in messages. */
#define OPTION	"option \"function\" must be"

/* Deliveries, by numbers, that are tried together. */
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

/* The owner of a function that a user may have a sink call; else an ERROR. */
static Oid
check_owner(const char *name, Oid function, Oid user)
{
	Oid			owner = evaudit_event_function_owner(function);

	if (!evaudit_compat_can_set_role(user, owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be able to SET ROLE \"%s\" to have a sink call function %s",
						GetUserNameFromId(owner, false), name),
				 errdetail("A sink's function may run with the rights of its owner.")));
	return owner;
}

/* See sink.h. */
static void
check(Jsonb *options)
{
	(void) evaudit_event_function_find(OPTION, function_option(options));
}

/* See sink.h: the use of the function, looked up for each batch. */
static void *
open_function(EvauditSink *sink, List *options)
{
	EvauditFunctionUse *use = palloc0(sizeof(EvauditFunctionUse));

	use->function = function_option(sink->options);
	use->noun = "sink";
	use->name = sink->name;
	return use;
}

/* Call the function with deliveries. */
static bool
call(void *arg)
{
	const Attempt *attempt = arg;
	Oid			function = evaudit_event_function_find(OPTION,
													   attempt->use->function);
	EvauditEventValue *events = palloc(attempt->n * sizeof(EvauditEventValue));
	Oid			owner = check_owner(attempt->use->function, function,
									GetUserId());

	for (int i = 0; i < attempt->n; i++)
		events[i] = *attempt->deliveries[i].event;
	evaudit_event_function_call(attempt->use, function, owner, events,
								attempt->n);
	pfree(events);
	return true;
}

/*
 * Hand over deliveries; where the function refuses some for their data, halves
 * of them, until those that cause it stand alone.
 */
static void
hand_over(const EvauditFunctionUse *use, EvauditDelivery *deliveries, int n)
{
	Attempt		attempt = {.use = use,.deliveries = deliveries,.n = n};
	ErrorData  *error;

	if (n == 0)
		return;
	error = evaudit_attempt(call, &attempt);
	if (error == NULL)
	{
		for (int i = 0; i < n; i++)
			deliveries[i].outcome = EVAUDIT_OUTCOME_DELIVERED;
	}
	else if (n > 1)
	{
		FreeErrorData(error);
		hand_over(use, deliveries, n / 2);
		hand_over(use, deliveries + n / 2, n - n / 2);
	}
	else
	{
		deliveries->outcome = EVAUDIT_OUTCOME_REFUSED;
		deliveries->code = pstrdup(unpack_sql_state(error->sqlerrcode));
		deliveries->error = error->message;
	}
}

/* See sink.h.  Those that are not pending are held back: calls end there. */
static void
send_to_function(void *state, EvauditSinkBatch *batch)
{
	MemoryContext previous = MemoryContextSwitchTo(batch->context);
	int			begin = 0;

	evaudit_constraints_immediate();
	for (int i = 0; i <= batch->n; i++)
	{
		if (i < batch->n &&
			batch->deliveries[i].outcome == EVAUDIT_OUTCOME_PENDING)
			continue;
		hand_over(state, &batch->deliveries[begin], i - begin);
		begin = i + 1;
	}
	MemoryContextSwitchTo(previous);
}

static const char *const own_options[] = {"function", NULL};

const EvauditSinkKind evaudit_function_sink = {
	.name = "function",
	.wrapper = "evaudit_function",
	.own = own_options,
	.check = check,
	.read_options = read_options,
	.open = open_function,
	.send = send_to_function,
	.transactional = true,
};
