/*-------------------------------------------------------------------------
 *
 * registry.h
 *	  Schema registries: servers of evaudit_registry, and what is kept of them.
 *
 * Workers fetch schemas, outside of transactions, into the table
 * evaudit.registry_schemas; whoever decodes a payload reads the table alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_REGISTRY_H
#define EVAUDIT_REGISTRY_H

#include "nodes/pg_list.h"

/* What kind of registry a server is. */
typedef enum EvauditRegistryKind
{
	EVAUDIT_REGISTRY_CONFLUENT, /* or whoever speaks its API */
	EVAUDIT_REGISTRY_APICURIO,	/* by its own API */
	EVAUDIT_REGISTRY_GLUE
} EvauditRegistryKind;

/* A registry, as the schemas in the table are told apart by it. */
typedef struct EvauditRegistry
{
	Oid			server;
	const char *name;
	EvauditRegistryKind kind;
	const char *location;		/* its URL, or region and endpoint */
} EvauditRegistry;

/* The type of a schema whose registry does not say it: its topic does. */
#define EVAUDIT_REGISTRY_UNTYPED	"UNTYPED"

/* What a registry has for an id; in UTF-8. */
typedef struct EvauditFetched
{
	const char *type;			/* AVRO, PROTOBUF, ..., or the one below;
								 * NULL: the registry has no such schema */
	const char *schema;
	const char *refs_json;		/* [{"name", "schema"}, ...] */
} EvauditFetched;

/* registry_options.c */
extern void evaudit_registry_find(const char *name, EvauditRegistry *registry);
extern List *evaudit_registry_read_options(Oid server, Oid user);

/* registry_client.c: an ERROR if the registry is away */
typedef struct EvauditRegistryClient EvauditRegistryClient;

extern EvauditRegistryClient *evaudit_registry_open(const EvauditRegistry *registry);
extern void evaudit_registry_get(EvauditRegistryClient *client,
								 const char *id, EvauditFetched *fetched);

#endif							/* EVAUDIT_REGISTRY_H */
