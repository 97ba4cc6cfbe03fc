/*-------------------------------------------------------------------------
 *
 * probe.h
 *	  Checking whether a server can be used, for check_server().
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_PROBE_H
#define EVAUDIT_PROBE_H

#include "nodes/pg_list.h"

/* A topic or queue that a source of the server reads. */
typedef struct EvauditProbeStream
{
	char	   *name;
	int			visibility;		/* seconds, if the source sets it; else 0 */
} EvauditProbeStream;

/* A sink that sends to the server. */
typedef struct EvauditProbeSink
{
	char	   *name;
	char	   *kind;			/* EvauditSinkKind.name */
	char	   *options;		/* of the sink, as JSON */
} EvauditProbeSink;

/*
 * What is to be checked.  It holds all that a process without a connection to the
 * database needs.
 */
typedef struct EvauditProbe
{
	const char *wrapper;		/* foreign data wrapper of the server */
	List	   *options;		/* of the server and the user mapping */
	bool		ambient;		/* may use the server's own credentials */
	List	   *streams;		/* EvauditProbeStream */
	List	   *sinks;			/* EvauditProbeSink */

	/* takes a line of the result */
	void		(*report) (void *arg, const char *check, bool ok,
						   const char *detail);
	void	   *arg;
} EvauditProbe;

extern EvauditProbe *evaudit_probe_make(const char *server);
extern void evaudit_probe_run(EvauditProbe *probe);
extern void evaudit_probe_report(EvauditProbe *probe, bool ok,
								 const char *check, const char *fmt,...)
			pg_attribute_printf(4, 5);

/* sink_probe.c */
extern void evaudit_probe_add_sinks(EvauditProbe *probe, const char *server);
extern void evaudit_probe_run_sinks(EvauditProbe *probe);

/* kafka_probe.c, sqs_probe.c */
extern void evaudit_kafka_source_probe(EvauditProbe *probe);
extern void evaudit_sqs_probe(EvauditProbe *probe);

#endif							/* EVAUDIT_PROBE_H */
