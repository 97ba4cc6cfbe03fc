/*-------------------------------------------------------------------------
 *
 * retention_options.c
 *	  Which rules of retention there can be, and their options.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "audit/export.h"
#include "events/topic.h"
#include "operations/retention.h"
#include "text/options.h"

/* Most relations that a rule has. */
#define MAX_RELATIONS	1000

/* What rules there can be, and the options of each. */
typedef struct RuleDef
{
	const char *what;
	const char *options[3];
} RuleDef;

static const RuleDef rule_defs[] = {
	{"audit", {"relations", "export"}},
	{"dead_letters", {"redriven"}},
	{"deliveries"},
	{"events"},
	{"fetched_schemas"},
	{"schema_versions"},
};

static const char *const no_options[] = {NULL};

/* The options that a rule for this may have; an ERROR if there is none. */
static const char *const *
options_of(const char *what)
{
	for (int i = 0; i < lengthof(rule_defs); i++)
	{
		if (strcmp(what, rule_defs[i].what) == 0)
			return rule_defs[i].options;
	}
	if (strncmp(what, EVAUDIT_EVENTS_OF, strlen(EVAUDIT_EVENTS_OF)) != 0 ||
		strlen(what) - strlen(EVAUDIT_EVENTS_OF) > EVAUDIT_MAX_TOPIC_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no retention of \"%s\"", what),
				 errhint("Retention is of audit, dead_letters, deliveries, events, events.<topic>, fetched_schemas and schema_versions.")));
	return no_options;
}

/* Refuse an interval that is no age. */
void
evaudit_retention_check_age(const char *name, const Interval *age)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz then = DatumGetTimestampTz(
										   DirectFunctionCall2(timestamptz_mi_interval, TimestampTzGetDatum(now),
															   IntervalPGetDatum(age)));

	if (then >= now || TIMESTAMP_NOT_FINITE(then))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be an interval that is positive", name)));
}

/* Check an option that is an age, as text. */
static void
check_age_text(const char *name, const char *age)
{
	evaudit_retention_check_age(name, DatumGetIntervalP(
														DirectFunctionCall3(interval_in, CStringGetDatum(age),
																			ObjectIdGetDatum(InvalidOid),
																			Int32GetDatum(-1))));
}

/* Check an element of "relations"; returns the relation. */
static char *
check_relation(JsonbValue *value)
{
	static const char *const known[] = {"relation", "keep", NULL};
	char	   *relation = NULL;
	char	   *keep = NULL;

	if (value->type == jbvBinary &&
		JsonContainerIsObject(value->val.binary.data))
	{
		Jsonb	   *element = JsonbValueToJsonb(value);

		evaudit_options_check_names(element, known);
		relation = evaudit_option_text(element, "relation");
		keep = evaudit_option_text(element, "keep");
	}
	if (relation == NULL || keep == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an element of \"relations\" must have \"relation\" and \"keep\"")));
	check_age_text("keep", keep);
	return relation;
}

/* Check "relations": an array of objects, one a relation. */
static void
check_relations(JsonbValue *value)
{
	List	   *seen = NIL;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	element;

	if (value->type != jbvBinary ||
		!JsonContainerIsArray(value->val.binary.data) ||
		JsonContainerSize(value->val.binary.data) > MAX_RELATIONS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"relations\" must be an array of at most %d objects",
						MAX_RELATIONS)));
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &element, true)) != WJB_DONE)
	{
		String	   *relation;

		if (token != WJB_ELEM)
			continue;
		relation = makeString(check_relation(&element));
		if (list_member(seen, relation))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("relation \"%s\" is in \"relations\" twice",
							strVal(relation))));
		seen = lappend(seen, relation);
	}
}

/* Check a rule's options, for the current user. */
void
evaudit_retention_check_options(const char *what, Jsonb *options)
{
	const char *const *known = options_of(what);
	JsonbValue *relations;
	char	   *redriven;
	char	   *directory;

	evaudit_options_check_object(options);
	evaudit_options_check_names(options, known);
	redriven = evaudit_option_text(options, "redriven");
	if (redriven != NULL)
		check_age_text("redriven", redriven);
	relations = evaudit_option_value(options, "relations");
	if (relations != NULL)
		check_relations(relations);
	directory = evaudit_option_text(options, "export");
	if (directory != NULL)
	{
		evaudit_export_check_right(GetUserId());
		evaudit_export_check_directory(directory);
	}
}
