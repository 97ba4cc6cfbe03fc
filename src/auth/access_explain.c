/*-------------------------------------------------------------------------
 *
 * access_explain.c
 *	  evaudit.explain_access(): which rule decides, and how.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "auth/access.h"
#include "auth/access_rule.h"
#include "events/topic.h"

PG_FUNCTION_INFO_V1(evaudit_explain_access);

/* A member of an object with a string for value, or null. */
static void
append_text(StringInfo json, const char *name, const char *value)
{
	appendStringInfo(json, "\"%s\": ", name);
	if (value == NULL)
		appendStringInfoString(json, "null");
	else
		escape_json(json, value);
}

/* What decided, in a word. */
static const char *
decided_by(EvauditAccessCode code)
{
	switch (code)
	{
		case EVAUDIT_ACCESS_GRANTED:
		case EVAUDIT_ACCESS_INVALID_GRANT:
			return "grant";
		case EVAUDIT_ACCESS_NO_GRANT:
			return "subject";
		case EVAUDIT_ACCESS_NOT_AN_OBJECT:
			return "payload";
		case EVAUDIT_ACCESS_MISSING_FIELD:
		case EVAUDIT_ACCESS_FORBIDDEN_VALUE:
			return "field";
	}
	return NULL;				/* keep the compiler quiet */
}

/* How a field was decided: {"field", "patterns", "found", "matched"}. */
static void
append_field(StringInfo json, const EvauditAccessField *field, Jsonb *payload)
{
	JsonbValue *value = JB_ROOT_IS_OBJECT(payload) ?
		evaudit_access_value(payload, field) : NULL;
	int			matched = value != NULL ?
		evaudit_access_match(field, value) : -1;

	appendStringInfoChar(json, '{');
	append_text(json, "field", field->name);
	appendStringInfoString(json, ", \"patterns\": [");
	for (int i = 0; i < field->npatterns; i++)
	{
		appendStringInfoString(json, i > 0 ? ", " : "");
		escape_json(json, field->patterns[i]);
	}
	appendStringInfo(json, "], \"found\": %s, ",
					 value != NULL ? "true" : "false");
	append_text(json, "matched", matched < 0 ? NULL : field->patterns[matched]);
	appendStringInfoChar(json, '}');
}

/* The grant that applies, and how each of its fields was decided. */
static void
append_rule(StringInfo json, const EvauditAccessRule *rule, Jsonb *payload)
{
	appendStringInfoString(json, ", ");
	append_text(json, "granted_to", rule->subject);
	if (rule->invalid != NULL)
	{
		appendStringInfoString(json, ", ");
		append_text(json, "invalid", rule->invalid);
	}
	appendStringInfoString(json, ", \"fields\": [");
	for (int i = 0; i < rule->nfields; i++)
	{
		appendStringInfoString(json, i > 0 ? ", " : "");
		append_field(json, &rule->fields[i], payload);
	}
	appendStringInfoChar(json, ']');
}

/*
 * explain_access(topic text, subject text, payload jsonb) returns jsonb:
 * {"allowed", "decided_by", "reason", "topic", "subject", "may_read"} and, if
 * there is a grant to publish, "granted_to" and "fields".
 */
Datum
evaudit_explain_access(PG_FUNCTION_ARGS)
{
	char	   *topic;
	char	   *subject;
	Jsonb	   *payload;
	EvauditAccess access;
	const EvauditAccessRule *rule = NULL;
	const char *decision;
	StringInfoData json;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	topic = text_to_cstring(PG_GETARG_TEXT_PP(0));
	subject = text_to_cstring(PG_GETARG_TEXT_PP(1));
	payload = PG_GETARG_JSONB_P(2);

	access = evaudit_access_publish(topic, subject, payload);
	decision = decided_by(access.code);
	if (evaudit_topic_load(topic, true) == NULL &&
		!evaudit_access_is_reserved(topic))
	{
		access.code = EVAUDIT_ACCESS_NO_GRANT;
		access.message = psprintf("Topic '%s' not found", topic);
		decision = "topic";
	}

	initStringInfo(&json);
	appendStringInfo(&json, "{\"allowed\": %s, ",
					 access.code == EVAUDIT_ACCESS_GRANTED ? "true" : "false");
	append_text(&json, "decided_by", decision);
	appendStringInfoString(&json, ", ");
	append_text(&json, "reason", access.message);
	appendStringInfoString(&json, ", ");
	append_text(&json, "topic", topic);
	appendStringInfoString(&json, ", ");
	append_text(&json, "subject", subject);
	appendStringInfo(&json, ", \"may_read\": %s",
					 evaudit_access_read(topic, subject).code ==
					 EVAUDIT_ACCESS_GRANTED ? "true" : "false");
	rule = evaudit_access_find(EVAUDIT_GRANT_PUBLISH, topic, subject);
	if (rule != NULL)
		append_rule(&json, rule, payload);
	appendStringInfoChar(&json, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}
