/*-------------------------------------------------------------------------
 *
 * marker.c
 *	  What audit has in place of a value that it does not keep.
 *
 * An object with one of these members, which no value of another type than
 * json has; of a json, which might, it is taken for a marker too, so that
 * nothing is ever written to a table that was not there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "audit/marker.h"
#include "text/jsonb.h"

static const char *const names[] = {"evaudit", "redacted", "hmac", "masked"};

/* Is this no value, but what tells of one? */
bool
evaudit_is_marker(Jsonb *value)
{
	if (JB_ROOT_IS_SCALAR(value) || !JB_ROOT_IS_OBJECT(value))
		return false;
	for (int i = 0; i < lengthof(names); i++)
	{
		if (evaudit_jsonb_member(&value->root, names[i]) != NULL)
			return true;
	}
	return false;
}
