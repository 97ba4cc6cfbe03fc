/*-------------------------------------------------------------------------
 *
 * registry_client.c
 *	  A client of schema registries, for background workers.
 *
 * What a registry with a URL answers is a stranger's: sizes, numbers and
 * depth of the schemas that one refers to are bounded, redirects are not
 * followed, and only public addresses are connected to, unless the server's
 * owner may use the server's own place in the network.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "formats/registry_client.h"
#include "formats/schema_text.h"
#include "server/foreign_options.h"

/* Most bytes of a response: text in JSON may have two bytes for one. */
#define MAX_RESPONSE	(3 * EVAUDIT_MAX_SCHEMA_BYTES)

/* How deep schemas may refer to others. */
#define MAX_REFERENCE_DEPTH	16

/* What Confluent's API says of an id that it does not know. */
#define SCHEMA_NOT_FOUND	40403

/* Schemas that one refers to, each after those that it refers to itself. */
typedef struct References
{
	EvauditRegistryClient *client;
	const char *id;				/* of the one that is fetched */
	List	   *names;			/* of those that are there, or under way */
	StringInfoData json;		/* the array without its end */
	size_t		bytes;			/* of all texts */
	int			depth;
} References;

/* See registry_client.h. */
void
evaudit_registry_fail(const EvauditRegistryClient *client, const char *id,
					  const char *error, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("could not fetch schema %s of registry \"%s\": %s",
					id, client->registry->name,
					evaudit_aws_printable(error, 300)),
			 hint == NULL ? 0 : errhint("%s", hint)));
}

/*
 * A client of a registry, in the current memory context, outside of a
 * transaction.  The current user must have USAGE on its server.
 */
EvauditRegistryClient *
evaudit_registry_open(const EvauditRegistry *registry)
{
	MemoryContext context = CurrentMemoryContext;
	EvauditRegistryClient *client = palloc0(sizeof(EvauditRegistryClient));
	List	   *options;

	client->registry = registry;
	StartTransactionCommand();
	options = evaudit_registry_read_options(registry->server, GetUserId());
	MemoryContextSwitchTo(context);
	options = copyObject(options);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	client->http = evaudit_http_open();
	if (registry->kind == EVAUDIT_REGISTRY_GLUE)
		client->aws = evaudit_aws_open_options(client->http, options,
											   evaudit_may_use_ambient(GetUserId()),
											   EVAUDIT_AWS_GLUE);
	else
		evaudit_registry_conf(options, &client->conf);
	return client;
}

/* The body of a response as JSON; NULL if the registry has no such thing. */
static EvauditJson *
get_json(EvauditRegistryClient *client, const char *id, const char *path)
{
	const EvauditRegistryConf *conf = &client->conf;
	const char *url = conf->url;
	int			len = (int) strlen(url);
	const char *headers[] = {
		"Accept: application/vnd.schemaregistry.v1+json, application/json",
		conf->authorization, NULL
	};
	EvauditHttpRequest request = {
		.method = "GET",
		.headers = headers,
		.ca_file = conf->ca_file,
		.public_only = !conf->allow_private,
		.sensitive = conf->authorization != NULL,
		.timeout = conf->timeout > 0 ? conf->timeout : 10000,
		.max_bytes = MAX_RESPONSE,
	};
	EvauditHttpResponse *response;
	EvauditJson *json = NULL;
	double		code = 0;

	while (len > 0 && url[len - 1] == '/')
		len--;
	request.url = psprintf("%.*s%s", len, url, path);
	response = evaudit_http_perform(client->http, &request);
	if (response->fault != EVAUDIT_HTTP_OK)
		evaudit_registry_fail(client, id, response->error, NULL);
	if (response->status == 200 || response->status == 404)
		json = evaudit_json_parse(response->body, response->body_len);
	if (response->status == 404 && json != NULL &&
		evaudit_json_number(json, "error_code", &code) &&
		code == SCHEMA_NOT_FOUND)
		json = NULL;
	else if (response->status != 200)
		evaudit_registry_fail(client, id,
							  psprintf("HTTP status %d", response->status),
							  response->status == 401 || response->status == 403 ?
							  "The user mapping of the source's owner says who calls." :
							  response->status >= 300 && response->status < 400 ?
							  "Redirects are not followed." : NULL);
	else if (json == NULL || !evaudit_json_is_object(json))
		evaudit_registry_fail(client, id, "the response is not a JSON object", NULL);
	evaudit_http_release(client->http, response);
	return json;
}

