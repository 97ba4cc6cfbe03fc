/*-------------------------------------------------------------------------
 *
 * evaudit.c
 *	  Entry point of the extension: what is set up when the library loads.
 *
 * The library is loaded in two ways.  From shared_preload_libraries it also
 * reserves shared memory and registers the launcher, so that sources run;
 * loaded on the first call of one of its functions it only defines settings.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "audit/capture.h"
#include "http/settings.h"
#include "runtime/workers.h"
#include "server/config.h"
#include "server/foreign_options.h"
#include "server/shmem.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

/* Define the settings, and under preload the shared parts of the server. */
void
_PG_init(void)
{
	evaudit_foreign_options_init();
	evaudit_config_init();
	evaudit_audit_init();
	evaudit_http_init();
	if (process_shared_preload_libraries_in_progress)
	{
		evaudit_shmem_init();
		evaudit_launcher_init();
		evaudit_database_ddl_init();
	}
	/* last: settings that are in use but not defined by now are removed */
	MarkGUCPrefixReserved("evaudit");
}
