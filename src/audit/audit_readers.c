/*-------------------------------------------------------------------------
 *
 * audit_readers.c
 *	  Waking the sinks that read the audit.
 *
 * Whether there is any is kept for the session, until evaudit.sinks changes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "audit/audit_log.h"
#include "runtime/wakeup.h"
#include "server/spi.h"
#include "server/table_watch.h"

/* Whether a sink sends what is written to audit. */
static bool
has_reader(void)
{
	static EvauditWatch sinks = {.table = "sinks"};
	static EvauditStatement find = {
		"SELECT EXISTS (SELECT FROM evaudit.sinks WHERE 'audit' = ANY (topics))"
	};
	static bool found = false;
	EvauditSpi	spi;

	if (!evaudit_watch_changed(&sinks))
		return found;
	evaudit_spi_begin(&spi);
	(void) evaudit_spi_read_latest(&find, NULL, NULL);
	found = evaudit_spi_bool(0, 0);
	evaudit_spi_end(&spi);
	return found;
}

/* A row is written: wake who sends it, when the transaction commits. */
void
evaudit_audit_wake_readers(void)
{
	if (has_reader())
		evaudit_wake_processes_at_commit();
}
