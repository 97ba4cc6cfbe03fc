/*-------------------------------------------------------------------------
 *
 * fetcher.c
 *	  The key fetcher: fetches the keys of issuers that are due, and ends.
 *
 * A backend never does this: it may hold locks, and libcurl looks up names
 * in threads.  All keys that are due are asked for at once, outside of any
 * transaction; each answer is stored in one of its own.  Only https is
 * asked, redirects are not followed, and size and time are bounded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "auth/issuer_fetch.h"
#include "net/http_client.h"
#include "runtime/workers.h"

/* Longest time for one answer, milliseconds. */
#define FETCH_TIMEOUT	10000

static EvauditFetcherOrder order;

/* At exit: the database has no fetcher any more. */
static void
leave_database(int code, Datum arg)
{
	EvauditDatabase *slot;

	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	slot = evaudit_find_database(order.database);
	if (slot != NULL && slot->fetcher == MyProcPid)
		slot->fetcher = 0;
	LWLockRelease(evaudit_shared->lock);
}

/* Show up where those look who need the database empty. */
static void
enter_database(void)
{
	EvauditDatabase *slot;
	bool		entered;

	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	slot = evaudit_find_database(order.database);
	entered = slot != NULL && slot->held_by == 0;
	if (entered)
		slot->fetcher = MyProcPid;
	LWLockRelease(evaudit_shared->lock);
	if (!entered)
		proc_exit(0);
	before_shmem_exit(leave_database, (Datum) 0);
}

/* Begin a transaction; end the process if the extension is gone. */
static void
begin_transaction(void)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (!OidIsValid(get_extension_oid("evaudit", true)))
		proc_exit(0);
}

/* Commit it. */
static void
end_transaction(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(TopMemoryContext);
}

/* The issuers whose keys are to be fetched. */
static List *
list_due(void)
{
	List	   *issuers;
	MemoryContext previous;

	begin_transaction();
	previous = MemoryContextSwitchTo(TopMemoryContext);
	issuers = evaudit_fetches_due(order.wanted);
	MemoryContextSwitchTo(previous);
	end_transaction();
	return issuers;
}

/* Ask for the keys of an issuer. */
static void
ask(EvauditHttp *http, EvauditIssuer *issuer)
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

/* Store what came of it. */
static void
store(const EvauditHttpResponse *answer)
{
	const EvauditIssuer *issuer = answer->tag;
	char		str[64];
	const char *error = NULL;

	if (answer->fault != EVAUDIT_HTTP_OK)
		error = answer->error;
	else if (answer->status != 200)
	{
		snprintf(str, sizeof(str), "the server answered with status %d",
				 answer->status);
		error = str;
	}

	begin_transaction();
	if (error == NULL)
		evaudit_fetch_take(issuer, answer->body, answer->body_len);
	else
		evaudit_fetch_failed(issuer, error);
	end_transaction();
	if (error != NULL)
		ereport(LOG,
				(errmsg("could not fetch the keys of issuer \"%s\": %s",
						issuer->name, error)));
}

/* The fetcher's main function. */
void
evaudit_fetcher_main(Datum arg)
{
	EvauditHttp *http;
	List	   *issuers;
	ListCell   *lc;
	int			open = 0;

	memcpy(&order, MyBgworkerEntry->bgw_extra, sizeof(order));
	evaudit_begin_process();
	BackgroundWorkerInitializeConnectionByOid(order.database, InvalidOid, 0);
	enter_database();
	evaudit_set_up_session();
	MemoryContextSwitchTo(TopMemoryContext);
	issuers = list_due();
	if (issuers == NIL)
		return;

	pgstat_report_activity(STATE_RUNNING, "fetching keys of issuers");
	http = evaudit_http_open();
	foreach(lc, issuers)
	{
		ask(http, lfirst(lc));
		open++;
	}
	while (open > 0)
	{
		EvauditHttpResponse *answer;

		(void) evaudit_http_wait(http, -1);
		while ((answer = evaudit_http_take(http, NULL)) != NULL)
		{
			store(answer);
			evaudit_http_release(http, answer);
			open--;
		}
	}
}
