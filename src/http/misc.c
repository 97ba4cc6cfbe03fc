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
#include "utils/lsyscache.h"

#include "auth/token.h"
#include "http/routes.h"
#include "server/extension.h"
#include "server/spi.h"
#include "server/table_watch.h"

/* GET /token: where tokens are issued. */
void
evaudit_route_get_token(EvauditRequest *request, EvauditResponse *response)
{
	char	   *url = evaudit_token_url();

	if (url == NULL)
	{
		evaudit_response_error(response, 404, "token",
							   "No issuer of tokens says where to get them.");
		return;
	}
	response->status = 303;
	evaudit_response_header(response, "Location", url);
}

/*
 * GET /users/{user}/services: services_for_user(), with the rights of the
 * table's owner, since the token has decided who may ask for whom.
 */
void
evaudit_route_get_services(EvauditRequest *request, EvauditResponse *response)
{
	static EvauditStatement services = {
		"SELECT $S.services_for_user($1)", 1, {TEXTOID}
	};
	Datum		user = CStringGetTextDatum(request->param);
	StringInfo	json = evaudit_response_begin_json(response, 200);
	EvauditSpi	spi;

	evaudit_spi_begin_on(&spi, get_relname_relid("user_services",
												 evaudit_extension_schema()));
	(void) evaudit_spi_execute(&services, &user, NULL);
	if (!evaudit_response_jsonb(json, evaudit_spi_jsonb(0, 0),
								evaudit_response_limit()))
		evaudit_response_too_large(response);
	evaudit_spi_end(&spi);
}

/*
 * POST /terminate: a gateway ends its process, so that the next one reads its
 * configuration.  Here every session discards what it has compiled.
 */
void
evaudit_route_post_terminate(EvauditRequest *request,
							 EvauditResponse *response)
{
	evaudit_watch_announce("topics");
	evaudit_watch_announce("publish_grants");
	evaudit_watch_announce("read_grants");
	evaudit_watch_announce("issuers");
	evaudit_response_success(response, 200);
}
