/*-------------------------------------------------------------------------
 *
 * restore.c
 *	  Restoring configuration from a dump without auditing it anew.
 *
 * pg_dump carries the rows of configuration under the name of an empty
 * table, evaudit.configuration_dump (sql/restore.sql); its trigger puts them
 * where they belong.  The audit rows of how they came to be are in the same
 * dump already.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/lsyscache.h"

#include "audit/capture.h"
#include "server/extension.h"
#include "server/spi.h"
#include "server/trigger.h"

PG_FUNCTION_INFO_V1(evaudit_restore_configuration);

static EvauditStatement insert = {
	"INSERT INTO $S.configuration (key, value) VALUES ($1, $2)",
	2, {TEXTOID, JSONBOID}
};

/*
 * Insert one row into configuration, with capture suspended, as its owner,
 * whose triggers may be on it.
 */
static void
insert_unaudited(Datum *values, const char *nulls)
{
	EvauditSpi	spi;

	evaudit_spi_begin_on(&spi, get_relname_relid("configuration",
												 evaudit_extension_schema()));
	evaudit_capture_suspended = true;
	PG_TRY();
	{
		(void) evaudit_spi_execute(&insert, values, nulls);
	}
	PG_FINALLY();
	{
		evaudit_capture_suspended = false;
	}
	PG_END_TRY();
	evaudit_spi_end(&spi);
}

/* Trigger before INSERT on evaudit.configuration_dump: keeps it empty. */
Datum
evaudit_restore_configuration(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = evaudit_own_trigger(fcinfo, "configuration_dump",
											   "restore_configuration",
											   EVAUDIT_BEFORE_INSERT);
	Datum		values[2];
	char		nulls[2];

	evaudit_trigger_values(trigger, 2, insert.types, values, nulls);
	insert_unaudited(values, nulls);
	return PointerGetDatum(NULL);
}
