/*-------------------------------------------------------------------------
 *
 * metrics.h
 *	  What evaudit measures: the one list that all formats are made from.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_METRICS_H
#define EVAUDIT_METRICS_H

/* Most labels and metrics of a group. */
#define EVAUDIT_MAX_LABELS	3
#define EVAUDIT_MAX_METRICS	12

typedef enum EvauditMetricType
{
	EVAUDIT_COUNTER,
	EVAUDIT_GAUGE
} EvauditMetricType;

typedef struct EvauditMetric
{
	const char *name;			/* after the group's, as its query's column */
	EvauditMetricType type;
	const char *help;
} EvauditMetric;

/*
 * Metrics that one query brings: a column for each label, then one for each
 * metric, all of type text or double precision.  NULL: there is no value.
 */
typedef struct EvauditMetricGroup
{
	const char *name;			/* before its metrics' names */
	const char *query;
	const char *labels[EVAUDIT_MAX_LABELS + 1];
	EvauditMetric metrics[EVAUDIT_MAX_METRICS + 1];
} EvauditMetricGroup;

extern const EvauditMetricGroup evaudit_metric_groups[];
extern const int evaudit_nmetric_groups;

#endif							/* EVAUDIT_METRICS_H */
