/*-------------------------------------------------------------------------
 *
 * topic.c
 *	  Topics: evaudit.topics, as a backend keeps them.
 *
 * A topic is read and compiled once, and kept until the tables say that some
 * topic changed (server/table_watch.c).  Each has a memory context of its own.
 * One that is out of date may be in use further up the stack, by a publish()
 * whose projection changed it: its context ends with the transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "events/topic_define.h"
#include "server/spi.h"
#include "server/table_watch.h"
#include "server/trigger.h"

PG_FUNCTION_INFO_V1(evaudit_restore_topic);

/* A topic that is kept. */
typedef struct KeptTopic
{
	char		name[EVAUDIT_MAX_TOPIC_BYTES + 1];	/* the key */
	EvauditTopic *topic;
	MemoryContext context;		/* the topic's */
} KeptTopic;

static HTAB *kept = NULL;

/* Forget a topic, not before the end of the transaction. */
static void
retire(KeptTopic *entry)
{
	MemoryContextSetParent(entry->context, TopTransactionContext);
	(void) hash_search(kept, entry->name, HASH_REMOVE, NULL);
}

/* Forget all topics if the tables may have changed. */
static void
retire_if_changed(void)
{
	static EvauditWatch topics = {.table = "topics"};
	static EvauditWatch schemas = {.table = "topic_schemas"};
	static EvauditWatch sinks = {.table = "sinks"};
	bool		topics_changed = evaudit_watch_changed(&topics);
	bool		schemas_changed = evaudit_watch_changed(&schemas);
	bool		sinks_changed = evaudit_watch_changed(&sinks);
	HASH_SEQ_STATUS scan;
	KeptTopic  *entry;

	if (!topics_changed && !schemas_changed && !sinks_changed)
		return;
	hash_seq_init(&scan, kept);
	while ((entry = hash_seq_search(&scan)) != NULL)
		retire(entry);
}

/* Read a topic into the current memory context; NULL if there is none. */
static EvauditTopic *
read_topic(const char *name)
{
	static EvauditStatement read = {
		"SELECT t.options, t.schema_version, s.schema, r.oid,"
		" EXISTS (SELECT FROM evaudit.sinks k WHERE k.database = $2"
		"  AND k.detached IS NULL AND evaudit.sink_wants(k.topics, t.name))"
		" FROM evaudit.topics t"
		" LEFT JOIN evaudit.topic_schemas s"
		"  ON s.topic = t.name AND s.version = t.schema_version"
		" LEFT JOIN pg_roles r"
		"  ON r.oid = t.function_owner_oid AND r.rolname = t.function_owner"
		" WHERE t.name = $1", 2, {TEXTOID, OIDOID}
	};
	enum
	{
		OPTIONS, VERSION, SCHEMA, OWNER, HAS_SINK
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[2] = {CStringGetTextDatum(name),
	ObjectIdGetDatum(MyDatabaseId)};
	EvauditTopic *topic = NULL;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	if (evaudit_spi_read_latest(&read, values, NULL) > 0)
	{
		Jsonb	   *options = evaudit_spi_jsonb(0, OPTIONS);
		Jsonb	   *schema = NULL;
		int			version = 0;

		if (!evaudit_spi_is_null(0, VERSION))
		{
			version = evaudit_spi_int32(0, VERSION);
			schema = evaudit_spi_jsonb(0, SCHEMA);
		}
		MemoryContextSwitchTo(context);
		topic = evaudit_topic_define(name, options, schema, version,
									 evaudit_spi_bool(0, HAS_SINK));
		if (!evaudit_spi_is_null(0, OWNER))
			topic->function_owner = evaudit_spi_oid(0, OWNER);
	}
	evaudit_spi_end(&spi);
	return topic;
}

/* Read a topic and keep it; NULL if there is none. */
static KeptTopic *
keep_topic(const char *name)
{
	MemoryContext context = AllocSetContextCreate(TopTransactionContext,
												  "evaudit topic",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);
	EvauditTopic *topic = read_topic(name);
	KeptTopic  *entry;

	MemoryContextSwitchTo(previous);
	if (topic == NULL)
	{
		MemoryContextDelete(context);
		return NULL;
	}
	entry = hash_search(kept, name, HASH_ENTER, NULL);
	entry->topic = topic;
	entry->context = context;
	MemoryContextSetParent(context, CacheMemoryContext);
	return entry;
}

/* Make the table of topics that are kept. */
static void
make_table(void)
{
	HASHCTL		info = {
		.keysize = EVAUDIT_MAX_TOPIC_BYTES + 1,
		.entrysize = sizeof(KeptTopic),
		.hcxt = CacheMemoryContext,
	};

	if (CacheMemoryContext == NULL)
		elog(ERROR, "topics cannot be kept yet");
	kept = hash_create("evaudit topics", 16, &info,
					   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

/*
 * Load a topic, within a transaction.  If there is none: NULL, or an ERROR.
 */
const EvauditTopic *
evaudit_topic_load(const char *name, bool missing_ok)
{
	KeptTopic  *entry = NULL;

	if (kept == NULL)
		make_table();
	retire_if_changed();
	if (strlen(name) <= EVAUDIT_MAX_TOPIC_BYTES)
	{
		entry = hash_search(kept, name, HASH_FIND, NULL);
		if (entry != NULL && entry->topic->schema != NULL &&
			!evaudit_schema_is_current(entry->topic->schema))
		{
			retire(entry);
			entry = NULL;
		}
		if (entry == NULL)
			entry = keep_topic(name);
	}
	if (entry == NULL && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("topic \"%s\" does not exist", name)));
	return entry == NULL ? NULL : entry->topic;
}

/*
 * Trigger before INSERT on evaudit.topics of a row that comes from a dump: if
 * the extension brought the topic along, set what was altered of it instead.
 */
Datum
evaudit_restore_topic(PG_FUNCTION_ARGS)
{
	static EvauditStatement alter = {
		"UPDATE evaudit.topics SET options = $2, schema_version = $4,"
		" function_owner = $5, function_owner_oid = $6 WHERE name = $1",
		6, {TEXTOID, JSONBOID, JSONBOID, INT4OID, NAMEOID, OIDOID}
	};
	TriggerData *trigger = evaudit_own_trigger(fcinfo, "topics",
											   "restore_topic",
											   EVAUDIT_BEFORE_INSERT);
	Datum		values[6];
	char		nulls[6];
	uint64		altered;
	EvauditSpi	spi;

	evaudit_trigger_values(trigger, 6, alter.types, values, nulls);
	evaudit_spi_begin(&spi);
	altered = evaudit_spi_execute(&alter, values, nulls);
	evaudit_spi_end(&spi);
	return PointerGetDatum(altered > 0 ? NULL : trigger->tg_trigtuple);
}
