/*-------------------------------------------------------------------------
 *
 * registry_client.h
 *	  What the files of the client of registries share; nobody else includes
 *	  it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_REGISTRY_CLIENT_H
#define EVAUDIT_REGISTRY_CLIENT_H

#include "lib/stringinfo.h"

#include "aws/client.h"
#include "formats/registry.h"
#include "net/http_client.h"
#include "server/compat.h"
#include "text/json.h"

/* Which API a registry with a URL has. */
typedef enum EvauditRegistryApi
{
	EVAUDIT_API_CONFLUENT,
	EVAUDIT_API_APICURIO_V2,
	EVAUDIT_API_APICURIO_V3
} EvauditRegistryApi;

/* How a registry with a URL is called. */
typedef struct EvauditRegistryConf
{
	const char *url;
	EvauditRegistryApi api;
	const char *ca_file;
	const char *username;
	const char *password;
	const char *token;
	const char *authorization;	/* the header; NULL: none */
	int			timeout;
	bool		allow_private;
} EvauditRegistryConf;

/* A client, for the life of the memory context that it was opened in. */
struct EvauditRegistryClient
{
	const EvauditRegistry *registry;
	EvauditHttp *http;
	EvauditRegistryConf conf;	/* of one with a URL */
	EvauditAws *aws;			/* of Glue */
};

/* Options that were read for use; an ERROR for those of another kind. */
extern void evaudit_registry_conf(List *options, EvauditRegistryConf *conf);

/* Raise an ERROR: the registry cannot be used for now. */
pg_noreturn extern void evaudit_registry_fail(const EvauditRegistryClient *client,
											  const char *id,
											  const char *error,
											  const char *hint);

/* Likewise, for the status of its response. */
pg_noreturn extern void evaudit_registry_fail_status(const EvauditRegistryClient *client,
													 const char *id,
													 int status);

extern EvauditHttpResponse *evaudit_registry_request(EvauditRegistryClient *client,
													 const char *id,
													 const char *path,
													 const char *accept);

/* A part of a URL's path, with all that could mean something else escaped. */
extern char *evaudit_registry_escape(const char *str);

/* registry_references.c: each after those that it refers to itself */
typedef struct EvauditReferences
{
	EvauditRegistryClient *client;
	const char *id;				/* of the schema that is fetched */
	List	   *names;			/* of those that are there, or under way */
	StringInfoData json;		/* the array without its end */
	size_t		bytes;			/* of all texts */
	int			depth;
} EvauditReferences;

extern void evaudit_references_begin(EvauditReferences *all,
									 EvauditRegistryClient *client,
									 const char *id);
extern char *evaudit_references_text(EvauditReferences *all,
									 const char *schema);
extern bool evaudit_references_enter(EvauditReferences *all,
									 const char *name);
extern void evaudit_references_leave(EvauditReferences *all,
									 const char *name, const char *schema);
extern char *evaudit_references_end(EvauditReferences *all);

/* One for each kind; "fetched" is all zero before. */
extern void evaudit_registry_get_confluent(EvauditRegistryClient *client,
										   const char *id,
										   EvauditFetched *fetched);
extern void evaudit_registry_get_apicurio(EvauditRegistryClient *client,
										  const char *id,
										  EvauditFetched *fetched);
extern void evaudit_registry_get_glue(EvauditRegistryClient *client,
									  const char *id,
									  EvauditFetched *fetched);

#endif							/* EVAUDIT_REGISTRY_CLIENT_H */
