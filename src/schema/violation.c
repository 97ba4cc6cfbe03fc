/*-------------------------------------------------------------------------
 *
 * violation.c
 *	  What a validation has to say about an instance.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"

#include "schema/limits.h"
#include "schema/validate.h"
#include "text/vformat.h"

/* How many steps are taken between two looks for interrupts. */
#define STEPS_BETWEEN_CHECKS	10000

/*
 * Append to a location, unless it is too long by now: what is cut off ends in
 * three dots.
 */
static void
append_bounded(StringInfo out, const char *str, int len)
{
	int			room = EVAUDIT_SCHEMA_MAX_LOCATION - out->len;

	if (room <= 0)
		return;
	if (len < room)
	{
		appendBinaryStringInfo(out, str, len);
		return;
	}
	appendBinaryStringInfo(out, str, pg_mbcliplen(str, len, room - 1));
	appendStringInfoString(out, "...");
	while (out->len < EVAUDIT_SCHEMA_MAX_LOCATION)
		appendStringInfoChar(out, '.');
}

/* Write a JSON Pointer to an instance. */
static void
append_instance(StringInfo out, const Instance *instance)
{
	const char *p = instance->key;
	const char *end;

	if (instance->parent == NULL)
		return;
	append_instance(out, instance->parent);
	append_bounded(out, "/", 1);
	if (p == NULL)
	{
		char		number[16];

		append_bounded(out, number, sprintf(number, "%u", instance->index));
		return;
	}
	end = p + instance->key_len;
	while (p < end)
	{
		const char *stop = p;

		while (stop < end && *stop != '~' && *stop != '/')
			stop++;
		append_bounded(out, p, (int) (stop - p));
		if (stop < end)
			append_bounded(out, *stop == '~' ? "~0" : "~1", 2);
		p = stop + 1;
	}
}

/* Write the way through the schema. */
static void
append_path(StringInfo out, const SchemaPath *path)
{
	if (path == NULL)
		return;
	append_path(out, path->parent);
	if (path->step[0] == '\0')
		return;
	append_bounded(out, "/", 1);
	append_bounded(out, path->step, (int) strlen(path->step));
}

/* An error with its places, and no message yet. */
static EvauditSchemaError *
make_error(const SchemaPath *path, const char *keyword,
		   const Instance *instance)
{
	EvauditSchemaError *error = palloc(sizeof(EvauditSchemaError));
	StringInfoData out;

	initStringInfo(&out);
	append_instance(&out, instance);
	error->instance_location = out.data;
	initStringInfo(&out);
	append_path(&out, path);
	if (keyword != NULL)
	{
		append_bounded(&out, "/", 1);
		append_bounded(&out, keyword, (int) strlen(keyword));
	}
	error->keyword_location = out.data;
	return error;
}

/* Note a violation of a keyword, or of the node itself; returns false. */
bool
evaudit_violation(Validation *v, const SchemaPath *path, const char *keyword,
				  const Instance *instance, const char *fmt,...)
{
	EvauditSchemaError *error;
	va_list		args;

	if (!v->collect || v->stop)
		return false;
	error = make_error(path, keyword, instance);
	va_start(args, fmt);
	error->message = evaudit_vformat(fmt, args);
	va_end(args);
	v->errors = lappend(v->errors, error);
	v->stop = list_length(v->errors) >= v->max_errors;
	return false;
}

/* End the validation without a result; returns false. */
bool
evaudit_give_up(Validation *v, const SchemaPath *path, const char *keyword,
				const Instance *instance, const char *reason)
{
	if (v->gave_up == NULL)
	{
		v->gave_up = make_error(path, keyword, instance);
		v->gave_up->message = pstrdup(reason);
	}
	v->stop = true;
	return false;
}

/* Look for interrupts, and whether steps are left. */
bool
evaudit_spend_slowly(Validation *v, const SchemaPath *path,
					 const Instance *instance)
{
	CHECK_FOR_INTERRUPTS();
	if (v->steps < 0)
		return evaudit_give_up(v, path, NULL, instance,
							   psprintf("validation takes more than " INT64_FORMAT " steps",
										EVAUDIT_SCHEMA_MAX_STEPS));
	v->next_check = Max(v->steps - STEPS_BETWEEN_CHECKS, 0);
	return true;
}
