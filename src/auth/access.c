/*-------------------------------------------------------------------------
 *
 * access.c
 *	  Whose token may publish to a topic, or read it: the decision.
 *
 * A subject needs a grant for the topic.  A grant to publish may have
 * constraints on top-level fields of the payload: every field must be there
 * and match one of its patterns as a whole.  The right to publish includes
 * no right to read.  A grant whose row cannot be used grants nothing.
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

/* Whether a payload meets the constraints of a rule. */
static EvauditAccess
check_fields(const EvauditAccessRule *rule, Jsonb *payload)
{
	EvauditAccess granted = {EVAUDIT_ACCESS_GRANTED, NULL};

	if (rule->nfields > 0 && (payload == NULL || !JB_ROOT_IS_OBJECT(payload)))
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

/* The refusal of a subject without a grant that can be used. */
static EvauditAccess
refuse_subject(const EvauditAccessRule *rule, const char *format,
			   const char *subject, const char *topic)
{
	return refuse(rule == NULL ? EVAUDIT_ACCESS_NO_GRANT :
				  EVAUDIT_ACCESS_INVALID_GRANT,
				  psprintf(format, subject, topic));
}

/*
 * May a subject publish a payload, or NULL for none, to a topic?  Within a
 * transaction; the message is palloc'd.  A topic that does not exist has no
 * grants.
 */
EvauditAccess
evaudit_access_publish(const char *topic, const char *subject, Jsonb *payload)
{
	const EvauditAccessRule *rule;

	rule = evaudit_access_find(EVAUDIT_GRANT_PUBLISH, topic, subject);
	if (rule == NULL || rule->invalid != NULL)
		return refuse_subject(rule,
							  "User '%s' is not authorized for topic '%s'",
							  subject, topic);
	return check_fields(rule, payload);
}

/* May a subject read a topic?  Likewise. */
EvauditAccess
evaudit_access_read(const char *topic, const char *subject)
{
	const EvauditAccessRule *rule;
	EvauditAccess granted = {EVAUDIT_ACCESS_GRANTED, NULL};

	rule = evaudit_access_find(EVAUDIT_GRANT_READ, topic, subject);
	if (rule == NULL || rule->invalid != NULL)
		return refuse_subject(rule,
							  "User '%s' is not authorized to read '%s'",
							  subject, topic);
	return granted;
}

/* Whether grants can be given for a name that is no topic's. */
bool
evaudit_access_is_reserved(const char *topic)
{
	return strcmp(topic, EVAUDIT_GRANT_SERVICES) == 0 ||
		strcmp(topic, EVAUDIT_GRANT_TERMINATE) == 0;
}
