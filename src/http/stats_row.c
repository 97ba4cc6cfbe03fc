/*-------------------------------------------------------------------------
 *
 * stats_row.c
 *	  Kept events as the rows of POST /stats/{topic}.
 *
 * An event is a row, unless its payload has a list "jobs": such a run is as
 * many rows as it has jobs, each with the members of the run, of the job and
 * some that are computed from these, as dashboards of runs expect.
 *
 * Grants to publish constrain the members of a run, not those of its jobs.  So
 * no member of a job stands for one of the run, whether the run has it or not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "http/response.h"
#include "http/settings.h"
#include "http/stats.h"
#include "server/epoch.h"
#include "text/casefold.h"
#include "text/jsonb.h"
#include "text/rfc3339.h"

/* Members of a job that its row has even if the job does not. */
static const char *const job_members[] = {
	"country", "catalog_id", "status", "timestamp_start", "timestamp_end",
	"message", "additional_info"
};

/*
 * Members that are the run's alone, besides those that begin with "run_" and
 * all others that it has.
 */
static const char *const run_members[] = {
	"event_id", "tenant_id", "source_app", "source_app_version",
	"environment", "job_ref", "jobs", "formatted_tenant"
};

/* The jobs of a run; NULL if the event is none. */
static JsonbContainer *
find_jobs(const EvauditKeptEvent *event)
{
	JsonbValue *jobs;

	if (!JB_ROOT_IS_OBJECT(event->payload))
		return NULL;
	jobs = evaudit_jsonb_member(&event->payload->root, "jobs");
	if (jobs == NULL || jobs->type != jbvBinary ||
		!JsonContainerIsArray(jobs->val.binary.data))
		return NULL;
	return jobs->val.binary.data;
}

/* How many rows an event has. */
int
evaudit_stats_nrows(const EvauditKeptEvent *event)
{
	JsonbContainer *jobs = find_jobs(event);

	return jobs == NULL ? 1 :
		Min(JsonContainerSize(jobs), EVAUDIT_STATS_MAX_ROWS);
}

/* The id of the n-th row of an event, from 0; later rows have lesser ids. */
int64
evaudit_stats_row_id(const EvauditKeptEvent *event, int n)
{
	return event->id * EVAUDIT_STATS_MAX_ROWS +
		(EVAUDIT_STATS_MAX_ROWS - 1 - n);
}

/* Add a member to the row; of two with the same name the later one counts. */
static void
push_value(EvauditJsonbState *row, const char *name, int len,
		   JsonbValue *value)
{
	JsonbValue	key;

	key.type = jbvString;
	key.val.string.val = unconstify(char *, name);
	key.val.string.len = len;
	evaudit_compat_jsonb_push(row, WJB_KEY, &key);
	evaudit_compat_jsonb_push(row, WJB_VALUE, value);
}

/* Add a string, or null. */
static void
push_text(EvauditJsonbState *row, const char *name, const char *str)
{
	JsonbValue	value;

	value.type = str != NULL ? jbvString : jbvNull;
	if (str != NULL)
	{
		value.val.string.val = unconstify(char *, str);
		value.val.string.len = (int) strlen(str);
	}
	push_value(row, name, (int) strlen(name), &value);
}

/* Add an integer. */
static void
push_integer(EvauditJsonbState *row, const char *name, int64 number)
{
	JsonbValue	value;

	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(number);
	push_value(row, name, (int) strlen(name), &value);
}

/* Whether a name is in a list. */
static bool
is_among(const char *name, const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/* The name of a member of a run in the rows of its jobs, or NULL. */
static const char *
name_for_run(const char *name)
{
	if (strcmp(name, "timestamp_start") == 0 ||
		strcmp(name, "timestamp_end") == 0)
		return psprintf("run_%s", name);
	if (strcmp(name, "jobs") == 0 ||
		is_among(name, job_members, lengthof(job_members)))
		return NULL;
	return name;
}

/* The name of a member of a job in its row, or NULL. */
static const char *
name_for_job(const char *name)
{
	if (strncmp(name, "run_", strlen("run_")) == 0 ||
		is_among(name, run_members, lengthof(run_members)))
		return NULL;
	return name;
}

/* Add the members of an object under the names that a function gives them. */
static void
push_members(EvauditJsonbState *row, JsonbContainer *object,
			 const char *(*name_for) (const char *name))
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	v;
	const char *name = NULL;

	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = name_for(pnstrdup(v.val.string.val, v.val.string.len));
		else if (token == WJB_VALUE && name != NULL)
			push_value(row, name, (int) strlen(name), &v);
	}
}

/* A member of an object, which may be NULL, that is a string; else "". */
static const char *
text_member(JsonbContainer *object, const char *name)
{
	const char *str = object == NULL ? NULL :
		evaudit_jsonb_text(object, name);

	return str == NULL ? "" : str;
}

/* A member, likewise, that is a time in milliseconds; false if there is none. */
static bool
time_member(JsonbContainer *object, const char *name, int64 *millis)
{
	JsonbValue *value = object == NULL ? NULL :
		evaudit_jsonb_member(object, name);
	double		number;

	if (value == NULL || value->type != jbvNumeric)
		return false;
	number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
												NumericGetDatum(value->val.numeric)));
	/* years 1 to 9999 */
	if (!(number > -62135596800000.0 && number < 253402300800000.0))
		return false;
	*millis = (int64) number;
	return true;
}

