/*-------------------------------------------------------------------------
 *
 * auth.c
 *	  Who sends a request: the subject of its token.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "auth/token.h"
#include "http/http.h"

/* A header's value without space around it, or NULL if nothing is left. */
static const char *
trimmed_header(const EvauditGateRequest *request, const char *name)
{
	const char *value = evaudit_gate_header(request, name);
	size_t		len;

	if (value == NULL)
		return NULL;
	value += strspn(value, " \t");
	len = strlen(value);
	while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		len--;
	return len > 0 ? pnstrdup(value, len) : NULL;
}

/* The token: a header "bearer" as it is, else "Authorization: Bearer". */
static const char *
find_token(const EvauditGateRequest *request)
{
	const char *value = trimmed_header(request, "bearer");

	if (value != NULL)
		return value;
	value = trimmed_header(request, "authorization");
	if (value == NULL || pg_strncasecmp(value, "bearer ", 7) != 0)
		return NULL;
	value += 7;
	return value + strspn(value, " \t");
}

/*
 * The subject of a request's token, which is NULL if the token names none.
 * False if there is no good token: then the request is answered.
 */
bool
evaudit_gate_authenticate(const EvauditGateRequest *request,
						  EvauditGateAnswer *answer, char **subject)
{
	const char *token = find_token(request);
	EvauditTokenFault fault;
	Jsonb	   *claims = NULL;

	if (token != NULL)
		claims = evaudit_token_verify(token, strlen(token), &fault);
	if (claims == NULL)
	{
		evaudit_gate_error(answer, 401, EVAUDIT_GATE_AUTH,
						   "Invalid or missing token");
		evaudit_gate_add_header(answer, "WWW-Authenticate", "Bearer");
		return false;
	}
	*subject = evaudit_token_subject(claims);
	return true;
}
