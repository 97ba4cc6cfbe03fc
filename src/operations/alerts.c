/*-------------------------------------------------------------------------
 *
 * alerts.c
 *	  Evaluating the rules of evaudit.alert_rules.
 *
 * The scheduler of a database does so every few seconds.  What has been found
 * by a rule for as long as the rule holds becomes an alert, a row of
 * evaudit.alert_state, which is what the view evaudit.alerts shows; it ends
 * when it has not been found for as long.  An alert that is there also stays
 * while its value is within a fifth of the threshold, so that one which moves
 * about there does not begin and end again and again.
 *
 * Since when something is found, or is not found any more, is known by this
 * process alone: after a restart it has to hold once more.
 *
 * A database keeps its scheduler for this if it has other tracked tables than
 * "configuration", or alerts that have to end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "operations/alerts.h"
#include "operations/queries.h"
#include "runtime/job.h"
#include "runtime/periodic.h"
#include "server/guard.h"
#include "server/setting.h"

/* Seconds between two changes of an alert's value that are written. */
#define UPDATE_INTERVAL	60

/* evaudit.alert_interval, in seconds. */
static int	alert_interval = 5;

/*
 * What is known of a subject of a rule: since when it is found without being
 * an alert, or is an alert without being found.
 */
typedef struct Pending
{
	struct Pending *next;
	int			rule;
	bool		found;
	TimestampTz since;
	bool		seen;			/* in this turn */
	char		subject[EVAUDIT_ALERT_SUBJECT_BYTES + 1];
} Pending;

static Pending *pending = NULL; /* in TopMemoryContext */

/* A subject that a rule found, or that is an alert. */
typedef struct Subject
{
	char	   *name;
	double		value;
	char	   *detail;
	bool		found;
	bool		alert;
	TimestampTz since;			/* of the alert */
	TimestampTz updated_at;		/* of its row */
	char	   *shown;			/* detail of its row */
} Subject;

/* A rule's turn, for evaudit_guard(). */
typedef struct Turn
{
	int			number;
	EvauditAlertRule *rule;
	EvauditAlertSettings settings;
	TimestampTz now;
	Subject    *subjects;
	int			n;
	bool		any;			/* there are alerts of it afterwards */
} Turn;

/* A text of a query, cut to so many bytes. */
static char *
text_of(int row, int column, int max_bytes)
{
	char	   *value = evaudit_spi_text_or_null(row, column);

	if (value == NULL)
		return "";
	value[pg_mbcliplen(value, strlen(value), max_bytes)] = '\0';
	return value;
}

/* The subject of a name, added if there is none. */
static Subject *
subject_of(Turn *turn, const char *name)
{
	for (int i = 0; i < turn->n; i++)
		if (strcmp(turn->subjects[i].name, name) == 0)
			return &turn->subjects[i];
	turn->subjects[turn->n].name = pstrdup(name);
	return &turn->subjects[turn->n++];
}

/* Read the settings of a rule. */
static void
read_settings(Turn *turn)
{
	static EvauditStatement read = {
		"SELECT threshold, (extract(epoch FROM hold) * 1000)::bigint, enabled,"
		" severity FROM evaudit.alert_rules WHERE name = $1", 1, {TEXTOID}
	};
	Datum		name = CStringGetTextDatum(turn->rule->name);

	if (evaudit_spi_execute(&read, &name, NULL) == 0)
		return;
	turn->settings.threshold =
		DatumGetFloat8(evaudit_spi_datum_of(0, 0, FLOAT8OID));
	turn->settings.hold = evaudit_spi_int64(0, 1);
	turn->settings.enabled = evaudit_spi_bool(0, 2);
	turn->settings.severity = evaudit_spi_text(0, 3);
}

/* Read the alerts that there are. */
static void
read_alerts(Turn *turn)
{
	static EvauditStatement read = {
		"SELECT subject, value, detail, since, updated_at"
		" FROM evaudit.alert_state WHERE name = $1"
		" ORDER BY subject LIMIT 200", 1, {TEXTOID}
	};
	Datum		name = CStringGetTextDatum(turn->rule->name);
	int			n = (int) evaudit_spi_execute(&read, &name, NULL);

	turn->subjects = palloc0((n + EVAUDIT_MAX_ALERT_SUBJECTS) *
							 sizeof(Subject));
	for (int i = 0; i < n; i++)
	{
		Subject    *subject = subject_of(turn, evaudit_spi_text(i, 0));

		subject->alert = true;
		subject->value = DatumGetFloat8(evaudit_spi_datum_of(i, 1, FLOAT8OID));
		subject->shown = subject->detail = text_of(i, 2, INT_MAX);
		subject->since = evaudit_spi_timestamptz(i, 3);
		subject->updated_at = evaudit_spi_timestamptz(i, 4);
	}
}

