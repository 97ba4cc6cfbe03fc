/*-------------------------------------------------------------------------
 *
 * schema_api.c
 *	  json_schema_is_valid(), json_schema_errors(), and the compiled schemas
 *	  that they keep.
 *
 * A backend keeps what it compiled by the schema's bytes, the latest used
 * first.  The list is bounded by number and memory; an entry is freed only
 * when another one is made or found out of date, and never while it is used,
 * for a validation runs no SQL.  A call site remembers the schema of its last
 * call by the bytes as they were stored, compressed perhaps: a schema that
 * comes out of a table need not be unpacked for each row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "funcapi.h"
#include "lib/ilist.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "schema/compiled.h"
#include "schema/limits.h"

PG_FUNCTION_INFO_V1(evaudit_json_schema_is_valid);
PG_FUNCTION_INFO_V1(evaudit_json_schema_errors);

typedef struct CacheEntry
{
	dlist_node	node;
	uint32		hash;
	Jsonb	   *source;
	EvauditSchema *schema;		/* everything is in its context */
	Size		memory;
} CacheEntry;

/* What a call site had last, in fn_extra. */
typedef struct LastCall
{
	EvauditSchema *schema;
	uint64		removals;		/* as they were; else the schema may be gone */
	Size		size;
	char		stored[FLEXIBLE_ARRAY_MEMBER];
} LastCall;

/* The longest stored schema that a call site remembers. */
#define MAX_STORED	(64 * 1024)

static MemoryContext cache_context = NULL;
static dlist_head cache = DLIST_STATIC_INIT(cache);
static int	cache_entries = 0;
static Size cache_memory = 0;
static uint64 removals = 0;

/* Drop an entry, and its schema. */
static void
forget(CacheEntry *entry)
{
	dlist_delete(&entry->node);
	cache_entries--;
	cache_memory -= entry->memory;
	removals++;
	evaudit_schema_free(entry->schema);
}

/* Whether an entry is of this schema, byte by byte. */
static bool
same_source(const CacheEntry *entry, const Jsonb *source)
{
	return VARSIZE(entry->source) == VARSIZE(source) &&
		memcmp(entry->source, source, VARSIZE(source)) == 0;
}

/* Compile a schema and keep it; what was not used for long makes room. */
static CacheEntry *
add_entry(Jsonb *source, uint32 hash)
{
	EvauditSchema *schema;
	MemoryContext old;
	CacheEntry *entry;

	if (cache_context == NULL)
		cache_context = AllocSetContextCreate(TopMemoryContext,
											  "evaudit schema cache",
											  ALLOCSET_SMALL_SIZES);
	schema = evaudit_schema_compile(source, CurrentMemoryContext);
	old = MemoryContextSwitchTo(schema->context);
	entry = palloc0(sizeof(CacheEntry));
	entry->hash = hash;
	entry->schema = schema;
	entry->source = palloc(VARSIZE(source));
	memcpy(entry->source, source, VARSIZE(source));
	MemoryContextSwitchTo(old);
	entry->memory = MemoryContextMemAllocated(schema->context, true);

	while (cache_entries > 0 &&
		   (cache_entries >= EVAUDIT_SCHEMA_CACHE_ENTRIES ||
			cache_memory + entry->memory > EVAUDIT_SCHEMA_CACHE_MEMORY))
		forget(dlist_container(CacheEntry, node, dlist_tail_node(&cache)));
	MemoryContextSetParent(schema->context, cache_context);
	dlist_push_head(&cache, &entry->node);
	cache_entries++;
	cache_memory += entry->memory;
	return entry;
}

/* The compiled schema of a jsonb. */
static EvauditSchema *
lookup(Jsonb *source)
{
	CacheEntry *entry = NULL;
	dlist_mutable_iter iter;
	uint32		hash;

	hash = hash_bytes((unsigned char *) source, VARSIZE(source));
	dlist_foreach_modify(iter, &cache)
	{
		entry = dlist_container(CacheEntry, node, iter.cur);
		if (entry->hash != hash || !same_source(entry, source))
			continue;
		if (evaudit_schema_is_current(entry->schema))
		{
			dlist_move_head(&cache, &entry->node);
			return entry->schema;
		}
		forget(entry);
		break;
	}
	return add_entry(source, hash)->schema;
}

/* The compiled schema of the first argument. */
static const EvauditSchema *
schema_of_call(FunctionCallInfo fcinfo)
{
	struct varlena *stored = (struct varlena *) PG_GETARG_POINTER(0);
	LastCall   *last = fcinfo->flinfo->fn_extra;
	EvauditSchema *schema;
	Size		size;

	/* what is stored elsewhere has no bytes to compare */
	if (VARATT_IS_EXTERNAL(stored) || VARSIZE_ANY(stored) > MAX_STORED)
		return lookup(PG_GETARG_JSONB_P(0));
	size = VARSIZE_ANY(stored);
	if (last != NULL && last->removals == removals && last->size == size &&
		memcmp(last->stored, stored, size) == 0 &&
		evaudit_schema_is_current(last->schema))
		return last->schema;

	schema = lookup(PG_GETARG_JSONB_P(0));
	if (last == NULL || last->size < size)
	{
		fcinfo->flinfo->fn_extra = NULL;
		if (last != NULL)
			pfree(last);
		last = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt,
								  offsetof(LastCall, stored) + size);
		fcinfo->flinfo->fn_extra = last;
	}
	last->schema = schema;
	last->removals = removals;
	last->size = size;
	memcpy(last->stored, stored, size);
	return schema;
}

/* json_schema_is_valid(schema, instance, assert_format) */
Datum
evaudit_json_schema_is_valid(PG_FUNCTION_ARGS)
{
	const EvauditSchema *schema = schema_of_call(fcinfo);
	Jsonb	   *instance = PG_GETARG_JSONB_P(1);
	EvauditSchemaError *gave_up;
	bool		result;

	result = evaudit_schema_try(schema, instance, PG_GETARG_BOOL(2), &gave_up);
	if (gave_up != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("could not validate: %s", gave_up->message),
				 errdetail("This was at \"%s\" of the schema and at \"%s\" of the instance.",
						   gave_up->keyword_location,
						   gave_up->instance_location)));
	PG_FREE_IF_COPY(instance, 1);
	PG_RETURN_BOOL(result);
}

/* json_schema_errors(schema, instance, assert_format, max_errors) */
Datum
evaudit_json_schema_errors(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	const EvauditSchema *schema = schema_of_call(fcinfo);
	List	   *errors;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	errors = evaudit_schema_errors(schema, PG_GETARG_JSONB_P(1),
								   PG_GETARG_BOOL(2), PG_GETARG_INT32(3));
	foreach(cell, errors)
	{
		const EvauditSchemaError *error = lfirst(cell);
		Datum		values[3];
		bool		nulls[3] = {false, false, false};

		values[0] = CStringGetTextDatum(error->instance_location);
		values[1] = CStringGetTextDatum(error->keyword_location);
		values[2] = CStringGetTextDatum(error->message);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	PG_RETURN_VOID();
}
