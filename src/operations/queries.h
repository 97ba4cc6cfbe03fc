/*-------------------------------------------------------------------------
 *
 * queries.h
 *	  What the queries of operations have in common.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_QUERIES_H
#define EVAUDIT_QUERIES_H

/* How long a query may wait for a lock: one that is locked is left out. */
#define EVAUDIT_LOCK_TIMEOUT	"100ms"

/*
 * (n, m): how many slots of max_worker_processes are in use, and how many
 * there are.  What is not a background worker is named: their types are free.
 */
#define EVAUDIT_WORKERS_IN_USE \
	"SELECT count(*)::float8 AS n," \
	" current_setting('max_worker_processes')::float8 AS m" \
	" FROM pg_stat_activity WHERE backend_type NOT IN (" \
	"'client backend', 'autovacuum launcher', 'autovacuum worker'," \
	" 'background writer', 'checkpointer', 'walwriter', 'walsender'," \
	" 'walreceiver', 'startup', 'archiver', 'standalone backend'," \
	" 'io worker', 'slotsync worker', 'walsummarizer')"

#endif							/* EVAUDIT_QUERIES_H */
