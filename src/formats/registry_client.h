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

#include "aws/client.h"
#include "formats/registry.h"
#include "net/http_client.h"
#include "server/compat.h"

/* How a registry with a URL is called. */
typedef struct EvauditRegistryConf
{
	const char *url;
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
	EvauditRegistryConf conf;	/* of Confluent's API */
	EvauditAws *aws;			/* of Glue */
};

/* Options that were read for use; an ERROR for those of another kind. */
extern void evaudit_registry_conf(List *options, EvauditRegistryConf *conf);

/* Raise an ERROR: the registry cannot be used for now. */
pg_noreturn extern void evaudit_registry_fail(const EvauditRegistryClient *client,
											  const char *id,
											  const char *error,
											  const char *hint);

/* registry_glue.c */
extern void evaudit_registry_get_glue(EvauditRegistryClient *client,
									  const char *id,
									  EvauditFetched *fetched);

#endif							/* EVAUDIT_REGISTRY_CLIENT_H */
