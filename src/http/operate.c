/*-------------------------------------------------------------------------
 *
 * operate.c
 *	  Routes of the admin listener: pause, resume and redrive.
 *
 * The functions that people call are called, with the privileges of the role
 * that granted the subject of the token to operate (auth/operate_grant.c): what
 * these functions refuse that role, they refuse here.  The role that calls
 * evaudit.http_admin() needs no privilege on sources and sinks, and gets none.
 *
 * Whatever takes effect is a line of the server's log; audit rows that it
 * writes have the subject as their actor.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "http/routes.h"
#include "server/guard.h"
#include "server/spi.h"

/* Dead letters that one request tries again: pages send one after the other. */
#define REDRIVE_LETTERS		500

/* What a request does to a source or a sink. */
typedef struct Operation
{
	const char *verb;			/* for the log, with what it is done to */
	EvauditStatement *statement;	/* a row of numbers, or of nothing */
	int			nnumbers;
	const char *const *names;	/* of the numbers, in the response */

	const EvauditRequest *request;
	Datum		values[2];		/* the name, and what else there is */
	int64		numbers[4];
} Operation;

/* Run the statement of an operation as the role that granted it. */
static bool
run(void *arg)
{
	Operation  *operation = arg;
	int			level = evaudit_route_begin_publishing(operation->request);
	EvauditSpi	spi;

	evaudit_spi_begin_for(&spi, operation->request->grantor);
	(void) evaudit_spi_execute(operation->statement, operation->values, NULL);
	for (int i = 0; i < operation->nnumbers; i++)
		operation->numbers[i] = evaudit_spi_int64(0, i);
	evaudit_spi_end(&spi);
	AtEOXact_GUC(true, level);
	return true;
}

/*
 * Respond to what the function refused for a reason that the sender, who may
 * operate, can do something about; any other error is raised.
 */
static void
respond_refusal(ErrorData *error, EvauditResponse *response)
{
	switch (error->sqlerrcode)
	{
		case ERRCODE_UNDEFINED_OBJECT:
			evaudit_response_error(response, 404, "name", error->message);
			break;
		case ERRCODE_INSUFFICIENT_PRIVILEGE:
			evaudit_response_error(response, 403, "permission",
								   error->message);
			break;
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
			evaudit_response_error(response, 409, "state", error->message);
			break;
		default:
			ReThrowError(error);
	}
}

/* Log what was done, and by whom. */
static void
log_operation(const Operation *operation)
{
	const EvauditRequest *request = operation->request;

	ereport(LOG,
			(errmsg("%s \"%s\" by subject \"%s\"", operation->verb,
					request->param, request->subject),
			 errdetail_log("request_id=\"%s\"", request->id),
			 errhidestmt(true), errhidecontext(true)));
}

/* Do it, log it and respond. */
static void
operate(Operation *operation, EvauditResponse *response)
{
	ErrorData  *error;
	StringInfo	json;

	operation->values[0] = CStringGetTextDatum(operation->request->param);
	error = evaudit_guard(run, operation);
	if (error != NULL)
	{
		respond_refusal(error, response);
		return;
	}
	log_operation(operation);
	json = evaudit_response_begin_json(response, 200);
	appendStringInfoString(json, "{\"success\":true,\"statusCode\":200");
	for (int i = 0; i < operation->nnumbers; i++)
		appendStringInfo(json, ",\"%s\":" INT64_FORMAT, operation->names[i],
						 operation->numbers[i]);
	appendStringInfoChar(json, '}');
}

/* An operation that is a call of a function with a name. */
static void
call(EvauditRequest *request, EvauditResponse *response, const char *verb,
	 EvauditStatement *statement)
{
	Operation	operation = {verb, statement,.request = request};

	operate(&operation, response);
}

/* POST /sources/{source}/pause */
void
evaudit_route_pause_source(EvauditRequest *request, EvauditResponse *response)
{
	static EvauditStatement pause = {
		"SELECT evaudit.pause_source($1)", 1, {TEXTOID}
	};

	call(request, response, "pause of source", &pause);
}

/* POST /sources/{source}/resume */
void
evaudit_route_resume_source(EvauditRequest *request, EvauditResponse *response)
{
	static EvauditStatement resume = {
		"SELECT evaudit.resume_source($1)", 1, {TEXTOID}
	};

	call(request, response, "resume of source", &resume);
}

/* POST /sinks/{sink}/pause */
void
evaudit_route_pause_sink(EvauditRequest *request, EvauditResponse *response)
{
	static EvauditStatement pause = {
		"SELECT evaudit.pause_sink($1)", 1, {TEXTOID}
	};

	call(request, response, "pause of sink", &pause);
}

/* POST /sinks/{sink}/resume */
void
evaudit_route_resume_sink(EvauditRequest *request, EvauditResponse *response)
{
	static EvauditStatement resume = {
		"SELECT evaudit.resume_sink($1)", 1, {TEXTOID}
	};

	call(request, response, "resume of sink", &resume);
}

/* POST /sinks/{sink}/redeliver */
void
evaudit_route_redeliver(EvauditRequest *request, EvauditResponse *response)
{
	static EvauditStatement redeliver = {
		"SELECT evaudit.redeliver($1)", 1, {TEXTOID}
	};
	static const char *const names[] = {"redelivered"};
	Operation	operation = {"redelivery of sink", &redeliver, 1, names, request};

	operate(&operation, response);
}

/*
 * POST /sources/{source}/redrive?after=: some letters, in the order of ids.  If
 * there are more, "last" is the next request's "after".
 */
void
evaudit_route_redrive(EvauditRequest *request, EvauditResponse *response)
{
	static EvauditStatement redrive = {
		"SELECT COALESCE(evaudit.redrive(array_agg(d.id)), 0), count(*),"
		" COALESCE(max(d.id), $2), CASE count(*)"
		" WHEN " CppAsString2(REDRIVE_LETTERS) " THEN bigint '1' ELSE 0 END"
		" FROM (SELECT l.id FROM evaudit.dead_letters l"
		" WHERE l.source = $1 AND l.redriven_at IS NULL AND l.id > $2"
		" ORDER BY l.id LIMIT " CppAsString2(REDRIVE_LETTERS) ") d",
		2, {TEXTOID, INT8OID}
	};
	static const char *const names[] = {"redriven", "tried", "last", "more"};
	Operation	operation = {"redrive of source", &redrive, 4, names, request};
	const char *after = evaudit_request_parameter(request, "after");
	char	   *end;

	errno = 0;
	operation.values[1] = Int64GetDatum(after != NULL ?
										strtoi64(after, &end, 10) : 0);
	if (after != NULL && (*after == '\0' || *end != '\0' || errno != 0))
		evaudit_response_error(response, 400, EVAUDIT_PROBLEM_VALIDATION,
							   "Parameter 'after' is not a number.");
	else
		operate(&operation, response);
}
