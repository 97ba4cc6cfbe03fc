/*-------------------------------------------------------------------------
 *
 * evaudit.c
 *	  Entry point of the extension: what is set up when the library loads.
 *
 * The library is loaded in two ways.  From shared_preload_libraries it also
 * reserves shared memory and registers the launcher, so that jobs run; loaded
 * on the first call of one of its functions it only defines settings.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "audit/capture.h"
#include "auth/issuer_fetch.h"
#include "events/topic_stats.h"
#include "http/settings.h"
#include "operations/operations.h"
#include "runtime/runtime.h"
#include "server/counters.h"
#include "server/foreign_options.h"
#include "server/progress.h"
#include "sinks/sink.h"
#include "sources/source.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

/* Let each room define its settings, jobs and shared memory. */
void
_PG_init(void)
{
	evaudit_foreign_options_init();
	evaudit_progress_init();
	evaudit_counters_init();
	evaudit_runtime_init();
	evaudit_events_init();
	evaudit_sinks_init();
	evaudit_sources_init();
	evaudit_auth_init();
	evaudit_audit_init();
	evaudit_http_init();
	evaudit_operations_init();
	/* last: settings that are in use but not defined by now are removed */
	MarkGUCPrefixReserved("evaudit");
}
