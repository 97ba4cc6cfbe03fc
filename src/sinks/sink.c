/*-------------------------------------------------------------------------
 *
 * sink.c
 *	  What all kinds of sinks have in common: their definition and options.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "audit/audit_log.h"
#include "events/outbox.h"
#include "server/foreign_options.h"
#include "server/spi.h"
#include "sinks/shape.h"
#include "text/options.h"

/* Options that every sink takes, and their limits. */
#define MAX_BATCH_SIZE			10000
#define DEFAULT_BATCH_INTERVAL	5
#define MAX_BATCH_INTERVAL		60000
#define MAX_MAX_ATTEMPTS		1000000

static const char *const common_options[] = {
	"batch_size", "batch_interval", "max_attempts", "order", "on_failure",
	"format", "cloudevents_mode", "cloudevents_source", "filter",
	"transform", "service", NULL
};

/* The kinds that there are; of a wrapper, those with a service come first. */
static const EvauditSinkKind *const kinds[] = {
	&evaudit_function_sink,
	&evaudit_kafka_sink,
	&evaudit_eventbridge_sink,
	&evaudit_sqs_sink,
	&evaudit_sns_sink,
	&evaudit_webhook_sink,
};

/* The kind of sink of a name as stat_sinks.kind shows it. */
const EvauditSinkKind *
evaudit_sink_kind(const char *name)
{
	for (int i = 0; i < lengthof(kinds); i++)
	{
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	}
	elog(ERROR, "unrecognized kind of sink \"%s\"", name);
}

/* Whether a kind is of that wrapper and service. */
static bool
is_kind(const EvauditSinkKind *kind, const char *wrapper, const char *service)
{
	if (strcmp(kind->wrapper, wrapper) != 0)
		return false;
	if (kind->service == NULL || service == NULL)
		return kind->service == service;
	return strcmp(kind->service, service) == 0;
}

/* The kind of sink that sends to a foreign server, by the option "service". */
const EvauditSinkKind *
evaudit_sink_kind_for(const char *name, Jsonb *options)
{
	ForeignServer *server = GetForeignServerByName(name, false);
	ForeignDataWrapper *wrapper = GetForeignDataWrapper(server->fdwid);
	char	   *service = evaudit_option_text(options, "service");
	bool		known = false;

	for (int i = 0; i < lengthof(kinds); i++)
	{
		known |= strcmp(kinds[i]->wrapper, wrapper->fdwname) == 0;
		if (is_kind(kinds[i], wrapper->fdwname, service))
			return kinds[i];
	}
	if (known)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 service == NULL ?
				 errmsg("option \"%s\" is required", "service") :
				 errmsg("server \"%s\" has no service \"%s\" to send to",
						name, service)));
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("server \"%s\" cannot be a destination of events", name),
			 errdetail("Its foreign-data wrapper is \"%s\".", wrapper->fdwname)));
}

/* Refuse options that are neither common nor a kind's own. */
static void
check_names(const EvauditSinkKind *kind, Jsonb *options)
{
	const char *known[64];
	int			n = 0;

	for (int i = 0; common_options[i] != NULL; i++)
		known[n++] = common_options[i];
	for (int i = 0; kind->own[i] != NULL; i++)
	{
		Assert(n < lengthof(known) - 1);
		known[n++] = kind->own[i];
	}
	known[n] = NULL;
	evaudit_options_check_names(options, known);
}

/* An option that is one of two words; true if it is the first, the default. */
static bool
is_first_word(Jsonb *options, const char *name, const char *first,
			  const char *second)
{
	char	   *word = evaudit_option_text(options, name);

	if (word == NULL || strcmp(word, first) == 0)
		return true;
	if (strcmp(word, second) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be \"%s\" or \"%s\"",
						name, first, second)));
	return false;
}

/* Read the options that all sinks take; raises an ERROR for bad ones. */
static void
read_common_options(EvauditSink *sink, const EvauditSinkKind *kind)
{
	sink->batch_size = evaudit_option_int(sink->options, "batch_size",
										  kind->batch_size,
										  1, Max(MAX_BATCH_SIZE,
												 kind->batch_size));
	sink->batch_interval = evaudit_option_millis(sink->options,
												 "batch_interval",
												 DEFAULT_BATCH_INTERVAL,
												 0, MAX_BATCH_INTERVAL);
	sink->max_attempts = evaudit_option_int(sink->options, "max_attempts", 0,
											0, MAX_MAX_ATTEMPTS);
	sink->ordered = is_first_word(sink->options, "order", "key", "none");
	sink->blocking = !is_first_word(sink->options, "on_failure", "park",
									"block");
	if (sink->blocking && !sink->ordered)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"on_failure\" cannot be \"block\" where \"order\" is \"none\"")));
}

