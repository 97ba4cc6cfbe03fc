/*-------------------------------------------------------------------------
 *
 * source.c
 *	  What all kinds of sources have in common: their definition, their
 *	  options, and the batches that they fill.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "server/spi.h"
#include "sources/source.h"
#include "text/options.h"

/* Options that every source takes, and their limits. */
#define DEFAULT_BATCH_SIZE		5000
#define MAX_BATCH_SIZE			100000
#define DEFAULT_BATCH_INTERVAL	200
#define MAX_BATCH_INTERVAL		60000
#define DEFAULT_EVENT_BYTES		(1024 * 1024)
#define MAX_EVENT_BYTES			(64 * 1024 * 1024)

static const char *const common_options[] = {
	"batch_size", "batch_interval", "max_event_bytes", NULL
};

/*
 * While there is a backlog a batch grows to this many times batch_size: a
 * larger batch merges more events of one key before they reach the table.
 */
#define BACKLOG_FACTOR			10

/* Payload bytes at which a batch is full, whatever its number of events. */
#define MAX_BATCH_BYTES			(16 * 1024 * 1024)

static const EvauditSourceKind *const kinds[] = {
	&evaudit_kafka_source,
	&evaudit_sqs_source,
};

/* The kind of source of a name as stat_sources.kind shows it. */
const EvauditSourceKind *
evaudit_source_kind(const char *name)
{
	for (int i = 0; i < lengthof(kinds); i++)
	{
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	}
	elog(ERROR, "unrecognized kind of source \"%s\"", name);
}

/* The kind of source that reads from a foreign server. */
const EvauditSourceKind *
evaudit_server_kind(const char *name)
{
	ForeignServer *server = GetForeignServerByName(name, false);
	ForeignDataWrapper *wrapper = GetForeignDataWrapper(server->fdwid);

	for (int i = 0; i < lengthof(kinds); i++)
	{
		if (strcmp(kinds[i]->wrapper, wrapper->fdwname) == 0)
			return kinds[i];
	}
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("server \"%s\" cannot be a source of events", name),
			 errdetail("Its foreign-data wrapper is \"%s\".", wrapper->fdwname)));
}

/* Refuse options that are neither common nor in a kind's own list. */
void
evaudit_check_option_names(Jsonb *options, const char *const *own)
{
	const char *known[32];
	int			n = 0;

	for (int i = 0; common_options[i] != NULL; i++)
		known[n++] = common_options[i];
	for (int i = 0; own[i] != NULL; i++)
	{
		Assert(n < lengthof(known) - 1);
		known[n++] = own[i];
	}
	known[n] = NULL;
	evaudit_options_check_names(options, known);
}

/* Read the options that all sources take; raises an ERROR for bad ones. */
static void
read_common_options(EvauditSource *source)
{
	source->batch_size = evaudit_option_int(source->options, "batch_size",
											DEFAULT_BATCH_SIZE,
											1, MAX_BATCH_SIZE);
	source->max_events = Min(source->batch_size * BACKLOG_FACTOR,
							 MAX_BATCH_SIZE);
	source->batch_interval = evaudit_option_millis(source->options,
												   "batch_interval",
												   DEFAULT_BATCH_INTERVAL,
												   0, MAX_BATCH_INTERVAL);
	source->max_event_bytes = evaudit_option_int(source->options,
												 "max_event_bytes",
												 DEFAULT_EVENT_BYTES,
												 1, MAX_EVENT_BYTES);
}

/* Refuse options that a source of this kind cannot have. */
void
evaudit_check_source_options(const EvauditSourceKind *kind, Jsonb *options)
{
	EvauditSource source = {.options = options};

	evaudit_options_check_object(options);
	read_common_options(&source);
	kind->check(options);
}

/*
 * Load the definition of a source into the current memory context, within a
 * transaction.  NULL if there is none any more.
 */
