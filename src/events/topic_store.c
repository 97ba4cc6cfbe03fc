/*-------------------------------------------------------------------------
 *
 * topic_store.c
 *	  Changing evaudit.topics and evaudit.topic_schemas.
 *
 * A definition is tried out before it is stored.  Whoever changes a topic
 * has its row locked, as has a source that is being made for it.  Versions of
 * a schema are never changed: those of a dropped topic stay for as long as
 * events do that they accepted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "events/projection.h"
#include "events/topic_define.h"
#include "events/topic_store.h"
#include "runtime/wakeup.h"
#include "server/spi.h"
#include "text/jsonb.h"
#include "text/options.h"

/* Refuse names that could not be shown or used, or mean something else. */
static void
check_name(const char *name)
{
	static const char *const reserved[] = {"audit", "alerts", "services"};

	for (int i = 0; i < lengthof(reserved); i++)
		if (strcmp(name, reserved[i]) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_RESERVED_NAME),
					 errmsg("name of a topic must not be \"%s\"", name),
					 errdetail("Topics \"audit\" and \"alerts\" are what sinks send without a publisher; \"services\" is what grants to read user_services are for.")));
	if (name[0] == '\0' || strlen(name) > EVAUDIT_MAX_TOPIC_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("name of a topic must have 1 to %d bytes",
						EVAUDIT_MAX_TOPIC_BYTES)));
}

/* A schema as it is used: JSON null stands for none. */
static Jsonb *
used_schema(Jsonb *schema)
{
	JsonbValue	v;

	if (schema == NULL ||
		(JB_ROOT_IS_SCALAR(schema) &&
		 JsonbExtractScalar(&schema->root, &v) && v.type == jbvNull))
		return NULL;
	return schema;
}

/*
 * Refuse a definition that would not work.  Returns the owner of the function
 * that the current user names by it, InvalidOid if it names none; one that was
 * named before, by whom ever, only has to be there.
 */
static Oid
check_definition(const char *name, Jsonb *schema, Jsonb *options, bool naming)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "evaudit topic check",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);
	EvauditTopic *topic;
	Oid			owner = InvalidOid;

	evaudit_options_check_object(options);
	if (schema != NULL)
		evaudit_schema_check_size(schema);
	topic = evaudit_topic_define(name, options, schema, 1, false);
	evaudit_mapping_check(topic->mapping);
	if (topic->projection == EVAUDIT_PROJECT_FUNCTION)
	{
		if (naming)
			owner = evaudit_projection_name(topic->function);
		else
			(void) evaudit_projection_find(topic->function);
	}
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(context);
	return owner;
}

/*
 * The options without those that are null, which are not given.  18 added an
 * argument, whether to look into arrays; those before ignore it.
 */
static Jsonb *
given_options(Jsonb *options)
{
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_strip_nulls,
											  JsonbPGetDatum(options),
											  BoolGetDatum(false)));
}

/*
 * Set the schema of a topic, NULL for none; one that it has already keeps its
 * version.
 */
static void
set_schema(const char *name, Jsonb *schema)
{
	static EvauditStatement clear = {
		"UPDATE evaudit.topics SET schema_version = NULL WHERE name = $1",
		1, {TEXTOID}
	};
	static EvauditStatement set = {
		"WITH version AS (INSERT INTO evaudit.topic_schemas"
		"  (topic, version, schema)"
		"  SELECT $1, COALESCE(max(version), 0) + 1, $2"
		"  FROM evaudit.topic_schemas WHERE topic = $1"
		"  RETURNING version)"
		" UPDATE evaudit.topics SET schema_version = v.version"
		" FROM version v WHERE name = $1",
		2, {TEXTOID, JSONBOID}
	};
	static EvauditStatement same = {
		"SELECT 1 FROM evaudit.topics t JOIN evaudit.topic_schemas s"
		" ON s.topic = t.name AND s.version = t.schema_version"
		" WHERE t.name = $1 AND s.schema = $2",
		2, {TEXTOID, JSONBOID}
	};
	Datum		values[2];
	EvauditSpi	spi;

	values[0] = CStringGetTextDatum(name);
	values[1] = PointerGetDatum(schema);
	evaudit_spi_begin(&spi);
	if (schema == NULL)
		(void) evaudit_spi_execute(&clear, values, NULL);
	else if (evaudit_spi_execute(&same, values, NULL) == 0)
		(void) evaudit_spi_execute(&set, values, NULL);
	evaudit_spi_end(&spi);
}

/* Run a statement on a topic, $1; how many rows it was about. */
static uint64
change_topic(EvauditStatement *statement, const char *name, Jsonb *document)
{
	Datum		values[2];
	uint64		n;
	EvauditSpi	spi;

	values[0] = CStringGetTextDatum(name);
	values[1] = PointerGetDatum(document);
	evaudit_spi_begin(&spi);
	n = evaudit_spi_execute(statement, values, NULL);
	evaudit_spi_end(&spi);
	return n;
}

/* Set the owner that a topic's function has, InvalidOid if it calls none. */
static void
set_function_owner(const char *name, Oid owner)
{
	static EvauditStatement set = {
		"UPDATE evaudit.topics SET function_owner_oid = NULLIF($2, 0::oid),"
		" function_owner = (SELECT rolname FROM pg_roles WHERE oid = $2)"
		" WHERE name = $1",
		2, {TEXTOID, OIDOID}
	};
	Datum		values[2];
	EvauditSpi	spi;

	values[0] = CStringGetTextDatum(name);
	values[1] = ObjectIdGetDatum(owner);
	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&set, values, NULL);
	evaudit_spi_end(&spi);
}

