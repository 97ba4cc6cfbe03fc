/*-------------------------------------------------------------------------
 *
 * workers.h
 *	  The processes of evaudit: one launcher for the server, one scheduler
 *	  for each database with active sources, workers for each source.
 *
 * Each process is crash-only.  It keeps no state that another could not find
 * in the tables; what it cannot handle is an ERROR that ends it, and the one
 * above starts it again after a pause.
 *
 *		launcher	  knows databases		ended by it: no process
 *		  scheduler	  knows sources			comes and goes with them
 *			worker	  reads one source		ends when its source changes
 *			fetcher	  fetches keys			ends when it has them
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_WORKERS_H
#define EVAUDIT_WORKERS_H

#include "postmaster/bgworker.h"
#include "server/shmem.h"

/* What a worker is told in bgw_extra. */
typedef struct EvauditWorkerOrder
{
	Oid			database;
	Oid			owner;			/* the role to run as */
	int64		source_id;
	int32		worker;			/* from 0 */
	int32		nworkers;
	pid_t		scheduler;		/* who tends it */
} EvauditWorkerOrder;

StaticAssertDecl(sizeof(EvauditWorkerOrder) <= BGW_EXTRALEN,
				 "a worker's order must fit into bgw_extra");

/* What a key fetcher is told there. */
typedef struct EvauditFetcherOrder
{
	Oid			database;
	bool		wanted;			/* fetch what somebody asked for, too */
} EvauditFetcherOrder;

extern int	evaudit_reloads;

extern void evaudit_launcher_init(void);
extern void evaudit_database_ddl_init(void);

extern void evaudit_prepare_worker(BackgroundWorker *worker,
								   const char *type, const char *function);
extern void evaudit_begin_process(void);
extern void evaudit_set_up_session(void);
extern bool evaudit_wait(long timeout);
extern bool evaudit_end_process(pid_t pid);
extern int	evaudit_end_workers(Oid database);

PGDLLEXPORT extern void evaudit_launcher_main(Datum arg);
PGDLLEXPORT extern void evaudit_scheduler_main(Datum arg);
PGDLLEXPORT extern void evaudit_worker_main(Datum arg);
PGDLLEXPORT extern void evaudit_check_main(Datum arg);
PGDLLEXPORT extern void evaudit_fetcher_main(Datum arg);

#endif							/* EVAUDIT_WORKERS_H */
