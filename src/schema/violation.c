/*-------------------------------------------------------------------------
 *
 * violation.c
 *	  What a validation has to say about an instance.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "schema/limits.h"
#include "schema/validate.h"

/* How many steps are taken between two looks for interrupts. */
#define STEPS_BETWEEN_CHECKS	10000

/* Write a JSON Pointer to an instance. */
static void
append_instance(StringInfo out, const Instance *instance)
{
	if (instance->parent == NULL)
		return;
	append_instance(out, instance->parent);
	appendStringInfoChar(out, '/');
	if (instance->key == NULL)
	{
		appendStringInfo(out, "%u", instance->index);
		return;
	}
	for (uint32 i = 0; i < instance->key_len; i++)
	{
		char		c = instance->key[i];

		if (c == '~')
			appendStringInfoString(out, "~0");
		else if (c == '/')
			appendStringInfoString(out, "~1");
		else
			appendStringInfoChar(out, c);
	}
}

/* Write the way through the schema. */
static void
append_path(StringInfo out, const SchemaPath *path)
{
	if (path == NULL)
		return;
	append_path(out, path->parent);
	if (path->step[0] != '\0')
		appendStringInfo(out, "/%s", path->step);
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
		appendStringInfo(&out, "/%s", keyword);
	error->keyword_location = out.data;
	return error;
}

/* Note a violation of a keyword, or of the node itself; returns false. */
bool
evaudit_violation(Validation *v, const SchemaPath *path, const char *keyword,
				  const Instance *instance, const char *fmt,...)
{
	EvauditSchemaError *error;
	StringInfoData text;

	if (!v->collect || v->stop)
		return false;
	error = make_error(path, keyword, instance);
	initStringInfo(&text);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, fmt);
		needed = appendStringInfoVA(&text, fmt, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&text, needed);
	}
	error->message = text.data;
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
