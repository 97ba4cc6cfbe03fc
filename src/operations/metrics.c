/*-------------------------------------------------------------------------
 *
 * metrics.c
 *	  metrics(): what evaudit measures, as Prometheus' text format.
 *
 * Each group of metrics is read in a subtransaction with a short
 * lock_timeout: a table that is locked, or a row that is broken, costs its own
 * metrics and no scrape waits.
 *
 * Format: https://prometheus.io/docs/instrumenting/exposition_formats/, text
 * 0.0.4, without timestamps.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "operations/metrics.h"
#include "operations/queries.h"
#include "server/guard.h"
#include "server/setting.h"
#include "server/spi.h"

PG_FUNCTION_INFO_V1(evaudit_metrics);
PG_FUNCTION_INFO_V1(evaudit_metric_list);

/* A group that is read, for evaudit_guard(). */
typedef struct Reading
{
	const EvauditMetricGroup *group;
	EvauditStatement *statement;
	StringInfo	out;
} Reading;

/* How many labels and metrics a group has. */
static int
count_labels(const EvauditMetricGroup *group)
{
	int			n = 0;

	while (group->labels[n] != NULL)
		n++;
	return n;
}

static int
count_metrics(const EvauditMetricGroup *group)
{
	int			n = 0;

	while (group->metrics[n].name != NULL)
		n++;
	return n;
}

/* Append a label's value. */
static void
append_escaped(StringInfo out, const char *value)
{
	for (const char *c = value; *c != '\0'; c++)
	{
		if (*c == '\\' || *c == '"')
			appendStringInfoChar(out, '\\');
		if (*c == '\n')
			appendStringInfoString(out, "\\n");
		else
			appendStringInfoChar(out, *c);
	}
}

/* Append the labels of a row. */
static void
append_labels(StringInfo out, const EvauditMetricGroup *group, int row)
{
	for (int i = 0; group->labels[i] != NULL; i++)
	{
		char	   *value = evaudit_spi_text_or_null(row, i);

		appendStringInfo(out, "%c%s=\"", i == 0 ? '{' : ',',
						 group->labels[i]);
		append_escaped(out, value != NULL ? value : "");
		appendStringInfoChar(out, '"');
	}
	if (group->labels[0] != NULL)
		appendStringInfoChar(out, '}');
}

/* Append a metric, whose values are in a column of the result. */
static void
append_metric(StringInfo out, const EvauditMetricGroup *group,
			  const EvauditMetric *metric, int column, int nrows)
{
	appendStringInfo(out, "# HELP %s_%s %s\n# TYPE %s_%s %s\n",
					 group->name, metric->name, metric->help,
					 group->name, metric->name,
					 metric->type == EVAUDIT_COUNTER ? "counter" : "gauge");
	for (int row = 0; row < nrows; row++)
	{
		if (evaudit_spi_is_null(row, column))
			continue;
		appendStringInfo(out, "%s_%s", group->name, metric->name);
		append_labels(out, group, row);
		appendStringInfo(out, " %s\n",
						 OidOutputFunctionCall(F_FLOAT8OUT,
											   evaudit_spi_datum_of(row, column,
																	FLOAT8OID)));
	}
}

/* Read a group, as the current user. */
static bool
read_group(void *arg)
{
	Reading    *reading = arg;
	const EvauditMetricGroup *group = reading->group;
	int			nlabels = count_labels(group);
	EvauditSpi	spi;
	int			nrows;

	evaudit_spi_begin_as(&spi, GetUserId());
	evaudit_set_locally("lock_timeout", EVAUDIT_LOCK_TIMEOUT);
	nrows = (int) evaudit_spi_execute(reading->statement, NULL, NULL);
	for (int i = 0; group->metrics[i].name != NULL; i++)
		append_metric(reading->out, group, &group->metrics[i], nlabels + i,
					  nrows);
	evaudit_spi_end(&spi);
	return true;
}

/* The statements of all groups, whose plans are kept. */
static EvauditStatement *
statements(void)
{
	static EvauditStatement *all = NULL;

	if (all == NULL)
	{
		EvauditStatement *made =
			MemoryContextAllocZero(TopMemoryContext, evaudit_nmetric_groups *
								   sizeof(EvauditStatement));

		for (int i = 0; i < evaudit_nmetric_groups; i++)
			made[i].sql = evaudit_metric_groups[i].query;
		all = made;
	}
	return all;
}

/* metrics() returns text */
Datum
evaudit_metrics(PG_FUNCTION_ARGS)
{
	StringInfoData out;
	StringInfoData errors;

	initStringInfo(&out);
	initStringInfo(&errors);
	for (int i = 0; i < evaudit_nmetric_groups; i++)
	{
		Reading		reading = {&evaudit_metric_groups[i], &statements()[i],
		&out};
		int			len = out.len;
		ErrorData  *error = evaudit_guard(read_group, &reading);

		if (error != NULL)
		{
			out.len = len;
			out.data[len] = '\0';
		}
		appendStringInfo(&errors, "evaudit_scrape_error{group=\"%s\"} %d\n",
						 reading.group->name, error != NULL);
	}
	appendStringInfo(&out, "# HELP evaudit_scrape_error Whether a group of metrics could not be read this time, because of a lock or a broken row.\n"
					 "# TYPE evaudit_scrape_error gauge\n%s", errors.data);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

/* metric_list() returns setof (metric_group, name, type, labels, help, query) */
Datum
evaudit_metric_list(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < evaudit_nmetric_groups; i++)
	{
		const EvauditMetricGroup *group = &evaudit_metric_groups[i];
		int			nlabels = count_labels(group);
		Datum		labels[EVAUDIT_MAX_LABELS];

		for (int j = 0; j < nlabels; j++)
			labels[j] = CStringGetTextDatum(group->labels[j]);
		for (int j = 0; j < count_metrics(group); j++)
		{
			const EvauditMetric *metric = &group->metrics[j];
			Datum		values[] = {
				CStringGetTextDatum(group->name),
				CStringGetTextDatum(metric->name),
				CStringGetTextDatum(metric->type == EVAUDIT_COUNTER ?
									"counter" : "gauge"),
				evaudit_spi_array(labels, NULL, nlabels, TEXTOID),
				CStringGetTextDatum(metric->help),
				CStringGetTextDatum(group->query)
			};
			bool		nulls[lengthof(values)] = {false};

			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
								 nulls);
		}
	}
	return (Datum) 0;
}