/* A time in milliseconds as text in UTC: a day, or day and time. */
static char *
format_time(int64 millis, bool day)
{
	TimestampTz time;
	struct pg_tm tm;
	fsec_t		fsec;

	if (!evaudit_epoch_time(millis, &time) ||
		timestamp2tm(time, NULL, &tm, &fsec, NULL, NULL) != 0)
		return NULL;
	if (day)
		return psprintf("%02d-%02d-%04d", tm.tm_mday, tm.tm_mon, tm.tm_year);
	return psprintf("%04d-%02d-%02d %02d:%02d:%02d", tm.tm_year, tm.tm_mon,
					tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* How a job ended; failures for lack of data have states of their own. */
static const char *
run_status(JsonbContainer *job)
{
	const char *message;

	if (strcmp(evaudit_casefold(text_member(job, "status")), "failed") != 0)
		return "succeeded";
	message = evaudit_casefold(text_member(job, "message"));
	if (strstr(message, "no data") != NULL)
		return "no data received";
	if (strstr(message, "no records to send") != NULL)
		return "no data produced";
	return "failed";
}

/* Add what is computed from a run and its job, which may be NULL. */
static void
push_computed(EvauditJsonbState *row, JsonbContainer *run, JsonbContainer *job)
{
	JsonbValue	null = {jbvNull};
	int64		start;
	int64		end;
	bool		has_start;
	bool		has_end = time_member(job, "timestamp_end", &end);

	push_text(row, "run_date", time_member(run, "timestamp_start", &start) ?
			  format_time(start, true) : NULL);
	has_start = time_member(job, "timestamp_start", &start);
	push_text(row, "run_status", run_status(job));
	push_text(row, "formatted_tenant",
			  evaudit_casefold(text_member(run, "tenant_id")));
	if (has_start && has_end)
		push_integer(row, "elapsed_time", end - start);
	else
		push_value(row, "elapsed_time", strlen("elapsed_time"), &null);
	push_text(row, "start_time", has_start ? format_time(start, false) : NULL);
	push_text(row, "end_time", has_end ? format_time(end, false) : NULL);
}

/* Add the row of a job: of two members with one name the later one counts. */
static void
push_job(EvauditJsonbState *row, const EvauditKeptEvent *event,
		 JsonbValue *value)
{
	JsonbContainer *run = &event->payload->root;
	JsonbContainer *job = NULL;

	if (value->type == jbvBinary &&
		JsonContainerIsObject(value->val.binary.data))
		job = value->val.binary.data;
	for (int i = 0; i < lengthof(job_members); i++)
		push_text(row, job_members[i], NULL);
	/* a gateway writes it so where a job has none */
	if (evaudit_http_compat == EVAUDIT_COMPAT_EVENTGATE)
		push_text(row, "country", "");
	if (job != NULL)
		push_members(row, job, name_for_job);
	push_members(row, run, name_for_run);
	push_computed(row, run, job);
}

/* Add what every row has, and complete it. */
static Jsonb *
finish_row(EvauditJsonbState *row, const EvauditKeptEvent *event, int n)
{
	char		time[EVAUDIT_RFC3339_LEN];

	(void) evaudit_rfc3339_format(event->received_at, time);
	push_text(row, "event_id", event->event_id);
	push_text(row, "subject", event->subject);
	push_text(row, "received_at", time);
	push_integer(row, "internal_id", evaudit_stats_row_id(event, n));
	evaudit_compat_jsonb_push(row, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(row->result);
}

/* Write the row of an event that is no run, as jsonb would be written. */
static bool
write_event(StringInfo json, const EvauditKeptEvent *event, size_t limit)
{
	int			before = json->len;
	char		time[EVAUDIT_RFC3339_LEN];

	/* not by way of jsonb, which would take the payload apart */
	appendStringInfoString(json, "{\"payload\": ");
	if (!evaudit_response_jsonb(json, event->payload, limit))
	{
		json->len = before;
		json->data[before] = '\0';
		return false;
	}
	(void) evaudit_rfc3339_format(event->received_at, time);
	appendStringInfoString(json, ", ");
	evaudit_response_member(json, "subject", event->subject);
	appendStringInfoString(json, ", ");
	evaudit_response_member(json, "event_id", event->event_id);
	appendStringInfo(json, ", \"internal_id\": " INT64_FORMAT ", ",
					 evaudit_stats_row_id(event, 0));
	evaudit_response_member(json, "received_at", time);
	appendStringInfoChar(json, '}');
	return true;
}

/*
 * Append the n-th row of an event, from 0; false if it has more bytes than
 * the limit.
 */
bool
evaudit_stats_write_row(StringInfo json, const EvauditKeptEvent *event, int n,
						size_t limit)
{
	EvauditJsonbState row = {0};
	JsonbContainer *jobs = find_jobs(event);

	if (jobs == NULL)
		return write_event(json, event, limit);
	evaudit_compat_jsonb_push(&row, WJB_BEGIN_OBJECT, NULL);
	push_job(&row, event, getIthJsonbValueFromContainer(jobs, n));
	return evaudit_response_jsonb(json, finish_row(&row, event, n), limit);
}

/* What stands for a row that is too large. */
Jsonb *
evaudit_stats_oversized_row(const EvauditKeptEvent *event, int n)
{
	EvauditJsonbState row = {0};

	evaudit_compat_jsonb_push(&row, WJB_BEGIN_OBJECT, NULL);
	push_text(&row, "error", "Row is too large.");
	return finish_row(&row, event, n);
}
