/*-------------------------------------------------------------------------
 *
 * topic.c
 *	  Topics: evaudit.topics.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "events/topic.h"
#include "platform/spi.h"
#include "platform/trigger.h"

PG_FUNCTION_INFO_V1(evaudit_restore_topic);

/*
 * Load a topic into the current memory context, within a transaction.  If
 * there is none: NULL, or an ERROR.
 */
const EvauditTopic *
evaudit_topic_load(const char *name, bool missing_ok)
{
	static EvauditStatement load = {
		"SELECT options FROM evaudit.topics WHERE name = $1", 1, {TEXTOID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		value = CStringGetTextDatum(name);
	EvauditTopic *topic = NULL;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	if (evaudit_spi_execute(&load, &value, NULL) > 0)
	{
		bool		isnull;
		Datum		options = evaudit_spi_datum(0, 0, &isnull);

		MemoryContextSwitchTo(context);
		topic = palloc0(sizeof(EvauditTopic));
		topic->name = pstrdup(name);
		topic->mapping = evaudit_mapping_compile(DatumGetJsonbP(options));
	}
	evaudit_spi_end(&spi);

	if (topic == NULL && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("topic \"%s\" does not exist", name)));
	return topic;
}

/*
 * Trigger before INSERT on evaudit.topics of a row that comes from a dump: if
 * the extension brought the topic along, set its options instead.
 */
Datum
evaudit_restore_topic(PG_FUNCTION_ARGS)
{
	static EvauditStatement alter = {
		"UPDATE evaudit.topics SET options = $2 WHERE name = $1",
		2, {TEXTOID, JSONBOID}
	};
	TriggerData *trigger = evaudit_before_insert(fcinfo);
	Datum		values[2];
	char		nulls[2];
	uint64		altered;
	EvauditSpi	spi;

	evaudit_trigger_values(trigger, 2, values, nulls);
	evaudit_spi_begin(&spi);
	altered = evaudit_spi_execute(&alter, values, nulls);
	evaudit_spi_end(&spi);
	return PointerGetDatum(altered > 0 ? NULL : trigger->tg_trigtuple);
}
