/*-------------------------------------------------------------------------
 *
 * alert_report.c
 *	  Telling that an alert begins or ends: log, NOTIFY, topic "alerts".
 *
 * All of it is part of the transaction that changes evaudit.alert_state, but
 * for the line in the log.  Any role may LISTEN: a notification has the name
 * of what it is about, never a text.  The event in the topic "alerts" has all,
 * for who may read it: a sink of that topic takes a member of pg_monitor.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "events/outbox.h"
#include "operations/alerts.h"
#include "server/spi.h"

/* The channel of notifications. */
#define CHANNEL			"evaudit_alerts"

/* Most changes of a rule's alerts in a minute that are logged and notified. */
#define MAX_PER_MINUTE	10

/* What was told of a rule in a minute. */
typedef struct Told
{
	TimestampTz minute;
	int			n;				/* also those that were not */
} Told;

static Told told[EVAUDIT_MAX_ALERT_RULES];

/*
 * A minute is over: log how many changes of a rule were not told in it.  True
 * if it is not over, and there are such.
 */
static bool
count_untold(int rule, TimestampTz minute)
{
	int			untold = told[rule].n - MAX_PER_MINUTE;

	if (told[rule].minute == minute)
		return untold > 0;
	if (untold > 0)
		ereport(LOG,
				(errmsg("%d more changes of alert \"%s\" were not reported",
						untold, evaudit_alert_rules[rule].name),
				 errdetail_log("alert=\"%s\"",
							   evaudit_alert_rules[rule].name)));
	told[rule].minute = minute;
	told[rule].n = 0;
	return false;
}

/* The same of all rules; true if there is a minute to wait for. */
bool
evaudit_alert_count_untold(void)
{
	TimestampTz minute = GetCurrentTimestamp() / USECS_PER_MINUTE;
	bool		waits = false;

	for (int i = 0; i < evaudit_nalert_rules; i++)
		waits |= count_untold(i, minute);
	return waits;
}

/* Whether one more change of a rule may be told in this minute. */
static bool
may_tell(const EvauditAlert *alert)
{
	int			rule = alert->rule - evaudit_alert_rules;

	(void) count_untold(rule, alert->at / USECS_PER_MINUTE);
	return told[rule].n++ < MAX_PER_MINUTE;
}

/* What is told of an alert, and an id for it; within a connection to SPI. */
static Jsonb *
document(const EvauditAlert *alert, char **id)
{
	static EvauditStatement make = {
		"SELECT jsonb_build_object('name', $1, 'subject', $2, 'state', $3,"
		" 'severity', $4, 'since', $5, 'at', $6, 'value', $7, 'detail', $8,"
		" 'hint', $9), gen_random_uuid()::text",
		9, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
		FLOAT8OID, TEXTOID, TEXTOID}
	};
	Datum		values[] = {
		CStringGetTextDatum(alert->rule->name),
		CStringGetTextDatum(alert->subject),
		CStringGetTextDatum(alert->begins ? "begin" : "end"),
		CStringGetTextDatum(alert->severity),
		TimestampTzGetDatum(alert->since),
		TimestampTzGetDatum(alert->at),
		Float8GetDatum(alert->value),
		CStringGetTextDatum(alert->detail),
		CStringGetTextDatum(alert->rule->hint)
	};

	(void) evaudit_spi_execute(&make, values, NULL);
	*id = evaudit_spi_text(0, 1);
	return evaudit_spi_jsonb(0, 0);
}

/* Log and notify. */
static void
tell(const EvauditAlert *alert, Jsonb *doc)
{
	static EvauditStatement notify = {
		"SELECT pg_notify('" CHANNEL "', ($1 - 'detail' - 'hint')::text)",
		1, {JSONBOID}
	};
	Datum		value = JsonbPGetDatum(doc);

	ereport(LOG,
			(errmsg("alert \"%s\" %s: %s", alert->rule->name,
					alert->begins ? "begins" : "ends", alert->subject),
			 errdetail_log("alert=\"%s\" subject=\"%s\" severity=%s value=%g: %s",
						   alert->rule->name, alert->subject, alert->severity,
						   alert->value, alert->detail)));
	(void) evaudit_spi_execute(&notify, &value, NULL);
}

/* Whether there is a sink of the topic. */
static bool
has_sink(void)
{
	static EvauditStatement ask = {
		"SELECT EXISTS (SELECT FROM evaudit.sinks"
		" WHERE evaudit.sink_wants(topics, 'alerts'))"
	};

	(void) evaudit_spi_execute(&ask, NULL, NULL);
	return evaudit_spi_bool(0, 0);
}

/*
 * Tell that an alert begins or ends, in the transaction that makes it so and
 * within a connection to SPI.
 */
void
evaudit_alert_report(const EvauditAlert *alert)
{
	static const EvauditTopic topic = {.name = "alerts",.has_sink = true};
	char	   *id;
	Jsonb	   *doc = document(alert, &id);

	if (may_tell(alert))
		tell(alert, doc);
	if (has_sink())
	{
		EvauditEvent event = {
			.document = doc,
			.event_id = cstring_to_text(id),
			.payload_key = cstring_to_text(alert->subject),
			.event_time = alert->at,
			.granted = true,
		};
		EvauditEvent *events[] = {&event};

		evaudit_outbox_add(&topic, events, 1, alert->at);
	}
}
