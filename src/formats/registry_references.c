/*-------------------------------------------------------------------------
 *
 * registry_references.c
 *	  The schemas that a schema refers to, as a registry names them.
 *
 * A registry decides what refers to what: number and depth of references,
 * and the bytes of all texts together, are bounded.  What refers to itself
 * ends, since a name is followed once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "formats/registry_client.h"
#include "formats/schema_text.h"

/* How deep schemas may refer to others. */
#define MAX_REFERENCE_DEPTH	16

/* Begin with none, for a schema of an id. */
void
evaudit_references_begin(EvauditReferences *all,
						 EvauditRegistryClient *client, const char *id)
{
	memset(all, 0, sizeof(EvauditReferences));
	all->client = client;
	all->id = id;
	initStringInfo(&all->json);
	appendStringInfoChar(&all->json, '[');
}

/* Count a text; what is returned is a copy in the current memory context. */
char *
evaudit_references_text(EvauditReferences *all, const char *schema)
{
	if (schema == NULL)
		evaudit_registry_fail(all->client, all->id, "the response has no schema", NULL);
	all->bytes += strlen(schema);
	if (all->bytes > EVAUDIT_MAX_SCHEMA_BYTES)
		evaudit_registry_fail(all->client, all->id,
							  psprintf("it has, with all that it refers to, more than %d bytes",
									   EVAUDIT_MAX_SCHEMA_BYTES), NULL);
	return pstrdup(schema);
}

/* Begin a reference; false if its name is there, or under way. */
bool
evaudit_references_enter(EvauditReferences *all, const char *name)
{
	ListCell   *lc;

	foreach(lc, all->names)
		if (strcmp(lfirst(lc), name) == 0)
			return false;
	all->names = lappend(all->names, pstrdup(name));
	if (list_length(all->names) > EVAUDIT_MAX_SCHEMA_REFERENCES ||
		all->depth >= MAX_REFERENCE_DEPTH)
		evaudit_registry_fail(all->client, all->id,
							  psprintf("it refers to more than %d schemas, or deeper than %d",
									   EVAUDIT_MAX_SCHEMA_REFERENCES,
									   MAX_REFERENCE_DEPTH), NULL);
	all->depth++;
	return true;
}

/* End a reference, after those that it refers to itself, with its text. */
void
evaudit_references_leave(EvauditReferences *all, const char *name,
						 const char *schema)
{
	all->depth--;
	appendStringInfoString(&all->json, all->json.len > 1 ? ",{\"name\":" :
						   "{\"name\":");
	evaudit_json_quote(&all->json, name, strlen(name));
	appendStringInfoString(&all->json, ",\"schema\":");
	evaudit_json_quote(&all->json, schema, strlen(schema));
	appendStringInfoChar(&all->json, '}');
}

/* All of them, as EvauditFetched has them. */
char *
evaudit_references_end(EvauditReferences *all)
{
	appendStringInfoChar(&all->json, ']');
	return all->json.data;
}
