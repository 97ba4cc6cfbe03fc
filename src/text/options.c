/*-------------------------------------------------------------------------
 *
 * options.c
 *	  Options that users give as one flat jsonb object.
 *
 * Every look-up checks what it returns, and an option that is null counts as
 * not given.  Errors are of SQLSTATE 22023 and name the option.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "text/jsonb.h"
#include "text/options.h"

/* Refuse options that are no JSON object. */
void
evaudit_options_check_object(Jsonb *options)
{
	if (!JB_ROOT_IS_OBJECT(options))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object")));
}

/* Whether a name of the given length is in a NULL-terminated list. */
static bool
is_known(const char *const *known, const char *name, int len)
{
	for (; *known != NULL; known++)
	{
		if (strlen(*known) == len && memcmp(*known, name, len) == 0)
			return true;
	}
	return false;
}

/* The names in a NULL-terminated list, as a hint shows them. */
static char *
join_names(const char *const *known)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; known[i] != NULL; i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", known[i]);
	return names.data;
}

/* Refuse options whose names are not in a NULL-terminated list. */
void
evaudit_options_check_names(Jsonb *options, const char *const *known)
{
	JsonbIterator *it = JsonbIteratorInit(&options->root);
	JsonbIteratorToken token;
	JsonbValue	v;

	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY &&
			!is_known(known, v.val.string.val, v.val.string.len))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unrecognized option \"%.*s\"",
							v.val.string.len, v.val.string.val),
					 errhint("Valid options are: %s.", join_names(known))));
	}
}

/* The value of an option, or NULL if it is not given. */
JsonbValue *
evaudit_option_value(Jsonb *options, const char *name)
{
	JsonbValue *v = evaudit_jsonb_member(&options->root, name);

	return v != NULL && v->type == jbvNull ? NULL : v;
}

/* A string option, or NULL if it is not given. */
char *
evaudit_option_text(Jsonb *options, const char *name)
{
	JsonbValue *v = evaudit_option_value(options, name);

	if (v == NULL)
		return NULL;
	if (v->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be a string", name)));
	return pnstrdup(v->val.string.val, v->val.string.len);
}

/* An option that is true or false, or initial if it is not given. */
bool
evaudit_option_bool(Jsonb *options, const char *name, bool initial)
{
	JsonbValue *v = evaudit_option_value(options, name);

	if (v == NULL)
		return initial;
	if (v->type != jbvBool)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be true or false", name)));
	return v->val.boolean;
}

/*
 * An option that is a string, or an array of at least one: a list of char *,
 * or NIL if it is not given.
 */
List *
evaudit_option_texts(Jsonb *options, const char *name)
{
	JsonbValue *v = evaudit_option_value(options, name);
	List	   *texts = NIL;
	bool		valid = true;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	element;

	if (v == NULL)
		return NIL;
	if (v->type == jbvString)
		return list_make1(pnstrdup(v->val.string.val, v->val.string.len));
	if (v->type == jbvBinary && JsonContainerIsArray(v->val.binary.data))
	{
		it = JsonbIteratorInit(v->val.binary.data);
		while ((token = JsonbIteratorNext(&it, &element, true)) != WJB_DONE)
		{
			if (token != WJB_ELEM)
				continue;
			valid &= element.type == jbvString;
			if (valid)
				texts = lappend(texts, pnstrdup(element.val.string.val,
												element.val.string.len));
		}
	}
	if (!valid || texts == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be a string or an array of strings",
						name)));
	return texts;
}

/* An integer option between min and max, or initial if it is not given. */
int
evaudit_option_int(Jsonb *options, const char *name,
				   int initial, int min, int max)
{
	JsonbValue *v = evaudit_option_value(options, name);
	int32		value;

	if (v == NULL)
		return initial;
	if (v->type != jbvNumeric ||
		!evaudit_compat_numeric_int4(v->val.numeric, &value) ||
		value < min || value > max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be a number from %d to %d",
						name, min, max)));
	return value;
}

/*
 * The value of an option that is an interval such as '200ms', in
 * milliseconds; an ERROR if it is not between min and max.
 */
int
evaudit_millis(const char *name, const char *str, int min, int max)
{
	Interval   *interval;
	int64		millis;

	interval = DatumGetIntervalP(DirectFunctionCall3(interval_in,
													 CStringGetDatum(str),
													 ObjectIdGetDatum(InvalidOid),
													 Int32GetDatum(-1)));
	millis = interval->time / 1000;
	if (interval->month != 0 || interval->day != 0 ||
		millis < min || millis > max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be a time from %d ms to %d ms",
						name, min, max)));
	return (int) millis;
}

/*
 * An option that is an interval, in milliseconds between min and max, or
 * initial if it is not given.
 */
int
evaudit_option_millis(Jsonb *options, const char *name,
					  int initial, int min, int max)
{
	char	   *str = evaudit_option_text(options, name);

	return str == NULL ? initial : evaudit_millis(name, str, min, max);
}