/* Whether a value is beyond a threshold. */
static bool
is_beyond(const EvauditAlertRule *rule, double value, double threshold)
{
	return rule->below ? value < threshold : value > threshold;
}

/* Ask what is beyond the threshold, or near it if there are alerts. */
static void
find_subjects(Turn *turn)
{
	double		threshold = turn->settings.threshold;
	double		near = threshold * (turn->rule->below ? 1.25 : 0.8);
	Datum		value = Float8GetDatum(turn->n > 0 ? near : threshold);
	int			n = (int) evaudit_spi_execute(&turn->rule->statement, &value,
											  NULL);

	for (int i = 0; i < Min(n, EVAUDIT_MAX_ALERT_SUBJECTS); i++)
	{
		double		found = DatumGetFloat8(evaudit_spi_datum_of(i, 1,
																FLOAT8OID));
		Subject    *subject =
			subject_of(turn, text_of(i, 0, EVAUDIT_ALERT_SUBJECT_BYTES));

		if (!subject->alert && !is_beyond(turn->rule, found, threshold))
			continue;
		subject->found = true;
		subject->value = found;
		subject->detail = text_of(i, 2, EVAUDIT_ALERT_DETAIL_BYTES);
	}
}

/*
 * Whether a subject is found, or not found, for as long as the rule holds, and
 * is to become an alert, or to end as one.
 */
static bool
holds(const Turn *turn, const Subject *subject)
{
	Pending    *entry;

	for (entry = pending; entry != NULL; entry = entry->next)
		if (entry->rule == turn->number &&
			strcmp(entry->subject, subject->name) == 0)
			break;
	if (entry == NULL)
	{
		entry = MemoryContextAlloc(TopMemoryContext, sizeof(Pending));
		entry->rule = turn->number;
		strlcpy(entry->subject, subject->name, sizeof(entry->subject));
		entry->found = !subject->found;
		entry->next = pending;
		pending = entry;
	}
	if (entry->found != subject->found)
	{
		entry->found = subject->found;
		entry->since = turn->now;
	}
	entry->seen = true;
	return turn->now - entry->since >= turn->settings.hold * 1000;
}

/* Forget the subjects of a rule that were not asked for in this turn. */
static void
forget_unseen(int rule)
{
	Pending   **link = &pending;

	while (*link != NULL)
	{
		Pending    *entry = *link;

		if (entry->rule == rule && !entry->seen)
		{
			*link = entry->next;
			pfree(entry);
			continue;
		}
		if (entry->rule == rule)
			entry->seen = false;
		link = &entry->next;
	}
}

/* Write, change or delete the row of an alert. */
static void
store(const Turn *turn, const Subject *subject, EvauditStatement *statement)
{
	Datum		values[] = {
		CStringGetTextDatum(turn->rule->name),
		CStringGetTextDatum(subject->name),
		Float8GetDatum(subject->value),
		CStringGetTextDatum(subject->detail),
		TimestampTzGetDatum(turn->now)
	};

	(void) evaudit_spi_execute(statement, values, NULL);
}

/* Begin or end an alert. */
static void
change(Turn *turn, Subject *subject)
{
	static EvauditStatement begin = {
		"INSERT INTO evaudit.alert_state"
		" (name, subject, value, detail, since, updated_at)"
		" VALUES ($1, $2, $3, $4, $5, $5)",
		5, {TEXTOID, TEXTOID, FLOAT8OID, TEXTOID, TIMESTAMPTZOID}
	};
	static EvauditStatement end = {
		"DELETE FROM evaudit.alert_state WHERE name = $1 AND subject = $2",
		5, {TEXTOID, TEXTOID, FLOAT8OID, TEXTOID, TIMESTAMPTZOID}
	};
	EvauditAlert alert = {
		.rule = turn->rule,
		.severity = turn->settings.severity,
		.subject = subject->name,
		.detail = subject->detail,
		.value = subject->value,
		.since = subject->alert ? subject->since : turn->now,
		.at = turn->now,
		.begins = !subject->alert,
	};

	store(turn, subject, subject->alert ? &end : &begin);
	subject->alert = !subject->alert;
	evaudit_alert_report(&alert);
}

