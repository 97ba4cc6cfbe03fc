/*-------------------------------------------------------------------------
 *
 * projection.c
 *	  Handing the events of a topic to the function that it names.
 *
 * How a function is called, and with whose rights: event_function.c.  The
 * topic keeps who owned the function when it was named; a function that has
 * another owner by now, because it was given away or made anew, is not called.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "events/event_function.h"
#include "events/projection.h"
#include "server/compat.h"

/* The function of a name that takes evaudit.event[]; an ERROR if there is none. */
Oid
evaudit_projection_find(const char *name)
{
	return evaudit_event_function_find("topic option \"project\" must be \"user_services\" or",
									   name, EVAUDIT_FUNCTION_OF_BATCH);
}

/*
 * The owner of the function of a name that the current user wants a topic to
 * call; an ERROR if the user cannot do as its owner whatever it will do.
 */
Oid
evaudit_projection_name(const char *name)
{
	Oid			owner = evaudit_event_function_owner(evaudit_projection_find(name));

	if (!evaudit_compat_can_set_role(GetUserId(), owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be able to SET ROLE \"%s\" to have a topic call function %s",
						GetUserNameFromId(owner, false), name),
				 errdetail("A topic's function may run with the rights of its owner.")));
	return owner;
}

/* Raise an error unless the function's owner is the one that it had. */
static void
check_owner(const EvauditTopic *topic, Oid owner)
{
	if (topic->function_owner != owner)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("function %s is not the one that topic \"%s\" was made to call",
						topic->function, topic->name),
				 errdetail("Its owner is \"%s\" now.",
						   GetUserNameFromId(owner, false)),
				 errhint("Give the topic its option \"project\" again, with evaudit.alter_topic().")));
}

/* Whether a grant for a token's subject has decided on all of these. */
static bool
all_granted(EvauditEvent **events, int n)
{
	for (int i = 0; i < n; i++)
		if (!events[i]->granted)
			return false;
	return true;
}

/*
 * Call a topic's function with events, within a transaction.  Whatever it
 * raises is the caller's to handle.
 */
void
evaudit_project(const EvauditTopic *topic, EvauditEvent **events, int n)
{
	EvauditFunctionUse use = {
		.function = topic->function,
		.noun = "topic",
		.name = topic->name,
	};
	EvauditEventValue *values;
	Oid			function;
	Oid			owner;

	if (n == 0)
		return;
	use.granted = all_granted(events, n);
	function = evaudit_projection_find(topic->function);
	owner = evaudit_event_function_owner(function);
	check_owner(topic, owner);
	values = palloc(n * sizeof(EvauditEventValue));
	for (int i = 0; i < n; i++)
		evaudit_event_value(topic->name, events[i], &values[i]);
	evaudit_event_function_call(&use, function, owner, values, n);
	pfree(values);
}
