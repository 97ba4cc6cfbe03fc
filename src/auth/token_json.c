/*-------------------------------------------------------------------------
 *
 * token_json.c
 *	  JSON of tokens and of documents of keys.
 *
 * A member that occurs twice means one thing to one reader and another to
 * the next; jsonb keeps the last and forgets that there were two.  So the
 * members are counted twice: as the parser meets them in the text, and as
 * jsonb has them after it dropped the repeated.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "auth/token_json.h"
#include "text/json_text.h"

/* Visitor's function: count a member. */
static void
count_member(void *state, int level, const EvauditJsonCursor *cursor)
{
	(*(int *) state)++;
}

/* How many members the objects of a jsonb have. */
static int
count_in_jsonb(Jsonb *jsonb)
{
	JsonbIterator *it = JsonbIteratorInit(&jsonb->root);
	JsonbIteratorToken token;
	JsonbValue	v;
	int			members = 0;

	while ((token = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
		members += token == WJB_KEY;
	return members;
}

/* What is wrong with a text, to follow "is". */
static const char *
error(EvauditJsonStatus status)
{
	switch (status)
	{
		case EVAUDIT_JSON_TOO_DEEP:
			return "nested too deep";
		case EVAUDIT_JSON_NOT_UTF8:
		case EVAUDIT_JSON_UNTRANSLATABLE:
			return "not text that the database can hold";
		case EVAUDIT_JSON_NUMBER_TOO_LARGE:
			return "an object with a number of too many digits";
		case EVAUDIT_JSON_REPEATED_MEMBER:
			return "an object that has a member twice";
		default:
			return "not a JSON object";
	}
}

/* Read an object; *jsonb is set only if it is valid. */
static EvauditJsonStatus
read_object(const char *json, size_t len, Jsonb **jsonb)
{
	int			members = 0;
	EvauditJsonVisitor visitor = {.member = count_member,.state = &members};
	EvauditJsonText input;
	EvauditJsonStatus status;

	status = evaudit_json_prepare(json, len, len, CurrentMemoryContext, &input);
	if (status == EVAUDIT_JSON_OK)
		status = evaudit_json_visit(&input, &visitor);
	if (status != EVAUDIT_JSON_OK)
		return status;
	*jsonb = evaudit_json_to_jsonb(&input);
	return count_in_jsonb(*jsonb) == members ? EVAUDIT_JSON_OK :
		EVAUDIT_JSON_REPEATED_MEMBER;
}

/*
 * Read an object from UTF-8, in the current context with whatever is needed
 * on the way.  NULL if it is none, and why.
 */
Jsonb *
evaudit_token_json(const char *json, size_t len, const char **why)
{
	Jsonb	   *jsonb = NULL;
	EvauditJsonStatus status = read_object(json, len, &jsonb);

	*why = error(status);
	return status == EVAUDIT_JSON_OK ? jsonb : NULL;
}
