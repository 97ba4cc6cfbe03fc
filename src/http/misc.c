/*-------------------------------------------------------------------------
 *
 * misc.c
 *	  Routes of few lines: GET /token, GET /users/{user}/services and
 *	  POST /terminate.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "auth/token.h"
#include "http/http.h"
#include "server/spi.h"
#include "server/table_watch.h"

/* GET /token: where tokens are to be had. */
void
evaudit_gate_get_token(EvauditGateRequest *request, EvauditGateAnswer *answer)
{
	char	   *url = evaudit_token_url();

	if (url == NULL)
	{
		evaudit_gate_error(answer, 404, "token",
						   "No issuer of tokens says where to get them.");
		return;
	}
	answer->status = 303;
	evaudit_gate_add_header(answer, "Location", url);
}

/*
 * GET /users/{user}/services: services_for_user(), with the rights of the
 * caller's role.
 */
void
evaudit_gate_get_services(EvauditGateRequest *request,
						  EvauditGateAnswer *answer)
{
	static EvauditStatement services = {
		"SELECT $S.services_for_user($1)", 1, {TEXTOID}
	};
	Datum		user = CStringGetTextDatum(request->param);
	StringInfo	json = evaudit_gate_answer_json(answer, 200);
	bool		isnull;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	(void) evaudit_spi_execute(&services, &user, NULL);
	evaudit_gate_jsonb(json, DatumGetJsonbP(evaudit_spi_datum(0, 0, &isnull)));
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "could not disconnect from SPI");
}

/*
 * POST /terminate: a gateway ends its process, so that the next one reads its
 * configuration.  Here every session makes anew what it has compiled.
 */
void
evaudit_gate_post_terminate(EvauditGateRequest *request,
							EvauditGateAnswer *answer)
{
	char	   *subject;

	if (!evaudit_gate_authenticate(request, answer, &subject))
		return;
	evaudit_watch_announce("topics");
	evaudit_watch_announce("publish_grants");
	evaudit_watch_announce("issuers");
	appendStringInfoString(evaudit_gate_answer_json(answer, 200),
						   "{\"success\":true,\"statusCode\":200}");
}
