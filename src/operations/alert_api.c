/*-------------------------------------------------------------------------
 *
 * alert_api.c
 *	  The rules of alerts, as SQL shows and alters them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "operations/alerts.h"
#include "server/trigger.h"

PG_FUNCTION_INFO_V1(evaudit_alert_rule_list);
PG_FUNCTION_INFO_V1(evaudit_alter_alert_rule);

/* The columns of evaudit.alert_rules; those that can be altered come second. */
static const Oid column_types[] = {
	TEXTOID, TEXTOID, FLOAT8OID, INTERVALOID, BOOLOID, TEXTOID, TEXTOID
};

/*
 * alert_rule_list() returns setof (name, severity, threshold, hold,
 * description, hint)
 */
Datum
evaudit_alert_rule_list(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < evaudit_nalert_rules; i++)
	{
		const EvauditAlertRule *rule = &evaudit_alert_rules[i];
		Interval	hold = {.time = rule->hold * USECS_PER_SEC};
		Datum		values[] = {
			CStringGetTextDatum(rule->name),
			CStringGetTextDatum(rule->severity),
			Float8GetDatum(rule->threshold),
			IntervalPGetDatum(&hold),
			CStringGetTextDatum(rule->description),
			CStringGetTextDatum(rule->hint)
		};
		bool		nulls[lengthof(values)] = {false};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}

/*
 * Trigger of the view alert_rules: an UPDATE sets what is not as by default.
 * What the rule is cannot be altered.
 */
Datum
evaudit_alter_alert_rule(PG_FUNCTION_ARGS)
{
	static EvauditStatement set = {
		"INSERT INTO evaudit.alert_rule_settings"
		" (name, severity, threshold, hold, enabled)"
		" VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO UPDATE SET"
		" severity = excluded.severity, threshold = excluded.threshold,"
		" hold = excluded.hold, enabled = excluded.enabled",
		5, {TEXTOID, TEXTOID, FLOAT8OID, INTERVALOID, BOOLOID}
	};
	TriggerData *trigger = evaudit_own_trigger(fcinfo, "alert_rules",
											   "alter_alert_rule",
											   EVAUDIT_INSTEAD_OF_UPDATE);
	HeapTuple	changed = trigger->tg_newtuple;
	Datum		values[7];
	Datum		given[7];
	char		nulls[7];
	EvauditSpi	spi;

	evaudit_trigger_values(trigger, 7, column_types, given, nulls);
	trigger->tg_trigtuple = changed;
	evaudit_trigger_values(trigger, 7, column_types, values, nulls);
	for (int i = 0; i < 7; i++)
	{
		if ((i == 0 || i > 4) &&
			!DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID,
												  given[i], values[i])))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("only severity, threshold, hold and enabled of an alert rule can be altered")));
	}
	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&set, values, nulls);
	evaudit_spi_end(&spi);
	return PointerGetDatum(changed);
}
