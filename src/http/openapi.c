/*-------------------------------------------------------------------------
 *
 * openapi.c
 *	  GET /api and GET /docs: the routes as OpenAPI, made from the topics.
 *
 * The document is YAML whose schemas are JSON, which YAML includes.  Each
 * topic has a path of its own, so that its schema is that of the request; the
 * schemas are parts of the document, and so is what they refer to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"

#include "http/openapi.h"
#include "http/routes.h"
#include "http/settings.h"
#include "schema/bundle.h"
#include "server/spi.h"
#include "text/ascii.h"

static const char page[] =
"<!DOCTYPE html>\n"
"<html lang=\"en\">\n"
"<head>\n"
"<meta charset=\"UTF-8\">\n"
"<title>evaudit</title>\n"
"<link rel=\"stylesheet\" href=\"%s/swagger-ui.css\">\n"
"</head>\n"
"<body>\n"
"<div id=\"swagger-ui\"><a href=\"./api\">OpenAPI</a></div>\n"
"<script src=\"%s/swagger-ui-bundle.js\"></script>\n"
"<script>\n"
"window.ui = SwaggerUIBundle({url: \"./api\", dom_id: \"#swagger-ui\"});\n"
"</script>\n"
"</body>\n"
"</html>\n";

/* The topics as parts of the document. */
typedef struct Topics
{
	EvauditBundle *bundle;
	StringInfo	yaml;
} Topics;

/* A name as a part of a path. */
static char *
path_part(const char *name)
{
	StringInfoData out;

	initStringInfo(&out);
	for (; *name != '\0'; name++)
	{
		if (evaudit_is_alnum(*name) || strchr("-._~", *name) != NULL)
			appendStringInfoChar(&out, *name);
		else
			appendStringInfo(&out, "%%%02X", (unsigned char) *name);
	}
	return out.data;
}

/* The path of a topic, with its schema, which may be NULL. */
static void
append_topic(Topics *topics, const char *name, Jsonb *schema, bool batch)
{
	const char *part;
	char	   *utf8 = pg_server_to_any(name, (int) strlen(name), PG_UTF8);

	if (schema == NULL)
		schema = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
													CStringGetDatum("{\"type\": \"object\"}")));
	part = evaudit_bundle_add(topics->bundle, psprintf("topic.%s", name), schema);
	appendStringInfo(topics->yaml, "  \"/topics/%s\":\n", path_part(utf8));
	appendStringInfo(topics->yaml,
					 "    post:\n"
					 "      operationId: publish_%s\n"
					 "      tags: [events]\n", part + strlen("topic."));
	appendStringInfoString(topics->yaml, "      summary: ");
	escape_json(topics->yaml, psprintf("Publish an event to topic %s", name));
	appendStringInfo(topics->yaml,
					 "\n"
					 "      parameters: [{$ref: \"#/components/parameters/key\"}]\n"
					 "      requestBody:\n"
					 "        required: true\n"
					 "        content: {application/json: {schema: {%s$ref: \"#/components/schemas/%s\"}%s}}\n",
					 batch ? "oneOf: [{" : "", part,
					 batch ? psprintf(", {type: array, maxItems: 1000, items: {$ref: \"#/components/schemas/%s\"}}]}", part) : "");
	appendStringInfoString(topics->yaml,
						   "      responses:\n"
						   "        \"202\": {$ref: \"#/components/responses/Accepted\"}\n"
						   "        \"207\": {$ref: \"#/components/responses/Batch\"}\n"
						   "        default: {$ref: \"#/components/responses/Error\"}\n");
}

/* The columns of a topic. */
enum
{
	TOPIC_NAME,
	TOPIC_SCHEMA,
	TOPIC_BATCH
};

/* The paths of the topics, whose schemas go into the bundle. */
static void
append_topics(Topics *topics, EvauditResponse *response)
{
	static EvauditStatement select = {
		"SELECT t.name, s.schema,"
		" COALESCE(t.options -> 'batch' = 'true'::jsonb, false)"
		" FROM evaudit.topics t LEFT JOIN evaudit.topic_schemas s"
		" ON s.topic = t.name AND s.version = t.schema_version"
		" ORDER BY t.name COLLATE \"C\"", 0, {0}
	};

	(void) evaudit_spi_execute(&select, NULL, NULL);
	for (uint64 i = 0; i < SPI_processed && evaudit_response_fits(response); i++)
	{
		char	   *name = evaudit_spi_text((int) i, TOPIC_NAME);

		if (evaudit_topic_is_shown(name))
			append_topic(topics, name,
						 evaudit_spi_jsonb_or_null((int) i, TOPIC_SCHEMA),
						 evaudit_spi_bool((int) i, TOPIC_BATCH));
	}
}

/* The schemas of the topics, and what they refer to; false: too large. */
static bool
append_schemas(Topics *topics, EvauditResponse *response)
{
	const char *name;
	Jsonb	   *schema;

	while (evaudit_bundle_next(topics->bundle, &name, &schema))
	{
		appendStringInfo(topics->yaml, "    \"%s\": ", name);
		if (!evaudit_response_jsonb(topics->yaml, schema,
									evaudit_response_limit()) ||
			!evaudit_response_fits(response))
			return false;
		appendStringInfoChar(topics->yaml, '\n');
	}
	return true;
}

/* GET /api */
void
evaudit_route_get_api(EvauditRequest *request, EvauditResponse *response)
{
	StringInfo	yaml = evaudit_response_begin(response, 200, "application/yaml");
	Topics		topics;
	EvauditSpi	spi;

	appendStringInfoString(yaml, evaudit_openapi_head);
	for (const EvauditOpenapiPath *path = evaudit_openapi_paths;
		 path->yaml != NULL; path++)
	{
		if ((path->access == NULL || *path->access != EVAUDIT_ROUTE_OFF) &&
			(path->enabled == NULL || *path->enabled))
			appendStringInfoString(yaml, path->yaml);
	}
	evaudit_spi_begin(&spi);
	topics.yaml = yaml;
	topics.bundle = evaudit_bundle_create("#/components/schemas/");
	append_topics(&topics, response);
	appendStringInfoString(yaml, evaudit_openapi_components);
	if (append_schemas(&topics, response))
		response->cacheable = true;
	else
		evaudit_response_too_large(response);
	evaudit_spi_end(&spi);
}

/* A text as the value of an attribute of HTML. */
static char *
attribute(const char *str)
{
	StringInfoData escaped;

	initStringInfo(&escaped);
	for (; *str != '\0'; str++)
	{
		if (strchr("\"&<>'", *str) != NULL)
			appendStringInfo(&escaped, "&#%d;", *str);
		else
			appendStringInfoChar(&escaped, *str);
	}
	return escaped.data;
}

/* GET /docs: a page that shows the document by Swagger UI. */
void
evaudit_route_get_docs(EvauditRequest *request, EvauditResponse *response)
{
	char	   *assets = attribute(evaudit_http_docs_assets);

	appendStringInfo(evaudit_response_begin(response, 200,
											"text/html; charset=utf-8"),
					 page, assets, assets);
	response->cacheable = true;
}
