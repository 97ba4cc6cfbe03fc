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

#include <signal.h>

#include "access/htup_details.h"
#include "catalog/pg_database.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/utility.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "runtime/runtime.h"
#include "server/compat.h"
#include "server/wait.h"

/* How long to wait until the processes of a database are gone, milliseconds. */
#define END_TIMEOUT		10000

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
	EvauditDatabaseSlot *slot;
	int			n;

	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	n = evaudit_end_processes(database);
	slot = evaudit_find_database(database);
	if (slot != NULL && slot->scheduler != NULL)
	{
		kill(slot->scheduler->pid, SIGTERM);
		n++;
	}
	LWLockRelease(evaudit_runtime->lock);
	return n;
}

/* Let no process of evaudit attach in a database until it is released. */
static bool
hold_database(Oid database)
{
	EvauditDatabaseSlot *slot;

	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	slot = evaudit_find_database(database);
	if (slot != NULL)
		slot->holders++;
	LWLockRelease(evaudit_runtime->lock);
	return slot != NULL;
}

/* Undo that, also when the session ends; the launcher starts a scheduler. */
static void
release_database(int code, Datum arg)
{
	EvauditDatabaseSlot *slot;

	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	slot = evaudit_find_database(DatumGetObjectId(arg));
	slot->holders--;
	if (evaudit_runtime->launcher != NULL)
		SetLatch(&evaudit_runtime->launcher->procLatch);
	LWLockRelease(evaudit_runtime->lock);
}

/* Wait until the processes of evaudit in a database are gone. */
static void
empty_database(Oid database)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													   END_TIMEOUT);

	while (end_processes(database) > 0 && GetCurrentTimestamp() < deadline)
		(void) evaudit_wait(20);
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

	if (!OidIsValid(database) || !may_need(database) ||
		!hold_database(database))
	{
		next(pstmt, query, read_only_tree, context, params, environment,
			 dest, completion);
		return;
	}

	PG_ENSURE_ERROR_CLEANUP(release_database, ObjectIdGetDatum(database));
	{
		empty_database(database);
		next(pstmt, query, read_only_tree, context, params, environment,
			 dest, completion);
	}
	PG_END_ENSURE_ERROR_CLEANUP(release_database, ObjectIdGetDatum(database));
	release_database(0, ObjectIdGetDatum(database));
}

/* Watch for such commands; only under preload. */
void
evaudit_database_ddl_init(void)
{
	previous_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
