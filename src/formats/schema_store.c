/*-------------------------------------------------------------------------
 *
 * schema_store.c
 *	  Schemas by their ids, compiled: what the table has, and what is missing.
 *
 * Registries never change what an id stands for, so a schema is compiled once
 * for a backend and kept, up to a bound of all their texts, when all are
 * forgotten.  Those that are not in the table are looked for again by each
 * payload; a worker notes them, to fetch them between two transactions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "formats/format.h"
#include "formats/schema_store.h"
#include "server/spi.h"
#include "text/jsonb.h"

/* Bytes of texts of the schemas that are kept. */
#define MAX_KEPT_BYTES		(16 * 1024 * 1024)

/* Most missing schemas that are noted for one batch. */
#define MAX_MISSING			100

/* How long an id is taken for unknown, in milliseconds. */
#define UNKNOWN_MS			60000

/* What tells a schema from all others. */
typedef struct SchemaKey
{
	Oid			server;
	uint64		location;		/* a hash of it */
	char		type[12];
	char		id[EVAUDIT_SCHEMA_ID_SIZE];
} SchemaKey;

/* A schema that is kept. */
typedef struct KeptSchema
{
	SchemaKey	key;
	EvauditCompiledSchema *schema;
} KeptSchema;

/* A row of the table. */
typedef struct SchemaRow
{
	bool		found;
	bool		recent;			/* fetched not long ago */
	char	   *type;			/* NULL: the registry knows none */
	char	   *text;
	Jsonb	   *refs;
} SchemaRow;

uint64		evaudit_payload_schemas_generation = 0;

static HTAB *kept = NULL;
static MemoryContext kept_context = NULL;
static size_t kept_bytes = 0;

static EvauditSchemasCollected collecting = EVAUDIT_SCHEMAS_IGNORED;
static List *missing = NIL;		/* in a context of its own */
static MemoryContext missing_context = NULL;

