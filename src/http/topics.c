/*-------------------------------------------------------------------------
 *
 * topics.c
 *	  GET /topics and GET /topics/{topic}.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/json.h"

#include "http/routes.h"
#include "server/spi.h"

/*
 * Whether a topic is shown to strangers.  A gateway has those that it was
 * configured with, and none that came with an extension.
 */
bool
evaudit_topic_is_shown(const char *name)
{
	return evaudit_http_compat != EVAUDIT_COMPAT_EVENTGATE ||
		(strcmp(name, EVAUDIT_LOGGER_TOPIC) != 0 && strcmp(name, "login") != 0);
}

/*
 * Find the topic that the path names: of that name, else of that name in
 * lower case, as gateways do.  False if there is none.  The request's
 * parameter is the topic's name from then on.
 */
bool
evaudit_route_find_topic(EvauditRequest *request, EvauditResponse *response)
{
	/* a gateway's two programs differ in this */
	bool		is_stats = evaudit_http_compat == EVAUDIT_COMPAT_EVENTGATE &&
		strncmp(request->path, "/stats/", strlen("/stats/")) == 0;

	request->topic = evaudit_topic_load(request->param, true);
	if (request->topic != NULL && !evaudit_topic_is_shown(request->param))
		request->topic = NULL;
	else if (request->topic == NULL)
	{
		char	   *lower = pstrdup(request->param);

		for (char *p = lower; *p != '\0'; p++)
			*p = (char) pg_ascii_tolower((unsigned char) *p);
		request->param = lower;
		if (evaudit_topic_is_shown(lower))
			request->topic = evaudit_topic_load(lower, true);
	}
	if (request->topic == NULL)
		evaudit_response_error(response, 404, EVAUDIT_PROBLEM_TOPIC,
							   psprintf("Topic '%s' not found%s",
										request->param, is_stats ? "." : ""));
	return request->topic != NULL;
}

/* GET /topics: a list of names. */
void
evaudit_route_get_topics(EvauditRequest *request,
						 EvauditResponse *response)
{
	static EvauditStatement names = {
		"SELECT name FROM evaudit.topics ORDER BY name COLLATE \"C\"", 0, {0}
	};
	StringInfo	json = evaudit_response_begin_json(response, 200);
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	evaudit_spi_execute(&names, NULL, NULL);
	appendStringInfoChar(json, '[');
	for (uint64 i = 0;
		 i < SPI_processed && evaudit_response_fits(response); i++)
	{
		char	   *name = evaudit_spi_text((int) i, 0);

		if (!evaudit_topic_is_shown(name))
			continue;
		if (json->data[json->len - 1] != '[')
			appendStringInfoChar(json, ',');
		escape_json(json, name);
	}
	appendStringInfoChar(json, ']');
	response->cacheable = true;
	evaudit_spi_end(&spi);
}

/* GET /topics/{topic}: its schema; {} accepts anything. */
void
evaudit_route_get_topic(EvauditRequest *request, EvauditResponse *response)
{
	StringInfo	json;

	if (!evaudit_route_find_topic(request, response))
		return;
	json = evaudit_response_begin_json(response, 200);
	response->cacheable = true;
	if (request->topic->schema_source == NULL)
		appendStringInfoString(json, "{}");
	else if (!evaudit_response_jsonb(json, request->topic->schema_source,
									 evaudit_response_limit()))
		evaudit_response_too_large(response);
}