/* Show what an alert's value and detail are now. */
static void
update(const Turn *turn, const Subject *subject)
{
	static EvauditStatement set = {
		"UPDATE evaudit.alert_state SET value = $3, detail = $4,"
		" updated_at = $5 WHERE name = $1 AND subject = $2",
		5, {TEXTOID, TEXTOID, FLOAT8OID, TEXTOID, TIMESTAMPTZOID}
	};

	if (strcmp(subject->detail, subject->shown) != 0 &&
		turn->now - subject->updated_at >= UPDATE_INTERVAL * USECS_PER_SEC)
		store(turn, subject, &set);
}

/* Evaluate a rule, as the owner of the extension. */
static bool
evaluate(void *arg)
{
	Turn	   *turn = arg;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	evaudit_set_locally("lock_timeout", EVAUDIT_LOCK_TIMEOUT);
	read_settings(turn);
	read_alerts(turn);
	if (turn->settings.enabled)
		find_subjects(turn);
	for (int i = 0; i < turn->n; i++)
	{
		Subject    *subject = &turn->subjects[i];

		if (subject->found != subject->alert)
		{
			if (!turn->settings.enabled || holds(turn, subject))
				change(turn, subject);
		}
		else if (subject->alert)
			update(turn, subject);
		turn->any |= subject->alert;
	}
	evaudit_spi_end(&spi);
	forget_unseen(turn->number);
	return true;
}

/* Whether tables are tracked that CREATE EXTENSION does not track. */
static bool
find_tracked_tables(void *arg)
{
	static EvauditStatement ask = {
		"SELECT EXISTS (SELECT FROM evaudit.tracked_relations"
		" WHERE last_seq IS NULL AND relid <> ALL (SELECT c.oid"
		" FROM pg_class c JOIN pg_extension e"
		" ON e.extnamespace = c.relnamespace AND e.extname = 'evaudit'"
		" WHERE c.relname = 'configuration'))"
	};
	bool	   *found = arg;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	evaudit_set_locally("lock_timeout", EVAUDIT_LOCK_TIMEOUT);
	(void) evaudit_spi_execute(&ask, NULL, NULL);
	*found = evaudit_spi_bool(0, 0);
	evaudit_spi_end(&spi);
	return true;
}

/* Evaluate all rules; one that fails is logged once, and keeps its alerts. */
static bool
run(void)
{
	static bool failing[EVAUDIT_MAX_ALERT_RULES];
	bool		any = true;
	ErrorData  *error;

	if (!evaudit_job_guard(find_tracked_tables, &any, &error))
		return false;
	for (int i = 0; i < evaudit_nalert_rules; i++)
	{
		Turn		turn = {
			.number = i,
			.rule = &evaudit_alert_rules[i],
			.now = GetCurrentTimestamp(),
		};

		if (!evaudit_job_guard(evaluate, &turn, &error))
			return false;
		if (error != NULL && !failing[i])
			ereport(LOG,
					(errcode(error->sqlerrcode),
					 errmsg("alert rule \"%s\" could not be evaluated: %s",
							turn.rule->name, error->message),
					 errdetail_log("alert=\"%s\"", turn.rule->name)));
		failing[i] = error != NULL;
		any |= turn.any || error != NULL;
	}
	return evaudit_alert_count_untold() || any;
}

static const EvauditPeriodic evaluation = {
	.activity = "evaluating alert rules",
	.interval = &alert_interval,
	.run = run,
};

/* What alerts have for the server: a setting, and what the scheduler does. */
void
evaudit_alerts_init(void)
{
	DefineCustomIntVariable("evaudit.alert_interval",
							"Time between two evaluations of alert rules.",
							"0 is for never. A database with tracked tables has a scheduler for it.",
							&alert_interval, 5, 0, 3600,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	evaudit_register_periodic(&evaluation);
}
