/*-------------------------------------------------------------------------
 *
 * jsonb.c
 *	  Members of jsonb objects, by C strings.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "text/jsonb.h"

/* A member of an object, or NULL if it is not there. */
JsonbValue *
evaudit_jsonb_member(JsonbContainer *object, const char *name)
{
	return getKeyJsonValueFromContainer(object, name, (int) strlen(name), NULL);
}

/* A member that is a string, palloc'd; NULL if there is none. */
char *
evaudit_jsonb_text(JsonbContainer *object, const char *name)
{
	JsonbValue *v = evaudit_jsonb_member(object, name);

	if (v == NULL || v->type != jbvString)
		return NULL;
	return pnstrdup(v->val.string.val, v->val.string.len);
}

/* A text as a value, not copied. */
static JsonbValue
text_value(const char *str)
{
	JsonbValue	v = {.type = jbvString};

	v.val.string.val = unconstify(char *, str);
	v.val.string.len = (int) strlen(str);
	return v;
}

/* Add a member to an object that is being made. */
void
evaudit_jsonb_push(EvauditJsonbState *state, const char *name,
				   JsonbValue *value)
{
	JsonbValue	key = text_value(name);

	evaudit_compat_jsonb_push(state, WJB_KEY, &key);
	evaudit_compat_jsonb_push(state, WJB_VALUE, value);
}

/* Add a member that is a string. */
void
evaudit_jsonb_push_text(EvauditJsonbState *state, const char *name,
						const char *str)
{
	JsonbValue	value = text_value(str);

	evaudit_jsonb_push(state, name, &value);
}