/* Options of which none is given. */
static Jsonb *
no_options(void)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											  CStringGetDatum("{}")));
}

/* Make a topic; false if there is one of that name. */
bool
evaudit_topic_create(const char *name, Jsonb *schema, Jsonb *options)
{
	static EvauditStatement create = {
		"INSERT INTO evaudit.topics (name, options) VALUES ($1, $2)"
		" ON CONFLICT (name) DO NOTHING", 2, {TEXTOID, JSONBOID}
	};
	Oid			owner;

	if (options == NULL)
		options = no_options();
	schema = used_schema(schema);
	check_name(name);
	evaudit_options_check_object(options);
	options = given_options(options);
	owner = check_definition(name, schema, options, true);
	if (change_topic(&create, name, options) == 0)
		return false;
	if (OidIsValid(owner))
		set_function_owner(name, owner);
	if (schema != NULL)
		set_schema(name, schema);
	return true;
}

/*
 * Lock the row of a topic and read it: its options with others set over them,
 * and its schema, or NULL.  False if there is no such topic.
 */
static bool
lock_definition(const char *name, Jsonb *changes, Jsonb **options,
				Jsonb **schema)
{
	static EvauditStatement lock = {
		"SELECT t.options || $2 AS options, (SELECT s.schema FROM evaudit.topic_schemas s"
		"  WHERE s.topic = t.name AND s.version = t.schema_version)"
		" FROM evaudit.topics t WHERE t.name = $1 FOR UPDATE",
		2, {TEXTOID, JSONBOID}
	};
	enum
	{
		OPTIONS, SCHEMA
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[2];
	bool		found;
	EvauditSpi	spi;

	values[0] = CStringGetTextDatum(name);
	values[1] = PointerGetDatum(changes);
	evaudit_spi_begin(&spi);
	found = evaudit_spi_execute(&lock, values, NULL) > 0;
	if (found)
	{
		MemoryContextSwitchTo(context);
		*options = evaudit_spi_jsonb(0, OPTIONS);
		*schema = evaudit_spi_jsonb_or_null(0, SCHEMA);
	}
	evaudit_spi_end(&spi);
	return found;
}

/* Set options and schema of a topic; false if there is none of that name. */
bool
evaudit_topic_alter(const char *name, Jsonb *schema, Jsonb *options)
{
	static EvauditStatement alter = {
		"UPDATE evaudit.topics SET options = $2 WHERE name = $1",
		2, {TEXTOID, JSONBOID}
	};
	Jsonb	   *merged;
	Jsonb	   *current;
	bool		naming;
	Oid			owner;

	if (options == NULL)
		options = no_options();
	evaudit_options_check_object(options);
	if (!lock_definition(name, options, &merged, &current))
		return false;
	merged = given_options(merged);
	naming = evaudit_jsonb_member(&options->root, "project") != NULL;
	owner = check_definition(name, schema == NULL ? current :
							 used_schema(schema), merged, naming);
	(void) change_topic(&alter, name, merged);
	if (naming)
		set_function_owner(name, owner);
	if (schema != NULL)
		set_schema(name, used_schema(schema));
	evaudit_wake_scheduler_at_commit();
	return true;
}

/* Refuse to drop a topic that came along or that a source reads into. */
static void
check_unused(const char *name)
{
	static EvauditStatement find = {
		"SELECT name FROM evaudit.sources WHERE topic = $1 ORDER BY name",
		1, {TEXTOID}
	};
	Datum		value = CStringGetTextDatum(name);
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	if (evaudit_spi_execute(&find, &value, NULL) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop topic \"%s\" because source \"%s\" reads into it",
						name, evaudit_spi_text(0, 0)),
				 errhint("Drop the source first, with evaudit.drop_source().")));
	evaudit_spi_end(&spi);
}

/*
 * Forget a topic; false if there is none of that name.  Its kept events stay,
 * and with them the versions of its schema.
 */
bool
evaudit_topic_drop(const char *name)
{
	static EvauditStatement is_seed = {
		"SELECT 1 FROM evaudit.topics WHERE name = $1 AND seed IS NOT NULL",
		1, {TEXTOID}
	};
	static EvauditStatement drop = {
		"DELETE FROM evaudit.topics WHERE name = $1", 1, {TEXTOID}
	};
	static EvauditStatement forget = {
		"DELETE FROM evaudit.topic_schemas WHERE topic = $1"
		" AND NOT EXISTS (SELECT FROM evaudit.events WHERE topic = $1)",
		1, {TEXTOID}
	};

	if (change_topic(&is_seed, name, NULL) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop topic \"%s\" because extension \"evaudit\" requires it",
						name),
				 errhint("Alter it instead, with evaudit.alter_topic().")));
	if (change_topic(&drop, name, NULL) == 0)
		return false;
	/* after the row was locked, so that no source can come in between */
	check_unused(name);
	(void) change_topic(&forget, name, NULL);
	return true;
}

/*
 * Keep a topic from being dropped until the end of the transaction; an ERROR
 * if there is none.
 */
void
evaudit_topic_lock(const char *name)
{
	static EvauditStatement lock = {
		"SELECT 1 FROM evaudit.topics WHERE name = $1 FOR KEY SHARE",
		1, {TEXTOID}
	};

	if (change_topic(&lock, name, NULL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("topic \"%s\" does not exist", name)));
}
