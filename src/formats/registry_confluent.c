/*-------------------------------------------------------------------------
 *
 * registry_confluent.c
 *	  Schemas by Confluent's API, which others have, too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "formats/registry_client.h"

/* What Confluent's API says of an id that it does not know. */
#define SCHEMA_NOT_FOUND	40403

/* The largest id that it has; for others it knows no path. */
#define MAX_ID	2147483647

/* The body of a response as JSON; NULL if the registry has no such thing. */
static EvauditJson *
get_json(EvauditRegistryClient *client, const char *id, const char *path)
{
	EvauditHttpResponse *response =
		evaudit_registry_request(client, id, path,
								 "Accept: application/vnd.schemaregistry.v1+json, application/json");
	EvauditJson *json = evaudit_json_parse(response->body,
										   response->body_len);
	double		code = 0;

	if (response->status == 404)
	{
		if (json == NULL || !evaudit_json_number(json, "error_code", &code) ||
			code != SCHEMA_NOT_FOUND)
			evaudit_registry_fail_status(client, id, response->status);
		json = NULL;
	}
	else if (json == NULL || !evaudit_json_is_object(json))
		evaudit_registry_fail(client, id, "the response is not a JSON object", NULL);
	evaudit_http_release(client->http, response);
	return json;
}

static void add_references(EvauditReferences *all, const EvauditJson *json);

/* Add one schema that another refers to, unless it is there. */
static void
add_reference(EvauditReferences *all, const EvauditJson *reference)
{
	const char *name = evaudit_json_string(reference, "name");
	const char *subject = evaudit_json_string(reference, "subject");
	double		version;
	EvauditJson *json;
	char	   *schema;

	if (name == NULL || subject == NULL || strlen(subject) > 1024 ||
		strlen(name) > 1024 ||
		!evaudit_json_number(reference, "version", &version) ||
		version < 0 || version > 2147483647.0)
		evaudit_registry_fail(all->client, all->id, "a reference has no name, subject or version", NULL);
	if (!evaudit_references_enter(all, name))
		return;
	json = get_json(all->client, all->id,
					psprintf("/subjects/%s/versions/%.0f",
							 evaudit_registry_escape(subject), version));
	if (json == NULL)
		evaudit_registry_fail(all->client, all->id, "a schema that it refers to is not there", NULL);
	schema = evaudit_references_text(all, evaudit_json_string(json, "schema"));
	add_references(all, json);
	evaudit_references_leave(all, name, schema);
}

/* Add the schemas that one refers to. */
static void
add_references(EvauditReferences *all, const EvauditJson *json)
{
	const EvauditJson *references = evaudit_json_get(json, "references");

	if (references == NULL || !evaudit_json_is_array(references))
		return;
	for (const EvauditJson *one = evaudit_json_first(references); one != NULL;
		 one = evaudit_json_next(one))
		add_reference(all, one);
}

/*
 * Get a schema by its number, or its UUID.  A number that no registry has is
 * not asked for: some have no path of it, as if the URL were wrong, and a
 * message must not make its registry look broken.
 */
void
evaudit_registry_get_confluent(EvauditRegistryClient *client, const char *id,
							   EvauditFetched *fetched)
{
	bool		is_uuid = strchr(id, '-') != NULL;
	EvauditReferences all;
	EvauditJson *json;
	const char *type;

	if (!is_uuid && strtoul(id, NULL, 10) > MAX_ID)
		return;
	json = get_json(client, id, psprintf("/schemas/%s/%s",
										 is_uuid ? "guids" : "ids", id));
	if (json == NULL)
		return;
	evaudit_references_begin(&all, client, id);
	type = evaudit_json_string(json, "schemaType");
	fetched->schema = evaudit_references_text(&all,
											  evaudit_json_string(json, "schema"));
	add_references(&all, json);
	fetched->type = type == NULL ? "AVRO" : pstrdup(type);
	fetched->refs_json = evaudit_references_end(&all);
}
