/*-------------------------------------------------------------------------
 *
 * key_fetch_job.c
 *	  The job that fetches the keys of issuers.
 *
 * There is one such job in a database that has issuers whose keys come from a
 * URL, due when the first of them is, or sooner if a token came that none of
 * the keys has signed and the last fetch was long enough ago.
 *
 * A backend never fetches: it may hold locks, and libcurl looks up names in
 * threads.  All keys that are due are requested at once, outside of any
 * transaction; each response is stored in one of its own.  Only https is
 * used, redirects are not followed, and size and time are bounded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"

#include "auth/issuer_fetch.h"
#include "auth/token_parse.h"
#include "net/http_client.h"

/* Longest time for one response, milliseconds. */
#define FETCH_TIMEOUT	10000

/* The only job of the kind has this id. */
#define JOB_ID			1

/* List the job, if there are keys to fetch at any time. */
static List *
list_job(bool requested)
{
	EvauditJob *job = palloc0(sizeof(EvauditJob));
	TimestampTz due;
	TimestampTz due_if_requested;

	if (!evaudit_fetches_next(&due, &due_if_requested))
		return NIL;
	job->id = JOB_ID;
	job->name = "keys of issuers";
	job->nprocesses = 1;
	job->due = requested ? Min(due, due_if_requested) : due;
	return list_make1(job);
}

/* The issuers whose keys are due, in the current context. */
static List *
list_due(bool requested)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *issuers;

	if (!evaudit_job_begin())
		return NIL;
	MemoryContextSwitchTo(context);
	issuers = evaudit_fetches_due(requested);
	evaudit_job_commit();
	MemoryContextSwitchTo(context);
	return issuers;
}

/* Request the keys of an issuer. */
static void
start_fetch(EvauditHttp *http, EvauditIssuer *issuer)
{
	static const char *const headers[] = {
		"Accept: application/jwk-set+json, application/json", NULL
	};
	EvauditHttpRequest request = {
		.tag = issuer,
		.method = "GET",
		.url = issuer->jwks_url,
		.headers = headers,
		.ca_file = issuer->ca_file,
		.timeout = FETCH_TIMEOUT,
		.max_bytes = EVAUDIT_MAX_KEYS_BYTES,
	};

	(void) evaudit_http_start(http, &request);
}

/* Store a response, or what went wrong. */
static void
store(const EvauditHttpResponse *response)
{
	const EvauditIssuer *issuer = response->tag;
	char		str[64];
	const char *error = NULL;

	if (response->fault != EVAUDIT_HTTP_OK)
		error = response->error;
	else if (response->status != 200)
	{
		snprintf(str, sizeof(str), "the server answered with status %d",
				 response->status);
		error = str;
	}

	if (!evaudit_job_begin())
		return;
	if (error == NULL)
		evaudit_fetch_take(issuer, response->body, response->body_len);
	else
		evaudit_fetch_failed(issuer, error);
	evaudit_job_commit();
	if (error != NULL)
		ereport(LOG,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("could not fetch the keys of issuer \"%s\": %s",
						issuer->name, error),
				 errdetail_log("issuer=\"%s\"", issuer->name)));
}

/* Fetch what is due, and store it. */
static void
run(EvauditProcess *process)
{
	EvauditHttp *http;
	List	   *issuers;
	ListCell   *lc;
	int			open = 0;

	MemoryContextSwitchTo(process->context);
	issuers = list_due(process->requested);
	if (issuers == NIL)
		return;

	pgstat_report_activity(STATE_RUNNING, "fetching keys of issuers");
	evaudit_process_running(process);
	http = evaudit_http_open();
	foreach(lc, issuers)
	{
		start_fetch(http, lfirst(lc));
		open++;
	}
	while (open > 0)
	{
		EvauditHttpResponse *response;

		evaudit_process_iterate(process);
		(void) evaudit_http_wait(http, -1);
		while ((response = evaudit_http_take(http, NULL)) != NULL)
		{
			store(response);
			MemoryContextSwitchTo(process->iteration);
			evaudit_http_release(http, response);
			open--;
		}
	}
}

/* Each database can have one. */
static int
key_fetch_slots(void)
{
	return max_worker_processes;
}

const EvauditJobKind evaudit_key_fetch_job = {
	.name = "fetch of",
	.backend_type = "evaudit key fetcher",
	.nslots = key_fetch_slots,
	.no_slot = "all slots for fetching keys are in use",
	.list = list_job,
	.run = run,
};

/* What this room has for the server: a job. */
void
evaudit_auth_init(void)
{
	evaudit_register_job_kind(&evaudit_key_fetch_job);
	evaudit_token_counts_init();
}