/* Refuse options that a sink of this kind cannot have. */
void
evaudit_check_sink_options(const EvauditSinkKind *kind, Jsonb *options)
{
	EvauditSink sink = {.options = options};

	evaudit_options_check_object(options);
	check_names(kind, options);
	read_common_options(&sink, kind);
	evaudit_shape_check(options, kind);
	kind->check(options);
}

/* The topics of a sink. */
List *
evaudit_sink_topics_of(int64 id)
{
	static EvauditStatement read = {
		"SELECT topics FROM evaudit.sinks WHERE id = $1", 1, {INT8OID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		value = Int64GetDatum(id);
	List	   *topics = NIL;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	if (evaudit_spi_execute(&read, &value, NULL) > 0)
	{
		Datum		array = evaudit_spi_datum_of(0, 0, TEXTARRAYOID);

		MemoryContextSwitchTo(context);
		topics = evaudit_sink_topics(DatumGetArrayTypePCopy(array));
	}
	evaudit_spi_end(&spi);
	return topics;
}

/* Whether topics are the audit, which goes with no other. */
bool
evaudit_sink_is_of_audit(List *topics)
{
	return list_length(topics) == 1 &&
		strcmp(linitial(topics), "audit") == 0;
}

/* Raise an ERROR unless a user may read what a sink of these topics sends. */
void
evaudit_sink_check_rights(Oid user, List *topics)
{
	bool		audit = evaudit_sink_is_of_audit(topics);
	const char *table = audit ? "audit" : "events";
	Oid			relid = audit ? evaudit_audit_relid() :
		get_relname_relid(table, get_namespace_oid("evaudit", false));
	AclResult	result = pg_class_aclcheck(relid, user, ACL_SELECT);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_TABLE, table);
	if (evaudit_sink_wants_topic(topics, "alerts") &&
		!has_privs_of_role(user, ROLE_PG_MONITOR))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for topic \"alerts\""),
				 errdetail("What it tells is for members of pg_monitor.")));
}

/*
 * Load the definition of a sink into the current memory context, within a
 * transaction.  NULL if there is none any more.
 */
EvauditSink *
evaudit_load_sink(int64 id, const EvauditSinkKind **kind)
{
	static EvauditStatement load = {
		"SELECT name, kind, owner, server, topics, options, identity,"
		" owner_oid, server_oid FROM evaudit.sinks WHERE id = $1",
		1, {INT8OID}
	};
	MemoryContext context = CurrentMemoryContext;
	EvauditSink *sink = NULL;
	Datum		value = Int64GetDatum(id);
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	if (evaudit_spi_execute(&load, &value, NULL) > 0)
	{
		MemoryContext previous = MemoryContextSwitchTo(context);
		Datum		topics = evaudit_spi_datum_of(0, 4, TEXTARRAYOID);

		sink = palloc0(sizeof(EvauditSink));
		sink->id = id;
		sink->name = evaudit_spi_text(0, 0);
		*kind = evaudit_sink_kind(evaudit_spi_text(0, 1));
		sink->owner = evaudit_spi_text(0, 2);
		sink->server = evaudit_spi_text(0, 3);
		sink->topics = evaudit_sink_topics(DatumGetArrayTypeP(topics));
		sink->options =
			evaudit_server_job_options(&evaudit_sink_jobs,
									   evaudit_spi_datum_of(0, 5, JSONBOID));
		sink->identity = evaudit_spi_text(0, 6);
		sink->owner_oid = evaudit_spi_oid_or_invalid(0, 7);
		sink->server_oid = evaudit_spi_oid_or_invalid(0, 8);
		MemoryContextSwitchTo(previous);
	}
	evaudit_spi_end(&spi);

	if (sink == NULL)
		return NULL;
	sink->ambient = evaudit_may_use_ambient(sink->owner_oid);
	read_common_options(sink, *kind);
	return sink;
}
