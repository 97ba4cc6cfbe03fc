/*-------------------------------------------------------------------------
 *
 * check_server.c
 *	  check_server(): whether a server can be used.
 *
 * The libraries that talk to services start threads, which have no place in
 * a client's backend.  So the backend gathers what is to be checked, and a
 * process of its own checks it, for as long as that takes.  It needs no
 * connection to the database, only a segment of shared memory:
 *
 *		the header | what to check | the queue of lines of the result
 *
 * What to check holds secrets; the process wipes them as soon as it has read
 * them.  When the backend detaches from the segment, also by an ERROR, it
 * terminates the process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/shm_mq.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "server/foreign_options.h"
#include "sources/check_server.h"
#include "sources/probe.h"

PG_FUNCTION_INFO_V1(evaudit_check_server);

/* Bytes of the queue of lines. */
#define QUEUE_BYTES		16384

/* The last line: all has been checked. */
#define THE_END			"."

/* At the beginning of the segment. */
typedef struct CheckHeader
{
	Size		request_len;
	Size		queue_at;
} CheckHeader;

/* Append a string with its zero. */
static void
put_string(StringInfo request, const char *string)
{
	appendBinaryStringInfo(request, string, strlen(string) + 1);
}

/* Take the string at a place, and move behind it. */
static const char *
get_string(const char **place)
{
	const char *string = *place;

	*place += strlen(string) + 1;
	return string;
}

/* Serialize what is to be checked. */
static void
write_probe(StringInfo request, const EvauditProbe *probe)
{
	ListCell   *lc;

	initStringInfo(request);
	put_string(request, probe->wrapper);
	put_string(request, probe->ambient ? "t" : "f");
	foreach(lc, probe->options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		put_string(request, option->defname);
		put_string(request, defGetString(option));
	}
	put_string(request, "");
	foreach(lc, probe->streams)
	{
		EvauditProbeStream *stream = lfirst(lc);

		put_string(request, stream->name);
		put_string(request, psprintf("%d", stream->visibility));
	}
	put_string(request, "");
	foreach(lc, probe->sinks)
	{
		EvauditProbeSink *sink = lfirst(lc);

		put_string(request, sink->name);
		put_string(request, sink->kind);
		put_string(request, sink->options);
	}
	put_string(request, "");
}

/* Deserialize it. */
static EvauditProbe *
read_probe(const char *place)
{
	EvauditProbe *probe = palloc0(sizeof(EvauditProbe));
	const char *name;

	probe->wrapper = pstrdup(get_string(&place));
	probe->ambient = *get_string(&place) == 't';
	while (*(name = get_string(&place)) != '\0')
	{
		char	   *value = pstrdup(get_string(&place));

		probe->options = lappend(probe->options,
								 makeDefElem(pstrdup(name),
											 (Node *) makeString(value), -1));
	}
	while (*(name = get_string(&place)) != '\0')
	{
		EvauditProbeStream *stream = palloc0(sizeof(EvauditProbeStream));

		stream->name = pstrdup(name);
		stream->visibility = atoi(get_string(&place));
		probe->streams = lappend(probe->streams, stream);
	}
	while (*(name = get_string(&place)) != '\0')
	{
		EvauditProbeSink *sink = palloc0(sizeof(EvauditProbeSink));

		sink->name = pstrdup(name);
		sink->kind = pstrdup(get_string(&place));
		sink->options = pstrdup(get_string(&place));
		probe->sinks = lappend(probe->sinks, sink);
	}
	return probe;
}

/* In the process: send a line. */
static void
send_line(void *arg, const char *check, bool ok, const char *detail)
{
	StringInfoData line;

	initStringInfo(&line);
	put_string(&line, ok ? "t" : "f");
	put_string(&line, check);
	put_string(&line, detail);
	/* the backend has detached */
	if (shm_mq_send(arg, line.len, line.data, false, true) != SHM_MQ_SUCCESS)
		proc_exit(0);
}

/* In the process: check, and report an ERROR as a line. */
static void
check(EvauditProbe *probe)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		evaudit_probe_run(probe);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		evaudit_probe_report(probe, false, "server", "%s", error->message);
	}
	PG_END_TRY();
}

