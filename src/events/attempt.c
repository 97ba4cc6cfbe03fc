/*-------------------------------------------------------------------------
 *
 * attempt.c
 *	  Trying what the data may make fail, in a subtransaction.
 *
 * Only an error that is about data is caught, and the subtransaction undoes
 * all that was done until then.  Any other, such as a full disk, a lock
 * timeout or a missing grant, says nothing about an event and goes on its way.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "events/attempt.h"

/*
 * Classes of errors that are about the data that was written: a value that
 * cannot be (22), a constraint (23) or check option (44), rows that became one
 * by a trigger (21), and whatever triggers and functions raise or end with,
 * in any language (09, 20, 27, 2F, 38, 45, P0).
 */
static const char *const data_classes[] = {
	"09", "20", "21", "22", "23", "27", "2F", "38", "44", "45", "P0"
};

/* Classes of the server's own among those that the standard leaves free. */
static const char *const server_classes[] = {
	"53", "54", "55", "57", "58", "72", "XX"
};

/* Is the class of a SQLSTATE in a list? */
static bool
class_is_among(const char *sqlstate, const char *const *classes, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (memcmp(sqlstate, classes[i], 2) == 0)
			return true;
	}
	return false;
}

/*
 * Whether an error is about the data that was written.  A class that is the
 * server's neither by the standard, which has those from 0 and A on, nor by
 * its own choice is one that a trigger chose.  54000 is an index entry or
 * another value that grew too long.
 */
bool
evaudit_is_data_error(int sqlerrcode)
{
	const char *sqlstate = unpack_sql_state(sqlerrcode);

	return class_is_among(sqlstate, data_classes, lengthof(data_classes)) ||
		sqlerrcode == ERRCODE_PROGRAM_LIMIT_EXCEEDED ||
		(((sqlstate[0] >= '5' && sqlstate[0] <= '9') || sqlstate[0] >= 'I') &&
		 !class_is_among(sqlstate, server_classes, lengthof(server_classes)));
}

/*
 * Do something in a subtransaction.  NULL if that worked; else the error, if
 * it is about the data, allocated in the current memory context.
 */
ErrorData *
evaudit_attempt(EvauditGuarded action, void *arg)
{
	ErrorData  *error = evaudit_guard(action, arg);

	if (error != NULL && !evaudit_is_data_error(error->sqlerrcode))
		ReThrowError(error);
	return error;
}
