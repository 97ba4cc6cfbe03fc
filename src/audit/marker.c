/*-------------------------------------------------------------------------
 *
 * marker.c
 *	  What audit has in place of a value that it does not keep.
 *
 * An object with one of these members, which no value of another type than
 * json has, or a string of which a mask has left a part.  Values that only
 * look so are taken for markers, too, so that nothing is ever written to a
 * table that was not there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "audit/jsonb_write.h"
#include "audit/marker.h"
#include "text/jsonb.h"

static const char *const names[] = {"evaudit", "redacted", "hmac"};

/* Does a string begin or end as masked ones do? */
static bool
is_masked(const JsonbValue *string)
{
	const char *val = string->val.string.val;
	int			len = string->val.string.len;

	return len >= 3 && (memcmp(val, "***", 3) == 0 ||
						memcmp(val + len - 3, "***", 3) == 0);
}

/* Is this no value, but what tells of one? */
bool
evaudit_is_marker(Jsonb *value)
{
	JsonbValue	scalar;

	if (JB_ROOT_IS_SCALAR(value))
	{
		evaudit_jsonb_read(value, &scalar);
		return scalar.type == jbvString && is_masked(&scalar);
	}
	if (!JB_ROOT_IS_OBJECT(value))
		return false;
	for (int i = 0; i < lengthof(names); i++)
	{
		if (evaudit_jsonb_member(&value->root, names[i]) != NULL)
			return true;
	}
	return false;
}

/* What stands for the values of a change of which only paths were kept. */
Jsonb *
evaudit_marker_of_paths(void)
{
	static const char *const members[] = {"evaudit"};
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = pstrdup("paths");
	value.val.string.len = (int) strlen(value.val.string.val);
	return evaudit_jsonb_object(evaudit_jsonb_keys(members, 1), &value);
}
