/*-------------------------------------------------------------------------
 *
 * registry_apicurio.c
 *	  Schemas by Apicurio Registry's own API, version 2 or 3.
 *
 * An id is "globalIds/N" or "contentIds/N", as the API has both.  A schema is
 * what that answers, its text as it is; what it refers to is answered apart.
 * Which type a schema has the API does not say of a contentId, so that it is
 * not asked for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "formats/registry_client.h"

/* Longest name, group, artifact or version of a reference. */
#define MAX_PART	1024

/* Whether a response says that the registry has no such thing. */
static bool
is_unknown(EvauditHttpResponse *response)
{
	EvauditJson *json = evaudit_json_parse(response->body,
										   response->body_len);
	const char *name = evaudit_json_string(json, "name");

	return name != NULL && (strcmp(name, "ArtifactNotFoundException") == 0 ||
							strcmp(name, "ContentNotFoundException") == 0 ||
							strcmp(name, "VersionNotFoundException") == 0);
}

/* The response to a request; NULL if the registry has no such thing. */
static EvauditHttpResponse *
get(EvauditRegistryClient *client, const char *id, const char *path)
{
	EvauditHttpResponse *response =
		evaudit_registry_request(client, id, path, "Accept: */*");

	if (response->status == 200)
		return response;
	if (!is_unknown(response))
		evaudit_registry_fail_status(client, id, response->status);
	evaudit_http_release(client->http, response);
	return NULL;
}

/* The text of a schema; NULL if the registry has none. */
static char *
get_text(EvauditReferences *all, const char *path)
{
	EvauditHttpResponse *response = get(all->client, all->id, path);
	char	   *schema;

	if (response == NULL)
		return NULL;
	if (response->body_len == 0 ||
		!pg_verify_mbstr(PG_UTF8, response->body, (int) response->body_len,
						 true))
		evaudit_registry_fail(all->client, all->id, "the response is not text in UTF-8", NULL);
	schema = evaudit_references_text(all, response->body);
	evaudit_http_release(all->client->http, response);
	return schema;
}

/* A part of a reference that is not too long, or NULL. */
static const char *
part(const EvauditJson *reference, const char *name)
{
	const char *value = evaudit_json_string(reference, name);

	return value == NULL || strlen(value) > MAX_PART ? NULL : value;
}

static void add_references(EvauditReferences *all, const char *path);

/* Add one schema that another refers to, unless it is there. */
static void
add_reference(EvauditReferences *all, const EvauditJson *reference)
{
	const char *name = part(reference, "name");
	const char *group = part(reference, "groupId");
	const char *artifact = part(reference, "artifactId");
	const char *version = part(reference, "version");
	const char *content = all->client->conf.api == EVAUDIT_API_APICURIO_V3 ?
		"/content" : "";
	char	   *path;
	char	   *schema;

	if (name == NULL || artifact == NULL || version == NULL)
		evaudit_registry_fail(all->client, all->id, "a reference has no name, artifact or version", NULL);
	if (!evaudit_references_enter(all, name))
		return;
	path = psprintf("/groups/%s/artifacts/%s/versions/%s",
					evaudit_registry_escape(group == NULL ? "default" : group),
					evaudit_registry_escape(artifact),
					evaudit_registry_escape(version));
	schema = get_text(all, psprintf("%s%s", path, content));
	if (schema == NULL)
		evaudit_registry_fail(all->client, all->id, "a schema that it refers to is not there", NULL);
	add_references(all, path);
	evaudit_references_leave(all, name, schema);
}

/* Add the schemas that the one at a path refers to. */
static void
add_references(EvauditReferences *all, const char *path)
{
	EvauditHttpResponse *response = get(all->client, all->id,
										psprintf("%s/references", path));
	EvauditJson *json = response == NULL ? NULL :
		evaudit_json_parse(response->body, response->body_len);

	if (json == NULL || !evaudit_json_is_array(json))
		evaudit_registry_fail(all->client, all->id, "its references are not a JSON array", NULL);
	evaudit_http_release(all->client->http, response);
	for (const EvauditJson *one = evaudit_json_first(json); one != NULL;
		 one = evaudit_json_next(one))
		add_reference(all, one);
}

/* Get a schema by the path of its id. */
void
evaudit_registry_get_apicurio(EvauditRegistryClient *client, const char *id,
							  EvauditFetched *fetched)
{
	EvauditReferences all;
	char	   *path = psprintf("/ids/%s", id);
	char	   *schema;

	evaudit_references_begin(&all, client, id);
	schema = get_text(&all, path);
	if (schema == NULL)
		return;
	add_references(&all, path);
	fetched->schema = schema;
	fetched->type = EVAUDIT_REGISTRY_UNTYPED;
	fetched->refs_json = evaudit_references_end(&all);
}
