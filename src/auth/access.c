/*-------------------------------------------------------------------------
 *
 * access.c
 *	  Whose token may publish what: the decision.
 *
 * A subject needs a grant for the topic.  A grant may ask that top-level
 * fields of the payload are as its patterns say: all fields, one pattern of
 * each, the whole value.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "auth/access.h"
#include "auth/access_rule.h"

/* A refusal. */
static EvauditAccess
refuse(EvauditAccessCode code, const char *message)
{
	EvauditAccess access = {code, message};

	return access;
}

/* Whether a payload is what a rule allows, in the current context. */
static EvauditAccess
check_fields(const EvauditAccessRule *rule, Jsonb *payload)
{
	EvauditAccess granted = {EVAUDIT_ACCESS_GRANTED, NULL};

	if (rule->nfields > 0 && !JB_ROOT_IS_OBJECT(payload))
		return refuse(EVAUDIT_ACCESS_NOT_AN_OBJECT,
					  "Message must be a JSON object");
	for (int i = 0; i < rule->nfields; i++)
	{
		const EvauditAccessField *field = &rule->fields[i];
		JsonbValue *value = evaudit_access_value(payload, field);

		if (value == NULL)
			return refuse(EVAUDIT_ACCESS_MISSING_FIELD,
						  psprintf("Required field '%s' missing from message",
								   field->name));
		if (evaudit_access_match(field, value) < 0)
			return refuse(EVAUDIT_ACCESS_FORBIDDEN_VALUE,
						  psprintf("Field '%s' value not permitted for user '%s'",
								   field->name, rule->subject));
	}
	return granted;
}

/*
 * May a subject publish a payload to a topic?  Within a transaction; the
 * message is palloc'd.  The topic need not exist, then the answer is no.
 */
EvauditAccess
evaudit_access_decide(const char *topic, const char *subject, Jsonb *payload)
{
	const EvauditAccessRule *rule = evaudit_access_find(topic, subject);

	if (rule == NULL)
		return refuse(EVAUDIT_ACCESS_NO_GRANT,
					  psprintf("User '%s' is not authorized for topic '%s'",
							   subject, topic));
	return check_fields(rule, payload);
}