/* Forget all schemas if there is too much of them, or begin with none. */
static void
make_room(size_t bytes)
{
	HASHCTL		info = {.keysize = sizeof(SchemaKey),
	.entrysize = sizeof(KeptSchema)};

	if (kept !=NULL && kept_bytes + bytes <= MAX_KEPT_BYTES)
		return;
	kept = NULL;

	if (kept_context != NULL)
		MemoryContextDelete(kept_context);
	kept_context = NULL;
	evaudit_payload_schemas_generation++;
	kept_bytes = 0;
	kept_context = AllocSetContextCreate(CacheMemoryContext,
										 "evaudit schemas of payloads",
										 ALLOCSET_DEFAULT_SIZES);
	info.hcxt = kept_context;
	kept = hash_create("evaudit schemas of payloads", 64, &info,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Read a row into the current memory context. */
static void
read_row(const EvauditRegistry *registry, const char *id, SchemaRow *row)
{
	static EvauditStatement read = {
		"SELECT type, schema, refs, fetched_at"
		" FROM evaudit.registry_schemas"
		" WHERE server_oid = $1 AND location = $2 AND id = $3",
		3, {OIDOID, TEXTOID, TEXTOID}
	};
	enum
	{
		TYPE, SCHEMA, REFS, FETCHED_AT
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[3];
	EvauditSpi	spi;

	memset(row, 0, sizeof(SchemaRow));
	values[0] = ObjectIdGetDatum(registry->server);
	values[1] = CStringGetTextDatum(registry->location);
	values[2] = CStringGetTextDatum(id);
	evaudit_spi_begin(&spi);
	if (evaudit_spi_read_latest(&read, values, NULL) > 0)
	{
		MemoryContextSwitchTo(context);
		row->found = true;
		row->recent = !TimestampDifferenceExceeds(evaudit_spi_timestamptz(0, FETCHED_AT),
												  GetCurrentTimestamp(),
												  UNKNOWN_MS);
		row->type = evaudit_spi_text_or_null(0, TYPE);
		if (row->type != NULL)
		{
			row->text = evaudit_spi_text(0, SCHEMA);
			row->refs = evaudit_spi_jsonb(0, REFS);
		}
	}
	evaudit_spi_end(&spi);
}

/* The references of a row, in the current memory context. */
static void
read_references(Jsonb *refs, EvauditSchemaText *source)
{
	EvauditSchemaReference *references;
	int			n = JB_ROOT_IS_ARRAY(refs) ? JB_ROOT_COUNT(refs) : 0;

	references = palloc0(Max(n, 1) * sizeof(EvauditSchemaReference));
	for (int i = 0; i < n; i++)
	{
		JsonbValue *v = getIthJsonbValueFromContainer(&refs->root, i);
		const char *name = NULL;
		const char *schema = NULL;

		if (v->type == jbvBinary && JsonContainerIsObject(v->val.binary.data))
		{
			name = evaudit_jsonb_text(v->val.binary.data, "name");
			schema = evaudit_jsonb_text(v->val.binary.data, "schema");
		}
		references[i].name = name == NULL ? "" : name;
		references[i].text = schema == NULL ? "" : schema;
	}
	source->references = references;
	source->nreferences = n;
}

/* Compile the schema of a row, in a memory context that is kept. */
static EvauditCompiledSchema *
compile_row(const SchemaRow *row, const char *type)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "evaudit schema row",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(scratch);
	EvauditSchemaText source = {.text = row->text};
	EvauditCompiledSchema *schema;

	read_references(row->refs, &source);
	MemoryContextSwitchTo(kept_context);
	schema = palloc0(sizeof(EvauditCompiledSchema));
	if (strcmp(row->type, type) != 0 &&
		strcmp(row->type, EVAUDIT_REGISTRY_UNTYPED) != 0)
		schema->error = psprintf("it is of type %.20s, not %s", row->type, type);
	else if (strcmp(type, "PROTOBUF") == 0)
		schema->proto = evaudit_proto_compile(&source, &schema->error);
	else
		schema->avro = evaudit_avro_compile(&source, &schema->error);
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(scratch);
	return schema;
}

/*
 * Whether a schema without a row, or with one that says that there is none, is
 * to be noted.  Who redrives may know that it is there now.
 */
static bool
is_wanted(const SchemaRow *row)
{
	switch (collecting)
	{
		case EVAUDIT_SCHEMAS_FETCHED:
			return !row->found || !row->recent;
		case EVAUDIT_SCHEMAS_REQUESTED:
			return true;
		case EVAUDIT_SCHEMAS_IGNORED:
			break;
	}
	return false;
}

/* Note a schema as missing, once. */
static void
note_missing(const EvauditRegistry *registry, const char *id, bool denied)
{
	MemoryContext previous;
	EvauditMissingSchema *entry;
	ListCell   *lc;

	if (list_length(missing) >= MAX_MISSING)
		return;
	foreach(lc, missing)
	{
		entry = lfirst(lc);
		if (entry->registry.server == registry->server &&
			strcmp(entry->registry.location, registry->location) == 0 &&
			strcmp(entry->id, id) == 0)
			return;
	}
	previous = MemoryContextSwitchTo(missing_context);
	entry = palloc0(sizeof(EvauditMissingSchema));
	entry->registry = *registry;
	entry->registry.name = pstrdup(registry->name);
	entry->registry.location = pstrdup(registry->location);
	entry->id = pstrdup(id);
	entry->denied = denied;
	missing = lappend(missing, entry);
	MemoryContextSwitchTo(previous);
}

/*
 * Find the schema that an id of a registry stands for, within a transaction;
 * NULL, with the reason, if it is not in the table.  What is returned is valid
 * for as long as the generation is the same.
 */
const EvauditCompiledSchema *
evaudit_schema_find(const EvauditRegistry *registry, const char *id,
					const char *type, char **error)
{
	SchemaKey	key;
	KeptSchema *entry;
	SchemaRow	row;
	EvauditCompiledSchema *schema;

	memset(&key, 0, sizeof(key));
	key.server = registry->server;
	key.location = hash_bytes_extended((const unsigned char *) registry->location,
									   (int) strlen(registry->location), 0);
	strlcpy(key.type, type, sizeof(key.type));
	strlcpy(key.id, id, sizeof(key.id));
	make_room(0);
	entry = hash_search(kept, &key, HASH_FIND, NULL);
	if (entry != NULL)
		return entry->schema;

	read_row(registry, id, &row);
	if (row.type == NULL)
	{
		if (is_wanted(&row))
			note_missing(registry, id, row.found);
		*error = row.found ?
			psprintf("registry \"%s\" has no schema %s", registry->name, id) :
			psprintf("schema %s of registry \"%s\" has not been fetched", id,
					 registry->name);
		return NULL;
	}
	make_room(strlen(row.text));
	schema = compile_row(&row, type);
	kept_bytes += strlen(row.text);
	entry = hash_search(kept, &key, HASH_ENTER, NULL);
	entry->schema = schema;
	return schema;
}

/*
 * From here on note the schemas that are missing, for what is said; those that
 * were noted before are forgotten.
 */
void
evaudit_schemas_collect(EvauditSchemasCollected what)
{
	collecting = what;
	missing = NIL;
	if (missing_context == NULL)
		missing_context = AllocSetContextCreate(TopMemoryContext,
												"evaudit missing schemas",
												ALLOCSET_SMALL_SIZES);
	else
		MemoryContextReset(missing_context);
}

/* Whether schemas are missing that are to be fetched at once. */
bool
evaudit_schemas_missing(void)
{
	return collecting == EVAUDIT_SCHEMAS_FETCHED && missing != NIL;
}

/* Take the missing schemas, which are valid until the next call. */
List *
evaudit_schemas_take_missing(void)
{
	static MemoryContext taken = NULL;
	List	   *list = missing;

	if (taken != NULL)
		MemoryContextDelete(taken);
	taken = missing_context;
	missing_context = NULL;
	evaudit_schemas_collect(collecting);
	return list;
}
