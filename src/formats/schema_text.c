/*-------------------------------------------------------------------------
 *
 * schema_text.c
 *	  The text of a schema, with those that it refers to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "formats/schema_text.h"
#include "text/json_text.h"

/*
 * Parse a schema that is JSON; NULL, with the reason, if it is not.  What is
 * allocated is garbage in the current memory context.
 */
Jsonb *
evaudit_schema_json(const char *source, const char **error)
{
	EvauditJsonVisitor nothing = {0};
	EvauditJsonText json;
	EvauditJsonStatus status;
	char	   *utf8 = pg_server_to_any(source, (int) strlen(source), PG_UTF8);

	status = evaudit_json_prepare(utf8, strlen(utf8),
								  EVAUDIT_MAX_SCHEMA_BYTES,
								  CurrentMemoryContext, &json);
	if (status == EVAUDIT_JSON_OK)
		status = evaudit_json_visit(&json, &nothing);
	if (status == EVAUDIT_JSON_OK || status == EVAUDIT_JSON_NOT_AN_OBJECT)
		return evaudit_json_to_jsonb(&json);
	*error = status == EVAUDIT_JSON_MALFORMED ?
		psprintf("not JSON: %s", json.detail) :
		"not JSON, or more than may be in one";
	return NULL;
}
