/*-------------------------------------------------------------------------
 *
 * topic_define.c
 *	  From the definition of a topic, as it is stored, to one of use.
 *
 * Options say what becomes of events: those that the mapping does not read
 * are read here.  Whatever is wrong is an ERROR that names the option, or the
 * place in the schema.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "events/topic_define.h"
#include "text/options.h"

/* Longest value of the option "wait", in milliseconds. */
#define MAX_WAIT_MS		3600000

/* The option "project". */
static void
read_projection(EvauditTopic *topic, Jsonb *options)
{
	char	   *project = evaudit_option_text(options, "project");

	if (project == NULL)
		topic->projection = EVAUDIT_PROJECT_NONE;
	else if (strcmp(project, "user_services") == 0)
		topic->projection = EVAUDIT_PROJECT_USER_SERVICES;
	else
	{
		topic->projection = EVAUDIT_PROJECT_FUNCTION;
		topic->function = project;
	}
}

/* The option "on_tombstone". */
static EvauditOnTombstone
read_on_tombstone(Jsonb *options)
{
	static const char *const names[] = {
		[EVAUDIT_TOMBSTONE_DEAD_LETTER] = "dead_letter",
		[EVAUDIT_TOMBSTONE_IGNORE] = "ignore",
		[EVAUDIT_TOMBSTONE_DELETE] = "delete",
	};
	char	   *name = evaudit_option_text(options, "on_tombstone");

	for (int i = 0; i < lengthof(names); i++)
	{
		if (name == NULL || strcmp(name, names[i]) == 0)
			return (EvauditOnTombstone) i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("topic option \"%s\" must be %s", "on_tombstone",
					"delete, ignore or dead_letter")));
}

/* Refuse a definition whose parts do not go together. */
static void
check_definition(const EvauditTopic *topic)
{
	if (topic->projection == EVAUDIT_PROJECT_USER_SERVICES)
	{
		for (int field = 0; field < EVAUDIT_NFIELDS; field++)
			if (!evaudit_mapping_has_field(topic->mapping,
										   (EvauditField) field))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("topic option \"fields\" must have pointers for user_id, service_id and service_name"),
						 errdetail("The events are to be merged into user_services.")));
	}
	if (topic->on_tombstone == EVAUDIT_TOMBSTONE_DELETE && !topic->keep &&
		topic->projection != EVAUDIT_PROJECT_USER_SERVICES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("topic option \"%s\" must be %s", "on_tombstone",
						"ignore or dead_letter"),
				 errdetail("The events are neither kept nor merged into user_services.")));
	if (topic->documents &&
		evaudit_mapping_max_payload(topic->mapping) > EVAUDIT_MAX_DOCUMENT_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("topic option \"max_payload_bytes\" must be a number from 1 to %d",
						EVAUDIT_MAX_DOCUMENT_BYTES),
				 errdetail("The events are to be checked by a schema, kept, sent by a sink, or handed to a function.")));
}

/*
 * Make a topic of its definition, in the current memory context and with
 * copies of all that it needs.  An event that goes nowhere else is kept,
 * unless the topic says that it is not.
 */
EvauditTopic *
evaudit_topic_define(const char *name, Jsonb *options, Jsonb *schema,
					 int version, bool has_sink)
{
	EvauditTopic *topic = palloc0(sizeof(EvauditTopic));

	topic->name = pstrdup(name);
	topic->mapping = evaudit_mapping_compile(options);
	topic->version = version;
	topic->assert_format = evaudit_option_bool(options, "assert_format", true);
	topic->batch = evaudit_option_bool(options, "batch", false);
	topic->on_tombstone = read_on_tombstone(options);
	read_projection(topic, options);
	topic->keep = evaudit_option_bool(options, "keep", topic->projection ==
									  EVAUDIT_PROJECT_NONE);
	topic->has_sink = has_sink;
	topic->wait_ms = evaudit_option_millis(options, "wait", 0, 0,
										   MAX_WAIT_MS);
	topic->documents = schema != NULL || topic->keep || has_sink ||
		topic->projection == EVAUDIT_PROJECT_FUNCTION;
	if (schema != NULL)
	{
		topic->schema_source = palloc(VARSIZE(schema));
		memcpy(topic->schema_source, schema, VARSIZE(schema));
		topic->schema = evaudit_schema_compile(topic->schema_source,
											   CurrentMemoryContext);
	}
	check_definition(topic);
	return topic;
}