/* A part of a URL's path, with all that could mean something else escaped. */
static char *
escape(const char *str)
{
	StringInfoData out;

	initStringInfo(&out);
	for (; *str != '\0'; str++)
	{
		unsigned char c = *str;

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			(c >= 'A' && c <= 'Z') || c == '-' || c == '_')
			appendStringInfoChar(&out, c);
		else
			appendStringInfo(&out, "%%%02X", c);
	}
	return out.data;
}

/* The schema in a response, as text of the server. */
static char *
schema_of(References *all, const EvauditJson *json)
{
	const char *schema = evaudit_json_string(json, "schema");

	if (schema == NULL)
		evaudit_registry_fail(all->client, all->id, "the response has no schema", NULL);
	all->bytes += strlen(schema);
	if (all->bytes > EVAUDIT_MAX_SCHEMA_BYTES)
		evaudit_registry_fail(all->client, all->id,
							  psprintf("it has, with all that it refers to, more than %d bytes",
									   EVAUDIT_MAX_SCHEMA_BYTES), NULL);
	return pstrdup(schema);
}

static void add_references(References *all, const EvauditJson *json);

/* Add one schema that another refers to, unless it is there. */
static void
add_reference(References *all, const EvauditJson *reference)
{
	const char *name = evaudit_json_string(reference, "name");
	const char *subject = evaudit_json_string(reference, "subject");
	double		version;
	EvauditJson *json;
	char	   *schema;
	ListCell   *lc;

	if (name == NULL || subject == NULL || strlen(subject) > 1024 ||
		strlen(name) > 1024 ||
		!evaudit_json_number(reference, "version", &version) ||
		version < 0 || version > 2147483647.0)
		evaudit_registry_fail(all->client, all->id, "a reference has no name, subject or version", NULL);
	foreach(lc, all->names)
		if (strcmp(lfirst(lc), name) == 0)
			return;
	all->names = lappend(all->names, pstrdup(name));
	if (list_length(all->names) > EVAUDIT_MAX_SCHEMA_REFERENCES ||
		all->depth >= MAX_REFERENCE_DEPTH)
		evaudit_registry_fail(all->client, all->id,
							  psprintf("it refers to more than %d schemas, or deeper than %d",
									   EVAUDIT_MAX_SCHEMA_REFERENCES,
									   MAX_REFERENCE_DEPTH), NULL);
	json = get_json(all->client, all->id,
					psprintf("/subjects/%s/versions/%.0f", escape(subject),
							 version));
	if (json == NULL)
		evaudit_registry_fail(all->client, all->id, "a schema that it refers to is not there", NULL);
	schema = schema_of(all, json);
	all->depth++;
	add_references(all, json);
	all->depth--;
	appendStringInfoString(&all->json, all->json.len > 1 ? ",{\"name\":" :
						   "{\"name\":");
	evaudit_json_quote(&all->json, name, strlen(name));
	appendStringInfoString(&all->json, ",\"schema\":");
	evaudit_json_quote(&all->json, schema, strlen(schema));
	appendStringInfoChar(&all->json, '}');
}

/* Add the schemas that one refers to. */
static void
add_references(References *all, const EvauditJson *json)
{
	const EvauditJson *references = evaudit_json_get(json, "references");

	if (references == NULL || !evaudit_json_is_array(references))
		return;
	for (const EvauditJson *one = evaudit_json_first(references); one != NULL;
		 one = evaudit_json_next(one))
		add_reference(all, one);
}

/* Get a schema by its number, or its UUID. */
static void
get_confluent(EvauditRegistryClient *client, const char *id,
			  EvauditFetched *fetched)
{
	References	all = {.client = client,.id = id};
	bool		is_uuid = strchr(id, '-') != NULL;
	EvauditJson *json = get_json(client, id,
								 psprintf("/schemas/%s/%s",
										  is_uuid ? "guids" : "ids", id));
	const char *type;

	memset(fetched, 0, sizeof(EvauditFetched));
	if (json == NULL)
		return;
	type = evaudit_json_string(json, "schemaType");
	fetched->schema = schema_of(&all, json);
	initStringInfo(&all.json);
	appendStringInfoChar(&all.json, '[');
	add_references(&all, json);
	appendStringInfoChar(&all.json, ']');
	fetched->type = type == NULL ? "AVRO" : pstrdup(type);
	fetched->refs_json = all.json.data;
}

/*
 * Get what a registry has for an id, in the current memory context; the type
 * is NULL if it knows none.  Waits on the latch.
 */
void
evaudit_registry_get(EvauditRegistryClient *client, const char *id,
					 EvauditFetched *fetched)
{
	if (client->registry->kind == EVAUDIT_REGISTRY_GLUE)
		evaudit_registry_get_glue(client, id, fetched);
	else
		get_confluent(client, id, fetched);
}
