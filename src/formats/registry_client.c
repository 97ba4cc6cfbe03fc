/*-------------------------------------------------------------------------
 *
 * registry_client.c
 *	  A client of schema registries, for background workers.
 *
 * What a registry with a URL answers is a stranger's: it is bounded, redirects
 * are not followed, and only public addresses are connected to, unless the
 * server's owner may use the server's own place in the network.
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

/* Raise an ERROR for the status of a response. */
void
evaudit_registry_fail_status(const EvauditRegistryClient *client,
							 const char *id, int status)
{
	evaudit_registry_fail(client, id, psprintf("HTTP status %d", status),
						  status == 401 || status == 403 ?
						  "The user mapping of the source's owner says who calls." :
						  status >= 300 && status < 400 ?
						  "Redirects are not followed." : NULL);
}

/*
 * Ask a registry with a URL for a path of its API.  The response is there, of
 * status 200 or 404, and for the caller to release; else an ERROR.
 */
EvauditHttpResponse *
evaudit_registry_request(EvauditRegistryClient *client, const char *id,
						 const char *path, const char *accept)
{
	const EvauditRegistryConf *conf = &client->conf;
	const char *url = conf->url;
	int			len = (int) strlen(url);
	const char *headers[] = {accept, conf->authorization, NULL};
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

	while (len > 0 && url[len - 1] == '/')
		len--;
	request.url = psprintf("%.*s%s", len, url, path);
	response = evaudit_http_perform(client->http, &request);
	if (response->fault != EVAUDIT_HTTP_OK)
		evaudit_registry_fail(client, id, response->error, NULL);
	if (response->status != 200 && response->status != 404)
		evaudit_registry_fail_status(client, id, response->status);
	return response;
}

/* A part of a URL's path, with all that could mean something else escaped. */
char *
evaudit_registry_escape(const char *str)
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

/*
 * Get what a registry has for an id, in the current memory context; the type
 * is NULL if it knows none.  Waits on the latch.
 */
void
evaudit_registry_get(EvauditRegistryClient *client, const char *id,
					 EvauditFetched *fetched)
{
	memset(fetched, 0, sizeof(EvauditFetched));
	switch (client->registry->kind)
	{
		case EVAUDIT_REGISTRY_CONFLUENT:
			evaudit_registry_get_confluent(client, id, fetched);
			break;
		case EVAUDIT_REGISTRY_APICURIO:
			evaudit_registry_get_apicurio(client, id, fetched);
			break;
		case EVAUDIT_REGISTRY_GLUE:
			evaudit_registry_get_glue(client, id, fetched);
			break;
	}
}
