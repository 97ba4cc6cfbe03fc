/*-------------------------------------------------------------------------
 *
 * schema_store.h
 *	  Schemas by their ids, compiled: what the table has, and what is missing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SCHEMA_STORE_H
#define EVAUDIT_SCHEMA_STORE_H

#include "formats/avro.h"
#include "formats/proto.h"
#include "formats/registry.h"

/* The id of a schema as text: a number, a UUID, or Apicurio's path. */
#define EVAUDIT_SCHEMA_ID_SIZE	37

/* A schema as it is used; or why it cannot be. */
typedef struct EvauditCompiledSchema
{
	const AvroType *avro;		/* or NULL */
	ProtoSet   *proto;			/* or NULL */
	const ProtoMessage *message;	/* of it, if it is always the same */
	const char *error;			/* or NULL */
} EvauditCompiledSchema;

/* A schema that is missing in the table. */
typedef struct EvauditMissingSchema
{
	EvauditRegistry registry;
	const char *id;
	bool		denied;			/* the registry knew none a while ago */
} EvauditMissingSchema;

extern const EvauditCompiledSchema *evaudit_schema_find(const EvauditRegistry *registry,
														const char *id,
														const char *type,
														char **error);

/* Counts up when schemas that were found before are not there any more. */
extern uint64 evaudit_payload_schemas_generation;

/* The missing schemas that were noted: see evaudit_schemas_collect(). */
extern List *evaudit_schemas_take_missing(void);

/* registry_fetch.c */
extern void evaudit_schemas_fetch_ids(const EvauditRegistry *registry,
									  List *ids);

#endif							/* EVAUDIT_SCHEMA_STORE_H */
