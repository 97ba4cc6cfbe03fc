/*-------------------------------------------------------------------------
 *
 * alerts.h
 *	  What somebody has to know of now: rules, and what they found.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_ALERTS_H
#define EVAUDIT_ALERTS_H

#include "datatype/timestamp.h"

#include "server/spi.h"

/* Most rules that there can be. */
#define EVAUDIT_MAX_ALERT_RULES		64

/* Most subjects that a rule is evaluated for at a time. */
#define EVAUDIT_MAX_ALERT_SUBJECTS	100

/* Longest name of a subject and longest detail that are kept, in bytes. */
#define EVAUDIT_ALERT_SUBJECT_BYTES	250
#define EVAUDIT_ALERT_DETAIL_BYTES	1000

/*
 * A rule.  Its query brings a row (subject text, value float8, detail text)
 * for everything of which the value is beyond $1: above it, or below it if
 * "below".
 */
typedef struct EvauditAlertRule
{
	const char *name;
	const char *severity;		/* info, warning or critical */
	bool		below;
	double		threshold;		/* by default, as is */
	int			hold;			/* seconds that it has to be so */
	const char *description;
	const char *hint;
	EvauditStatement statement;
} EvauditAlertRule;

/* A rule as it is set in this database. */
typedef struct EvauditAlertSettings
{
	double		threshold;
	int64		hold;			/* milliseconds */
	bool		enabled;
	const char *severity;
} EvauditAlertSettings;

/* An alert that begins or ends. */
typedef struct EvauditAlert
{
	const EvauditAlertRule *rule;
	const char *severity;
	const char *subject;
	const char *detail;
	double		value;
	TimestampTz since;
	TimestampTz at;				/* of the change */
	bool		begins;
} EvauditAlert;

/* alert_rules.c */
extern EvauditAlertRule evaudit_alert_rules[];
extern const int evaudit_nalert_rules;

/* alert_report.c */
extern void evaudit_alert_report(const EvauditAlert *alert);
extern bool evaudit_alert_count_untold(void);

/* alerts.c */
extern void evaudit_alerts_init(void);

#endif							/* EVAUDIT_ALERTS_H */
