/*-------------------------------------------------------------------------
 *
 * retention_window.c
 *	  What a rule of retention does to the window in which ids of events are
 *	  remembered.
 *
 * A kept event is what its id is remembered by.  The topic option
 * "dedup_window" says for how long that must be: a rule for the topic that
 * says less is refused, and one for all topics keeps this topic's events for
 * longer and says so.  Where no topic says anything the rule itself shortens
 * the window, and that is said, too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "operations/retention.h"
#include "server/spi.h"

/* Most topics that a notice names. */
#define MAX_NAMES	"10"

/* Topics of one kind that a rule concerns. */
typedef struct Topics
{
	int64		n;
	char	   *names;			/* of some of them */
} Topics;

/* What a rule is to the topics that keep events and have no other rule. */
typedef struct Window
{
	Topics		longer;			/* their window is longer than "keep" */
	Topics		none;			/* they have none */
} Window;

/* Read which topics a rule for events concerns. */
static void
read_window(const char *what, const Interval *keep, Window *window)
{
	/* FALSE: the window is shorter than "keep" */
	static EvauditStatement statement = {
		"WITH t AS (SELECT t.name,"
		" (t.options ->> 'dedup_window')::interval > $2 AS longer,"
		" row_number() OVER (PARTITION BY"
		" (t.options ->> 'dedup_window')::interval > $2"
		" ORDER BY t.name) AS n"
		" FROM evaudit.topics t WHERE t.options @> '{\"keep\": true}'"
		" AND CASE WHEN $1 = 'events'"
		" THEN NOT EXISTS (SELECT FROM evaudit.retention r"
		" WHERE r.what = '" EVAUDIT_EVENTS_OF "' || t.name)"
		" ELSE $1 = '" EVAUDIT_EVENTS_OF "' || t.name END)"
		" SELECT count(*) FILTER (WHERE longer),"
		" coalesce(string_agg(quote_ident(name), ', ' ORDER BY n)"
		" FILTER (WHERE longer AND n <= " MAX_NAMES "), ''),"
		" count(*) FILTER (WHERE longer IS NULL),"
		" coalesce(string_agg(quote_ident(name), ', ' ORDER BY n)"
		" FILTER (WHERE longer IS NULL AND n <= " MAX_NAMES "), '') FROM t",
		2, {TEXTOID, INTERVALOID}
	};
	enum
	{
		LONGER,
		LONGER_NAMES,
		NONE,
		NONE_NAMES
	};
	Datum		values[] = {
		CStringGetTextDatum(what), IntervalPGetDatum(keep)
	};
	MemoryContext context = CurrentMemoryContext;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	evaudit_spi_execute(&statement, values, NULL);
	window->longer.n = evaudit_spi_int64(0, LONGER);
	window->longer.names = MemoryContextStrdup(context,
											   evaudit_spi_text(0, LONGER_NAMES));
	window->none.n = evaudit_spi_int64(0, NONE);
	window->none.names = MemoryContextStrdup(context,
											 evaudit_spi_text(0, NONE_NAMES));
	evaudit_spi_end(&spi);
}

/* Refuse a rule that says less than its topic's window; say what it does. */
void
evaudit_retention_check_window(const char *what, const Interval *keep)
{
	bool		of_all = strcmp(what, "events") == 0;
	Window		window;

	if (!of_all &&
		strncmp(what, EVAUDIT_EVENTS_OF, strlen(EVAUDIT_EVENTS_OF)) != 0)
		return;
	read_window(what, keep, &window);
	if (window.longer.n > 0 && !of_all)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("events of topic \"%s\" cannot be kept for less than its \"dedup_window\"",
						what + strlen(EVAUDIT_EVENTS_OF)),
				 errhint("Keep them for longer, or alter the topic.")));
	if (window.longer.n > 0)
		ereport(NOTICE,
				(errmsg_plural("events of " INT64_FORMAT " topic are kept for longer, for its \"dedup_window\"",
							   "events of " INT64_FORMAT " topics are kept for longer, for their \"dedup_window\"",
							   (unsigned long) window.longer.n,
							   window.longer.n),
				 errdetail("Topics: %s.", window.longer.names)));
	if (window.none.n > 0)
		ereport(NOTICE,
				(errmsg_plural("event ids of " INT64_FORMAT " topic are not remembered for longer than its events are kept",
							   "event ids of " INT64_FORMAT " topics are not remembered for longer than their events are kept",
							   (unsigned long) window.none.n, window.none.n),
				 errdetail("Topics: %s.", window.none.names),
				 errhint("The topic option \"dedup_window\" says for how long they have to be.")));
}
