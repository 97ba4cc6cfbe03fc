/*-------------------------------------------------------------------------
 *
 * api.c
 *	  evaudit.http(): a request and its answer as SQL.
 *
 * A front of any kind (nginx with a few lines of a scripting language, an API
 * gateway's function) hands requests over and sends answers back; nothing
 * here knows a socket.  An answer is true once the transaction it was made
 * in commits.
 *
 * The caller's role needs nothing but EXECUTE to have tokens and grants
 * decide: tables of the extension are reached as their owner.  Projections,
 * and the query of a user's services, run with the rights of the caller.
 *
 * Every request runs in a subtransaction.  An answer of 400 or more leaves no
 * effects, and a database error becomes an answer, too, with its text in the
 * server's log alone.  What says that the transaction itself cannot go on, or
 * should be tried again, stays an error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "events/attempt.h"
#include "http/http.h"

PG_FUNCTION_INFO_V1(evaudit_http);

/* Whether the caller must hear of an error as an error. */
static bool
ends_transaction(int sqlstate)
{
	int			class = ERRCODE_TO_CATEGORY(sqlstate);

	return class == ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK) ||
		class == ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION);
}

/* Whether trying again later may do. */
static bool
is_passing(int sqlstate)
{
	return sqlstate == ERRCODE_READ_ONLY_SQL_TRANSACTION ||
		sqlstate == ERRCODE_LOCK_NOT_AVAILABLE ||
		ERRCODE_TO_CATEGORY(sqlstate) ==
		ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES);
}

/*
 * Answer instead of an error.  Its text may tell how the database is made, so
 * only what a trigger or function raised for the sender to read is sent.
 */
static void
answer_error(const EvauditGateRequest *request, EvauditGateAnswer *answer,
			 const ErrorData *error)
{
	evaudit_gate_answer_reset(answer);
	if (evaudit_blames_data(error->sqlerrcode))
	{
		evaudit_gate_error(answer, 400, "database",
						   error->sqlerrcode == ERRCODE_RAISE_EXCEPTION ?
						   error->message :
						   "The database does not accept this event.");
		return;
	}
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("request %s %s failed: %s",
					request->method, request->path, error->message),
			 errdetail("The request id is %s.", request->id)));
	if (is_passing(error->sqlerrcode))
		evaudit_gate_error(answer, 503, "unavailable",
						   "Service is not available now.");
	else
		evaudit_gate_error(answer, 500, EVAUDIT_GATE_INTERNAL,
						   "Unexpected server error.");
}

/* Answer a request in a subtransaction, which leaves effects or none. */
static void
answer_guarded(EvauditGateRequest *request, EvauditGateAnswer *answer)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		evaudit_gate_route(request, answer);
		if (answer->status < 400)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (ends_transaction(error->sqlerrcode))
			ReThrowError(error);
		answer_error(request, answer, error);
	}
	PG_END_TRY();
}

/* The headers of an answer. */
static Jsonb *
answer_headers(const EvauditGateRequest *request, EvauditGateAnswer *answer)
{
	StringInfoData json;

	if (answer->content_type != NULL)
		evaudit_gate_add_header(answer, "Content-Type", answer->content_type);
	evaudit_gate_add_header(answer, "X-Request-Id", request->id);
	initStringInfo(&json);
	appendStringInfo(&json, "{%s}", answer->headers.data);
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											  CStringGetDatum(json.data)));
}

/* The body of an answer, in UTF-8. */
static bytea *
answer_body(const EvauditGateRequest *request, EvauditGateAnswer *answer)
{
	char	   *utf8;

	if (request->method != NULL && strcmp(request->method, "HEAD") == 0)
		resetStringInfo(&answer->body);
	utf8 = pg_server_to_any(answer->body.data, answer->body.len, PG_UTF8);
	return (bytea *) cstring_to_text_with_len(utf8,
											  utf8 == answer->body.data ?
											  answer->body.len : strlen(utf8));
}

/* Read the arguments, of which each may be NULL. */
static bool
read_arguments(FunctionCallInfo fcinfo, EvauditGateRequest *request,
			   EvauditGateAnswer *answer)
{
	if (!PG_ARGISNULL(2))
		request->headers = PG_GETARG_JSONB_P(2);
	if (!PG_ARGISNULL(3))
	{
		bytea	   *body = PG_GETARG_BYTEA_PP(3);

		request->body = VARDATA_ANY(body);
		request->body_len = VARSIZE_ANY_EXHDR(body);
	}
	return evaudit_gate_read_request(request,
									 PG_ARGISNULL(0) ? NULL :
									 text_to_cstring(PG_GETARG_TEXT_PP(0)),
									 PG_ARGISNULL(1) ? NULL :
									 text_to_cstring(PG_GETARG_TEXT_PP(1)),
									 answer);
}

/*
 * http(method text, path text, headers jsonb, body bytea) returns (status
 * integer, headers jsonb, body bytea)
 */
Datum
evaudit_http(PG_FUNCTION_ARGS)
{
	EvauditGateRequest request = {0};
	EvauditGateAnswer answer;
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	evaudit_gate_answer_init(&answer);
	if (read_arguments(fcinfo, &request, &answer))
	{
		request.id = evaudit_gate_request_id(&request);
		answer_guarded(&request, &answer);
	}
	else
	{
		request.headers = NULL;
		request.id = evaudit_gate_request_id(&request);
	}
	values[0] = Int32GetDatum(answer.status);
	values[1] = JsonbPGetDatum(answer_headers(&request, &answer));
	values[2] = PointerGetDatum(answer_body(&request, &answer));
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
											 values, nulls));
}
