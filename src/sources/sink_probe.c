/*-------------------------------------------------------------------------
 *
 * sink_probe.c
 *	  Checking whether the sinks of a server can send, for check_server().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "server/spi.h"
#include "sinks/sink.h"
#include "sources/probe.h"

/* Add the user's sinks that send to a server. */
void
evaudit_probe_add_sinks(EvauditProbe *probe, const char *server)
{
	static EvauditStatement find = {
		"SELECT owner_oid, name, kind, options::text FROM evaudit.sinks"
		" WHERE server = $1::name ORDER BY name",
		1, {TEXTOID}
	};
	MemoryContext context = CurrentMemoryContext;
	MemoryContext spi_context;
	Oid			user = GetUserId();
	Datum		value = CStringGetTextDatum(server);
	EvauditSpi	spi;
	uint64		n;

	evaudit_spi_begin(&spi);
	n = evaudit_spi_execute(&find, &value, NULL);
	spi_context = MemoryContextSwitchTo(context);
	for (uint64 row = 0; row < n; row++)
	{
		EvauditProbeSink *sink = palloc0(sizeof(EvauditProbeSink));

		if (!evaudit_owns_server_job(user, evaudit_spi_oid_or_invalid(row, 0)))
			continue;
		sink->name = evaudit_spi_text(row, 1);
		sink->kind = evaudit_spi_text(row, 2);
		sink->options = evaudit_spi_text(row, 3);
		probe->sinks = lappend(probe->sinks, sink);
	}
	MemoryContextSwitchTo(spi_context);
	evaudit_spi_end(&spi);
}

/* Ask the kind of a sink; an ERROR is the reason, too. */
static const char *
run(EvauditProbe *probe, EvauditProbeSink *sink, const EvauditSinkKind *kind)
{
	MemoryContext context = CurrentMemoryContext;
	EvauditSink probed = {.name = sink->name,.ambient = probe->ambient};
	const char *volatile error = NULL;

	PG_TRY();
	{
		Datum		options = DirectFunctionCall1(jsonb_in,
												  CStringGetDatum(sink->options));

		probed.options = DatumGetJsonbP(options);
		error = kind->probe(&probed, probe->options);
	}
	PG_CATCH();
	{
		ErrorData  *data;

		MemoryContextSwitchTo(context);
		data = CopyErrorData();
		FlushErrorState();
		error = data->message;
	}
	PG_END_TRY();
	return error;
}

/* Check the sinks, in the process. */
void
evaudit_probe_run_sinks(EvauditProbe *probe)
{
	ListCell   *lc;

	foreach(lc, probe->sinks)
	{
		EvauditProbeSink *sink = lfirst(lc);
		const EvauditSinkKind *kind = evaudit_sink_kind(sink->kind);
		const char *error;

		if (kind->probe == NULL)
			continue;
		error = run(probe, sink, kind);
		evaudit_probe_report(probe, error == NULL,
							 psprintf("sink \"%s\"", sink->name), "%s",
							 error == NULL ? "its destination is there" : error);
	}
}