/* What the process does. */
static void
run(EvauditProcess *process)
{
	CheckHeader *header;
	EvauditProbe *probe;
	dsm_segment *segment;
	shm_mq	   *queue;
	char	   *request;

	segment = dsm_attach(process->arg);
	if (segment == NULL)
		return;					/* the backend is gone */
	header = dsm_segment_address(segment);
	request = (char *) header + MAXALIGN(sizeof(CheckHeader));
	queue = (shm_mq *) ((char *) header + header->queue_at);

	probe = read_probe(request);
	explicit_bzero(request, header->request_len);
	shm_mq_set_sender(queue, MyProc);
	probe->report = send_line;
	probe->arg = shm_mq_attach(queue, segment, NULL);
	check(probe);
	(void) shm_mq_send(probe->arg, strlen(THE_END), THE_END, false, true);
}

const EvauditJobKind evaudit_check_job = {
	.name = "check",
	.backend_type = "evaudit check",
	.on_request = true,
	.run = run,
};

/* The backend detaches from the segment: the process has nothing to do. */
static void
end_process(dsm_segment *segment, Datum arg)
{
	TerminateBackgroundWorker((BackgroundWorkerHandle *) DatumGetPointer(arg));
}

/* Make the segment, with what is to be checked. */
static dsm_segment *
make_segment(const EvauditProbe *probe, shm_mq **queue)
{
	Size		request_at = MAXALIGN(sizeof(CheckHeader));
	StringInfoData request;
	dsm_segment *segment;
	CheckHeader *header;
	Size		queue_at;

	write_probe(&request, probe);
	queue_at = request_at + MAXALIGN(request.len);
	segment = dsm_create(queue_at + QUEUE_BYTES, 0);
	header = dsm_segment_address(segment);
	header->request_len = request.len;
	header->queue_at = queue_at;
	memcpy((char *) header + request_at, request.data, request.len);
	explicit_bzero(request.data, request.len);
	*queue = shm_mq_create((char *) header + queue_at, QUEUE_BYTES);
	shm_mq_set_receiver(*queue, MyProc);
	return segment;
}

/* Start the process; it ends when the backend detaches from the segment. */
static BackgroundWorkerHandle *
start_process(dsm_segment *segment)
{
	/* what ends the process needs it when the function's memory is gone */
	MemoryContext context = MemoryContextSwitchTo(TopTransactionContext);
	BackgroundWorkerHandle *handle;

	handle = evaudit_start_process(&evaudit_check_job,
								   dsm_segment_handle(segment));
	on_dsm_detach(segment, end_process, PointerGetDatum(handle));
	MemoryContextSwitchTo(context);
	return handle;
}

/* A text from outside; bytes that are none in our encoding become "?". */
static Datum
safe_text(const char *string)
{
	char	   *copy = pstrdup(string);

	if (!pg_verifymbstr(copy, strlen(copy), true))
	{
		for (char *c = copy; *c != '\0'; c++)
		{
			if (IS_HIGHBIT_SET(*c))
				*c = '?';
		}
	}
	return CStringGetTextDatum(copy);
}

/* Make a row of a line. */
static void
add_row(ReturnSetInfo *rsinfo, const char *line)
{
	Datum		values[3];
	bool		nulls[3] = {false};

	values[1] = BoolGetDatum(*get_string(&line) == 't');
	values[0] = safe_text(get_string(&line));
	values[2] = safe_text(get_string(&line));
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* check_server(server name) */
Datum
evaudit_check_server(PG_FUNCTION_ARGS)
{
	char	   *server = NameStr(*PG_GETARG_NAME(0));
	dsm_segment *segment;
	shm_mq	   *queue;
	shm_mq_handle *lines;
	Size		len;
	void	   *line;

	InitMaterializedSRF(fcinfo, 0);
	segment = make_segment(evaudit_probe_make(server), &queue);
	lines = shm_mq_attach(queue, segment, start_process(segment));
	for (;;)
	{
		if (shm_mq_receive(lines, &len, &line, false) != SHM_MQ_SUCCESS)
			ereport(ERROR,
					(errcode(ERRCODE_CONNECTION_FAILURE),
					 errmsg("the background worker that checks server \"%s\" exited before it was done",
							server)));
		if (len == strlen(THE_END))
			break;
		add_row((ReturnSetInfo *) fcinfo->resultinfo, line);
	}
	dsm_detach(segment);
	return (Datum) 0;
}
