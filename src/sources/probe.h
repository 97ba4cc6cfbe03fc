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

/*
 * What is to be checked.  It holds all that a process without a connection to the
 * database needs.
 */
typedef struct EvauditProbe
{
	const char *kind;			/* EvauditSourceKind.name */
	List	   *options;		/* of the server and the user mapping */
	bool		ambient;		/* may use the server's own credentials */
	List	   *streams;		/* EvauditProbeStream */

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

/* kafka_probe.c, sqs_probe.c */
extern void evaudit_kafka_source_probe(EvauditProbe *probe);
extern void evaudit_sqs_probe(EvauditProbe *probe);

#endif							/* EVAUDIT_PROBE_H */
