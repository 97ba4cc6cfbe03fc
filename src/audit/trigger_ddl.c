/*-------------------------------------------------------------------------
 *
 * trigger_ddl.c
 *	  Commands that put capture triggers onto tables, and take them off.
 *
 * They are run by SPI, which the caller has connected to, with the rights of
 * the current user.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "audit/trigger_ddl.h"

/* Run one command, whose parts are quoted already. */
static void
execute(const char *command)
{
	int			result = SPI_execute(command, false, 0);

	if (result < 0)
		elog(ERROR, "could not execute \"%s\": %s", command,
			 SPI_result_code_string(result));
}

/* The name of a table as a command may use it under any search_path. */
static char *
qualified_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  get_rel_name(relid));
}

/* What CREATE TRIGGER says of each kind of trigger. */
static const char *const definitions[EVAUDIT_CAPTURE_KINDS][2] = {
	{"AFTER INSERT OR UPDATE OR DELETE",
	"FOR EACH ROW EXECUTE FUNCTION evaudit.capture"},
	{"BEFORE TRUNCATE",
	"FOR EACH STATEMENT EXECUTE FUNCTION evaudit.capture_truncate"},
};

/* Have a trigger fire for replicated changes too. */
void
evaudit_trigger_enable(Oid relid, EvauditCaptureKind kind)
{
	execute(psprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER \"%s\"",
					 qualified_name(relid), evaudit_capture_names[kind]));
}

/* Put a trigger onto a table, or another one in its place. */
void
evaudit_trigger_put(Oid relid, EvauditCaptureKind kind, const char *argument)
{
	execute(psprintf("CREATE OR REPLACE TRIGGER \"%s\" %s ON %s %s(%s)",
					 evaudit_capture_names[kind], definitions[kind][0],
					 qualified_name(relid), definitions[kind][1],
					 argument ? quote_literal_cstr(argument) : ""));
	evaudit_trigger_enable(relid, kind);
}

/* Take a trigger off a table. */
void
evaudit_trigger_drop(Oid relid, const char *trigger)
{
	execute(psprintf("DROP TRIGGER %s ON %s", quote_identifier(trigger),
					 qualified_name(relid)));
}
