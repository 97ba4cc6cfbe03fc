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

#include "http/http.h"
#include "server/spi.h"

/*
 * The topic that a path names: of that name, else of that name in lower case,
 * as gateways do.  NULL if there is none: then the request is answered.  The
 * request's parameter is the topic's name from then on.
 */
const EvauditTopic *
evaudit_gate_find_topic(EvauditGateRequest *request,
						EvauditGateAnswer *answer)
{
	const EvauditTopic *topic = evaudit_topic_load(request->param, true);

	if (topic == NULL)
	{
		char	   *lower = pstrdup(request->param);

		for (char *p = lower; *p != '\0'; p++)
			*p = (char) pg_ascii_tolower((unsigned char) *p);
		request->param = lower;
		topic = evaudit_topic_load(lower, true);
	}
	if (topic == NULL)
		evaudit_gate_error(answer, 404, EVAUDIT_GATE_TOPIC,
						   psprintf("Topic '%s' not found", request->param));
	return topic;
}

/* GET /topics: a list of names. */
void
evaudit_gate_get_topics(EvauditGateRequest *request,
						EvauditGateAnswer *answer)
{
	static EvauditStatement names = {
		"SELECT name FROM evaudit.topics ORDER BY name COLLATE \"C\"", 0, {0}
	};
	StringInfo	json = evaudit_gate_answer_json(answer, 200);
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	evaudit_spi_execute(&names, NULL, NULL);
	appendStringInfoChar(json, '[');
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		if (i > 0)
			appendStringInfoChar(json, ',');
		escape_json(json, evaudit_spi_text((int) i, 0));
	}
	appendStringInfoChar(json, ']');
	evaudit_spi_end(&spi);
}

/* GET /topics/{topic}: its schema; {} takes anything. */
void
evaudit_gate_get_topic(EvauditGateRequest *request, EvauditGateAnswer *answer)
{
	const EvauditTopic *topic = evaudit_gate_find_topic(request, answer);
	StringInfo	json;

	if (topic == NULL)
		return;
	json = evaudit_gate_answer_json(answer, 200);
	if (topic->schema_source != NULL)
		evaudit_gate_jsonb(json, topic->schema_source);
	else
		appendStringInfoString(json, "{}");
}
