/*-------------------------------------------------------------------------
 *
 * database_ddl.c
 *	  Making way for commands that need a database without sessions.
 *
 * DROP DATABASE, CREATE DATABASE ... TEMPLATE, and ALTER DATABASE with RENAME
 * or SET TABLESPACE wait for other sessions and give up; ours would stay for
 * ever.  Before such a command the processes of that database are ended, and
 * none is started until it is over.  The command itself checks all that it
 * checked before; here only those who could succeed may end anything.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_database.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/latch.h"
#include "tcop/utility.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "runtime/workers.h"
#include "server/commit_wakeup.h"
#include "server/compat.h"

/* How long to wait until the processes of a database are gone, milliseconds. */
#define LEAVE_TIMEOUT	10000

static ProcessUtility_hook_type previous_hook = NULL;

/* The template that CREATE DATABASE copies. */
static const char *
template_name(const CreatedbStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, "template") == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return "template1";
}

/* Whether ALTER DATABASE moves the database to another tablespace. */
static bool
sets_tablespace(const AlterDatabaseStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->options)
	{
		if (strcmp(lfirst_node(DefElem, lc)->defname, "tablespace") == 0)
			return true;
	}
	return false;
}

/* The database that a command needs without sessions, or NULL. */
static const char *
database_needed(Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_DropdbStmt:
			return ((DropdbStmt *) stmt)->dbname;
		case T_CreatedbStmt:
			return template_name((CreatedbStmt *) stmt);
		case T_AlterDatabaseStmt:
			return sets_tablespace((AlterDatabaseStmt *) stmt) ?
				((AlterDatabaseStmt *) stmt)->dbname : NULL;
		case T_RenameStmt:
			return ((RenameStmt *) stmt)->renameType == OBJECT_DATABASE ?
				((RenameStmt *) stmt)->subname : NULL;
		default:
			return NULL;
	}
}

/* Whether the current user might be allowed to do it. */
static bool
may_need(Oid database)
{
	HeapTuple	tuple;
	bool		is_template;

	if (evaudit_compat_database_ownercheck(database, GetUserId()))
		return true;
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	if (!HeapTupleIsValid(tuple))
		return false;
	is_template = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
	ReleaseSysCache(tuple);
	return is_template && evaudit_compat_may_create_databases();
}

/* Have all processes of evaudit in a database end; returns how many there are. */
static int
end_processes(Oid database)
{
	EvauditDatabase *slot;
	int			n = 0;

	LWLockAcquire(evaudit_shared->lock, LW_SHARED);
	slot = evaudit_find_database(database);
	if (slot != NULL)
		n = evaudit_end_process(slot->scheduler) +
			evaudit_end_process(slot->fetcher);
	LWLockRelease(evaudit_shared->lock);
	return n + evaudit_end_workers(database);
}

/* Say who holds a database; 0 for nobody. */
static void
set_holder(Oid database, pid_t pid)
{
	EvauditDatabase *slot;
	pid_t		launcher;

	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	slot = evaudit_find_database(database);
	if (slot != NULL)
		slot->held_by = pid;
	launcher = evaudit_shared->launcher;
	LWLockRelease(evaudit_shared->lock);
	if (pid == 0)
		evaudit_wake_process(launcher);
}

/* Keep the processes of evaudit out of a database, and wait until they are. */
static void
hold_database(Oid database)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													   LEAVE_TIMEOUT);

	set_holder(database, MyProcPid);
	while (end_processes(database) > 0 && GetCurrentTimestamp() < deadline)
	{
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 20, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Hold the database that a command needs, for as long as the command runs. */
static void
process_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *environment, DestReceiver *dest,
				QueryCompletion *completion)
{
	const char *name = database_needed(pstmt->utilityStmt);
	Oid			database = name == NULL ? InvalidOid :
		get_database_oid(name, true);
	ProcessUtility_hook_type next = previous_hook ? previous_hook :
		standard_ProcessUtility;

	if (!OidIsValid(database) || !may_need(database))
	{
		next(pstmt, query, read_only_tree, context, params, environment,
			 dest, completion);
		return;
	}

	PG_TRY();
	{
		hold_database(database);
		next(pstmt, query, read_only_tree, context, params, environment,
			 dest, completion);
	}
	PG_FINALLY();
	{
		set_holder(database, 0);
	}
	PG_END_TRY();
}

/* Watch for such commands; only under preload. */
void
evaudit_database_ddl_init(void)
{
	previous_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
