/*-------------------------------------------------------------------------
 *
 * segment_events.c
 *	  Event trigger: DDL that the segments of audit have to do with.
 *
 * The server leaves the partitions of a table with their owner when the table
 * is given to another, who then could neither alter it nor add a trigger: they
 * are given to him as well.
 *
 * A publication of all tables is one of the partitions, each by its own name,
 * unless it says publish_via_partition_root.  Segments are made on each server
 * by itself: a subscriber would not have those that it is sent rows of.  So a
 * publication that has some publishes partitioned tables as such, unless its
 * command says otherwise.
 *
 * A subscription of audit brings rows of any time (segment_times.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/event_trigger.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"

#include "audit/audit_log.h"
#include "audit/segment_make.h"
#include "audit/segment_times.h"
#include "server/spi.h"
#include "server/trigger.h"

#define VIA_ROOT	"publish_via_partition_root"

PG_FUNCTION_INFO_V1(evaudit_keep_segments);

/* Give the partitions of audit to its owner, if a command made another. */
static void
keep_owner(const AlterTableStmt *statement)
{
	ListCell   *cell;

	foreach(cell, statement->cmds)
	{
		Oid			relid;

		if (lfirst_node(AlterTableCmd, cell)->subtype != AT_ChangeOwner)
			continue;
		relid = RangeVarGetRelid(statement->relation, AccessShareLock, true);
		if (OidIsValid(relid) && relid == evaudit_audit_relid())
			evaudit_segments_give(relid);
	}
}

/* Does a publication have partitions of audit under their own names? */
static bool
publishes_segments(const char *publication)
{
	static EvauditStatement find = {
		"SELECT EXISTS (SELECT FROM pg_publication p,"
		" pg_get_publication_tables(p.pubname) t, pg_partition_tree($2) s"
		" WHERE p.pubname = $1::name AND NOT p.pubviaroot"
		" AND s.relid = t.relid AND s.relid <> $2)",
		2, {TEXTOID, REGCLASSOID}
	};
	Datum		values[] = {CStringGetTextDatum(publication),
	ObjectIdGetDatum(evaudit_audit_relid())};
	EvauditSpi	spi;
	bool		result;

	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&find, values, NULL);
	result = evaudit_spi_bool(0, 0);
	evaudit_spi_end(&spi);
	return result;
}

/* Does a command say how partitioned tables are published? */
static bool
says_how(List *options)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		if (strcmp(lfirst_node(DefElem, cell)->defname, VIA_ROOT) == 0)
			return true;
	}
	return false;
}

/* Have a publication publish audit, not its partitions. */
static void
keep_published(const char *publication, List *options)
{
	if (!publishes_segments(publication))
		return;
	if (says_how(options))
	{
		ereport(WARNING,
				(errmsg("publication \"%s\" publishes each partition of table \"audit\" by itself",
						publication),
				 errdetail("A subscriber does not have the same partitions."),
				 errhint("Use ALTER PUBLICATION with SET (" VIA_ROOT " = true).")));
		return;
	}
	SPI_connect();
	if (SPI_execute(psprintf("ALTER PUBLICATION %s SET (" VIA_ROOT " = true)",
							 quote_identifier(publication)), false, 0) < 0)
		elog(ERROR, "could not alter publication \"%s\"", publication);
	SPI_finish();
	ereport(NOTICE,
			(errmsg("publication \"%s\" publishes partitioned tables as such",
					publication),
			 errdetail("A subscriber does not have the same partitions of table \"audit\".")));
}

/*
 * SQL: evaudit.keep_segments() RETURNS event_trigger
 *
 * After ALTER TABLE, and what creates or alters a publication or subscription.
 */
Datum
evaudit_keep_segments(PG_FUNCTION_ARGS)
{
	EventTriggerData *data = evaudit_event_trigger(fcinfo, "ddl_command_end");
	Node	   *command = data->parsetree;

	if (IsA(command, AlterTableStmt))
		keep_owner((AlterTableStmt *) command);
	else if (IsA(command, CreatePublicationStmt))
		keep_published(((CreatePublicationStmt *) command)->pubname,
					   ((CreatePublicationStmt *) command)->options);
	else if (IsA(command, AlterPublicationStmt))
		keep_published(((AlterPublicationStmt *) command)->pubname,
					   ((AlterPublicationStmt *) command)->options);
	else if ((IsA(command, CreateSubscriptionStmt) ||
			  IsA(command, AlterSubscriptionStmt)) &&
			 evaudit_audit_is_subscribed(evaudit_audit_relid()))
		evaudit_segments_forget_times(evaudit_audit_relid());
	PG_RETURN_NULL();
}
