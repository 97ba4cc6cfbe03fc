/*-------------------------------------------------------------------------
 *
 * function.c
 *	  evaudit.http(): a request and its response as SQL.
 *
 * A front of any kind (nginx with a few lines of a scripting language, an API
 * gateway's function) passes requests in and sends the responses; nothing
 * here knows a socket.  A response is true once the transaction it was made
 * in commits.
 *
 * The caller's role needs nothing but EXECUTE to have tokens and grants
 * decide: tables of the extension are read and written as their owner.
 * Projections, and the query of a user's services, run with the rights of the
 * caller.
 *
 * Every request runs in a subtransaction.  A response of 400 or more has no
 * effects, and a database error becomes a response, too, with its text in the
 * server's log alone.  An error that ends the transaction, or asks to retry
 * it, remains an error.
 *
 * The request carries a token, perhaps as a literal in the statement: what is
 * logged here, or raised further, hides the statement and its parameters.
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
#include "http/cors.h"
#include "http/counts.h"
#include "http/routes.h"
#include "http/wait.h"

PG_FUNCTION_INFO_V1(evaudit_http);
PG_FUNCTION_INFO_V1(evaudit_http_admin);

/* Whether an error is about the transaction, so that it is raised further. */
static bool
ends_transaction(int sqlstate)
{
	int			class = ERRCODE_TO_CATEGORY(sqlstate);

	return class == ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK) ||
		class == ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION);
}

/* Whether the request may succeed when it is sent again later. */
static bool
is_transient(int sqlstate)
{
	return sqlstate == ERRCODE_READ_ONLY_SQL_TRANSACTION ||
		sqlstate == ERRCODE_LOCK_NOT_AVAILABLE ||
		ERRCODE_TO_CATEGORY(sqlstate) ==
		ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES);
}

/* Make a response of an error. */
static void
respond_error(const EvauditRequest *request, EvauditResponse *response,
			  const ErrorData *error)
{
	evaudit_response_reset(response);
	if (evaudit_is_data_error(error->sqlerrcode))
	{
		evaudit_response_data_error(response, error->sqlerrcode,
									error->message);
		return;
	}
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("request %s %s failed: %s",
					request->method, request->path, error->message),
			 errdetail_log("request_id=\"%s\"", request->id),
			 errhidestmt(true), errhidecontext(true)));
	if (is_transient(error->sqlerrcode))
		evaudit_response_error(response, 503, EVAUDIT_PROBLEM_UNAVAILABLE,
							   "Service is not available now.");
	else
		evaudit_response_error(response, 500, EVAUDIT_PROBLEM_INTERNAL,
							   "Unexpected server error.");
}

/* Handle a request in a subtransaction, aborted if the status is an error. */
static void
handle_guarded(EvauditRequest *request, EvauditResponse *response)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		evaudit_route_handle(request, response);
		if (!evaudit_response_fits(response))
			evaudit_response_too_large(response);
		if (response->status < 400)
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
		{
			error->hide_stmt = true;
			error->hide_ctx = true;
			ReThrowError(error);
		}
		respond_error(request, response, error);
	}
	PG_END_TRY();
}

/* What a front that removes it again wants for its log. */
static void
add_log_headers(const EvauditRequest *request, EvauditResponse *response)
{
	if (evaudit_request_header(request, "x-evaudit-front") == NULL)
		return;
	if (request->route != NULL)
		evaudit_response_header(response, "X-Evaudit-Route", request->route);
	if (request->subject != NULL)
		evaudit_response_header(response, "X-Evaudit-Subject",
								request->subject);
}

/* The headers of a response. */
static Jsonb *
response_headers(const EvauditRequest *request, EvauditResponse *response)
{
	StringInfoData json;

	(void) evaudit_response_is_unchanged(response,
										 evaudit_request_header(request,
																"if-none-match"));
	evaudit_response_header(response, "Cache-Control",
							response->cacheable ? "no-cache" : "no-store");
	evaudit_response_header(response, "X-Content-Type-Options", "nosniff");
	/* pages of other origins may never operate */
	if (!request->admin)
		evaudit_cors_add_headers(request, response->preflight, response);
	if (response->content_type != NULL)
		evaudit_response_header(response, "Content-Type", response->content_type);
	evaudit_response_header(response, "X-Request-Id", request->id);
	evaudit_wait_add_header(response);
	add_log_headers(request, response);
	initStringInfo(&json);
	appendStringInfo(&json, "{%s}", response->headers.data);
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											  CStringGetDatum(json.data)));
}

/* The body of a response, in UTF-8. */
static bytea *
response_body(const EvauditRequest *request, EvauditResponse *response)
{
	char	   *utf8;

	if (request->method != NULL && strcmp(request->method, "HEAD") == 0)
		resetStringInfo(&response->body);
	utf8 = pg_server_to_any(response->body.data, response->body.len, PG_UTF8);
	return (bytea *) cstring_to_text_with_len(utf8,
											  utf8 == response->body.data ?
											  response->body.len : strlen(utf8));
}

/* Read the arguments, each of which may be NULL. */
static bool
read_arguments(FunctionCallInfo fcinfo, EvauditRequest *request,
			   EvauditResponse *response)
{
	if (!PG_ARGISNULL(2))
		request->headers = PG_GETARG_JSONB_P(2);
	if (PG_NARGS() > 3 && !PG_ARGISNULL(3))
	{
		bytea	   *body = PG_GETARG_BYTEA_PP(3);

		request->body = VARDATA_ANY(body);
		request->body_len = VARSIZE_ANY_EXHDR(body);
	}
	return evaudit_request_read(request,
								PG_ARGISNULL(0) ? NULL :
								text_to_cstring(PG_GETARG_TEXT_PP(0)),
								PG_ARGISNULL(1) ? NULL :
								text_to_cstring(PG_GETARG_TEXT_PP(1)),
								response);
}

/* The response to a request, as a row. */
static Datum
serve(FunctionCallInfo fcinfo, bool admin)
{
	EvauditRequest request = {.admin = admin};
	EvauditResponse response;
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {false};
	bool		readable;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	evaudit_response_init(&response);
	readable = read_arguments(fcinfo, &request, &response);
	request.id = evaudit_request_give_id(&request);
	if (readable)
		handle_guarded(&request, &response);
	/* what the sender knows already becomes 304 */
	values[1] = JsonbPGetDatum(response_headers(&request, &response));
	evaudit_http_count(admin, response.status);
	values[0] = Int32GetDatum(response.status);
	values[2] = PointerGetDatum(response_body(&request, &response));
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
											 values, nulls));
}

/*
 * http(method text, path text, headers jsonb, body bytea) returns (status
 * integer, headers jsonb, body bytea)
 */
Datum
evaudit_http(PG_FUNCTION_ARGS)
{
	return serve(fcinfo, false);
}

/* http_admin(method text, path text, headers jsonb) returns likewise */
Datum
evaudit_http_admin(PG_FUNCTION_ARGS)
{
	return serve(fcinfo, true);
}