EvauditSource *
evaudit_load_source(int64 id, const EvauditSourceKind **kind)
{
	static EvauditStatement load = {
		"SELECT name, kind, owner, server, topic, options, seek,"
		" seek_number, started_at IS NOT NULL, owner_oid, server_oid"
		" FROM evaudit.sources WHERE id = $1",
		1, {INT8OID}
	};
	MemoryContext context = CurrentMemoryContext;
	EvauditSource *source = NULL;
	Datum		value = Int64GetDatum(id);
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	if (evaudit_spi_execute(&load, &value, NULL) > 0)
	{
		MemoryContext previous = MemoryContextSwitchTo(context);

		source = palloc0(sizeof(EvauditSource));
		source->id = id;
		source->name = evaudit_spi_text(0, 0);
		*kind = evaudit_source_kind(evaudit_spi_text(0, 1));
		source->owner = evaudit_spi_text(0, 2);
		source->server = evaudit_spi_text(0, 3);
		source->topic = evaudit_spi_text(0, 4);
		source->options = evaudit_server_job_options(&evaudit_source_jobs,
													 evaudit_spi_datum_of(0, 5, JSONBOID));
		source->seek = evaudit_spi_text_or_null(0, 6);
		source->seek_number = evaudit_spi_int32(0, 7);
		source->started = evaudit_spi_bool(0, 8);
		source->owner_oid = evaudit_spi_oid_or_invalid(0, 9);
		source->server_oid = evaudit_spi_oid_or_invalid(0, 10);
		MemoryContextSwitchTo(previous);
	}
	evaudit_spi_end(&spi);

	if (source != NULL)
		read_common_options(source);
	return source;
}

/*
 * Show an error that the source can live with in stat_sources, and log it
 * unless it is the same as the last.
 */
void
evaudit_source_report_error(EvauditSource *source, const char *fmt,...)
{
	char		error[EVAUDIT_ERROR_BYTES];
	va_list		args;

	va_start(args, fmt);
	vsnprintf(error, sizeof(error), fmt, args);
	va_end(args);

	source->reported_at = GetCurrentTimestamp();
	if (evaudit_process_report_error(source->process, error))
		ereport(LOG,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("source \"%s\": %s", source->name, error),
				 errdetail_log("source=\"%s\"", source->name)));
}

/* Show that what this worker reported is over. */
void
evaudit_source_recovered(EvauditSource *source)
{
	evaudit_process_recovered(source->process);
}

/*
 * Show that this worker waits until some time before it tries again what
 * failed; 0 if it reads.
 */
void
evaudit_source_wait(EvauditSource *source, TimestampTz until)
{
	evaudit_process_retry_at(source->process, until);
}

/* A batch for a source, to be used again and again. */
EvauditBatch *
evaudit_batch_create(const EvauditSource *source)
{
	EvauditBatch *batch = palloc0(sizeof(EvauditBatch));

	batch->events = MemoryContextAllocHuge(CurrentMemoryContext,
										   source->max_events *
										   sizeof(EvauditEvent));
	batch->context = AllocSetContextCreate(CurrentMemoryContext,
										   "evaudit batch",
										   ALLOCSET_DEFAULT_SIZES);
	return batch;
}

/* Forget the events of a batch. */
void
evaudit_batch_reset(EvauditBatch *batch)
{
	MemoryContextReset(batch->context);
	batch->nevents = 0;
	batch->bytes = 0;
}

/* Whether no more events fit. */
bool
evaudit_batch_full(const EvauditSource *source, const EvauditBatch *batch)
{
	return batch->nevents >= source->max_events ||
		batch->bytes >= MAX_BATCH_BYTES;
}

/* Reject an event whose payload is larger than the source allows. */
void
evaudit_source_check_size(const EvauditSource *source, EvauditEvent *event)
{
	if (event->payload_len > source->max_event_bytes)
		evaudit_event_reject(event, EVAUDIT_TOO_LARGE,
							 "payload of %zu bytes exceeds max_event_bytes, %d",
							 event->payload_len, source->max_event_bytes);
}

/*
 * A new event at the end of a batch that is not full; it is rejected right
 * away if its payload is larger than the source allows.
 */
EvauditEvent *
evaudit_batch_add(const EvauditSource *source, EvauditBatch *batch,
				  const char *payload, size_t payload_len)
{
	EvauditEvent *event = &batch->events[batch->nevents++];

	memset(event, 0, sizeof(EvauditEvent));
	event->source = source->name;
	event->payload = payload;
	event->payload_len = payload_len;
	batch->bytes += payload_len;
	evaudit_source_check_size(source, event);
	return event;
}
