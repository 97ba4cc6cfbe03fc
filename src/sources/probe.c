/*-------------------------------------------------------------------------
 *
 * probe.c
 *	  Checking whether a server can be used: what all kinds have in common.
 *
 * What is to be checked is gathered by the backend, in its transaction, and
 * checked by a process that may start threads (see check_server.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "aws/client.h"
#include "server/foreign_options.h"
#include "server/spi.h"
#include "sinks/sink.h"
#include "sources/kafka_source.h"
#include "sources/probe.h"
#include "sources/sqs_source.h"

static void add_topics(EvauditProbe *probe, Jsonb *options);
static void add_queue(EvauditProbe *probe, Jsonb *options);

/* What differs between wrappers; those without sources have no streams. */
static const struct
{
	const char *wrapper;
	List	   *(*read_options) (Oid server, Oid user);
	void		(*add_streams) (EvauditProbe *probe, Jsonb *options);
	void		(*run) (EvauditProbe *probe);
}			probes[] = {

	{"evaudit_kafka", evaudit_kafka_read_options, add_topics,
	evaudit_kafka_source_probe},
	{"evaudit_aws", evaudit_aws_read_options, add_queue, evaudit_sqs_probe},
	{"evaudit_webhook", evaudit_webhook_read_options, NULL, NULL},
};

/* Add a stream, unless it is there. */
static void
add_stream(EvauditProbe *probe, const char *name, int visibility)
{
	EvauditProbeStream *stream;
	ListCell   *lc;

	foreach(lc, probe->streams)
	{
		if (strcmp(((EvauditProbeStream *) lfirst(lc))->name, name) == 0)
			return;
	}
	stream = palloc0(sizeof(EvauditProbeStream));
	stream->name = pstrdup(name);
	stream->visibility = visibility;
	probe->streams = lappend(probe->streams, stream);
}

/* Add the topics that a Kafka source names. */
static void
add_topics(EvauditProbe *probe, Jsonb *options)
{
	ListCell   *lc;

	foreach(lc, evaudit_kafka_source_topics_named(options))
		add_stream(probe, lfirst(lc), 0);
}

/* Add the queues of an SQS source. */
static void
add_queue(EvauditProbe *probe, Jsonb *options)
{
	SqsOptions	read = {0};
	ListCell   *lc;

	evaudit_sqs_read_options(options, &read);
	foreach(lc, read.queues)
		add_stream(probe, ((EvauditAwsQueue *) lfirst(lc))->said,
				   read.visibility);
}

/* The number of a wrapper in the list of probes; -1 if it is not there. */
static int
probe_of(const char *wrapper)
{
	for (int i = 0; i < lengthof(probes); i++)
	{
		if (strcmp(probes[i].wrapper, wrapper) == 0)
			return i;
	}
	return -1;
}

/* Add what the user's sources read from a server. */
static void
add_streams(EvauditProbe *probe, const char *server)
{
	static EvauditStatement find = {
		"SELECT owner_oid, options FROM evaudit.sources WHERE server = $1::name"
		" ORDER BY name",
		1, {TEXTOID}
	};
	MemoryContext context = CurrentMemoryContext;
	MemoryContext spi_context;
	Oid			user = GetUserId();
	Datum		value = CStringGetTextDatum(server);
	int			i = probe_of(probe->wrapper);
	EvauditSpi	spi;
	uint64		n;

	if (probes[i].add_streams == NULL)
		return;
	evaudit_spi_begin(&spi);
	n = evaudit_spi_execute(&find, &value, NULL);
	spi_context = MemoryContextSwitchTo(context);
	for (uint64 row = 0; row < n; row++)
	{
		Datum		options = evaudit_spi_datum_of(row, 1, JSONBOID);

		if (evaudit_owns_server_job(user, evaudit_spi_oid_or_invalid(row, 0)))
			probes[i].add_streams(probe, evaudit_server_job_options(&evaudit_source_jobs,
																	options));
	}
	MemoryContextSwitchTo(spi_context);
	evaudit_spi_end(&spi);
}

/* What is to be checked of a server for the current user. */
EvauditProbe *
evaudit_probe_make(const char *server)
{
	EvauditProbe *probe = palloc0(sizeof(EvauditProbe));
	ForeignServer *foreign = GetForeignServerByName(server, false);
	int			i;

	probe->wrapper = GetForeignDataWrapper(foreign->fdwid)->fdwname;
	i = probe_of(probe->wrapper);
	if (i < 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" cannot be checked", server),
				 errdetail("Its foreign-data wrapper is \"%s\".",
						   probe->wrapper)));
	probe->options = probes[i].read_options(foreign->serverid, GetUserId());
	probe->ambient = evaudit_may_use_ambient(GetUserId());
	add_streams(probe, server);
	evaudit_probe_add_sinks(probe, server);
	return probe;
}

/* Report a line of the result. */
void
evaudit_probe_report(EvauditProbe *probe, bool ok, const char *check,
					 const char *fmt,...)
{
	char		detail[1024];
	va_list		args;

	va_start(args, fmt);
	vsnprintf(detail, sizeof(detail), fmt, args);
	va_end(args);
	probe->report(probe->arg, check, ok, detail);
}

/* Check, and report each result.  In a background worker. */
void
evaudit_probe_run(EvauditProbe *probe)
{
	int			i = probe_of(probe->wrapper);

	if (probes[i].run != NULL)
		probes[i].run(probe);
	evaudit_probe_run_sinks(probe);
}
