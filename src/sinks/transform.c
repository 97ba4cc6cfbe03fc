/*-------------------------------------------------------------------------
 *
 * transform.c
 *	  What a function of a user makes of an event before a sink sends it.
 *
 * The function is called as a function sink's is, by the owner of the sink,
 * who must be able to be its owner whenever it is called; once for each event.
 * It cannot write: a batch that is sent again is made again.  What it raises
 * about the data, and a result that breaks the bounds of a payload, refuses
 * that one event.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "events/event_function.h"
#include "server/compat.h"
#include "sinks/shape.h"
#include "text/jsonb_limits.h"
#include "text/options.h"

/* What the name of a function is an option for, in messages. */
#define OPTION	"option \"transform\" must be"

/* Most bytes of what a transform makes of an event. */
#define MAX_TRANSFORMED_BYTES	(16 * 1024 * 1024)

struct EvauditTransform
{
	EvauditFunctionUse use;
};

/* The owner of a function that a sink of the current user may call. */
Oid
evaudit_sink_function_owner(const char *name, Oid function)
{
	Oid			owner = evaudit_event_function_owner(function);

	if (!evaudit_compat_can_set_role(GetUserId(), owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be able to SET ROLE \"%s\" to have a sink call function %s",
						GetUserNameFromId(owner, false), name),
				 errdetail("A sink's function may run with the rights of its owner.")));
	return owner;
}

/*
 * The transform that options of a sink name, in the current memory context;
 * NULL if they name none.  An ERROR if there is none of that name, or the
 * current user may not have a sink call it.
 */
EvauditTransform *
evaudit_transform_read(Jsonb *options, const char *sink)
{
	char	   *name = evaudit_option_text(options, "transform");
	EvauditTransform *transform;
	Oid			function;

	if (name == NULL)
		return NULL;
	function = evaudit_event_function_find(OPTION, name,
										   EVAUDIT_FUNCTION_OF_EVENT);
	(void) evaudit_sink_function_owner(name, function);
	transform = palloc0(sizeof(EvauditTransform));
	transform->use.function = name;
	transform->use.noun = "sink";
	transform->use.name = sink;
	transform->use.read_only = true;
	return transform;
}

/* Refuse a result that breaks a bound of payloads. */
static void
check_result(const EvauditTransform *transform, Jsonb *result)
{
	EvauditJsonbSize size;

	if (evaudit_jsonb_measure(result, EVAUDIT_JSON_MAX_DEPTH,
							  &size) != EVAUDIT_JSON_OK ||
		size.rendered > MAX_TRANSFORMED_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("result of function %s is too large for a payload",
						transform->use.function)));
}

/*
 * What the function makes of an event, in the current memory context; NULL:
 * the event is not sent.  Whatever it raises is the caller's to handle.
 */
Jsonb *
evaudit_transform_apply(const EvauditTransform *transform,
						const EvauditEventValue *event)
{
	const char *name = transform->use.function;
	Oid			function = evaudit_event_function_find(OPTION, name,
													   EVAUDIT_FUNCTION_OF_EVENT);
	Oid			owner = evaudit_sink_function_owner(name, function);
	Jsonb	   *result = evaudit_event_function_apply(&transform->use,
													  function, owner, event);

	if (result != NULL)
		check_result(transform, result);
	return result;
}
