/*-------------------------------------------------------------------------
 *
 * runtime.h
 *	  The processes of evaudit: one launcher for the server, one scheduler
 *	  for each database with jobs, processes for each job.
 *
 * Each process is crash-only.  It keeps no state that another could not find
 * in the tables; what it cannot handle is an ERROR that ends it, and the one
 * above starts it again after a pause.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_RUNTIME_H
#define EVAUDIT_RUNTIME_H

#include "runtime/slots.h"

/* What the process of a job is told in bgw_extra. */
typedef struct EvauditProcessArgs
{
	Oid			database;
	Oid			owner;			/* the role to run as */
	int64		id;				/* of the job */
	int32		kind;
	int32		number;			/* of the process, from 0 */
	int32		nprocesses;
	uint32		generation;		/* of its EvauditProcessSlot */
	uint32		arg;			/* of evaudit_start_process() */
	bool		requested;
} EvauditProcessArgs;

StaticAssertDecl(sizeof(EvauditProcessArgs) <= BGW_EXTRALEN,
				 "what a process is told must fit into bgw_extra");

/* Settings, in runtime.c */
extern int	evaudit_max_backoff;
extern int	evaudit_max_workers_per_role;
extern int	evaudit_reserved_worker_slots;

/* runtime.c */
extern void evaudit_runtime_init(void);
extern void evaudit_prepare_worker(BackgroundWorker *worker, const char *type,
								   const char *function);
extern void evaudit_begin_process(void);
extern void evaudit_set_up_session(void);
extern MemoryContext evaudit_process_context(void);

/* launcher.c, database_ddl.c */
extern void evaudit_launcher_init(void);
extern void evaudit_database_ddl_init(void);

PGDLLEXPORT extern void evaudit_launcher_main(Datum arg);
PGDLLEXPORT extern void evaudit_scheduler_main(Datum arg);
PGDLLEXPORT extern void evaudit_process_main(Datum arg);

#endif							/* EVAUDIT_RUNTIME_H */
