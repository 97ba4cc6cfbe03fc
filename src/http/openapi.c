/*-------------------------------------------------------------------------
 *
 * openapi.c
 *	  GET /api and GET /docs: the routes as OpenAPI, made from the topics.
 *
 * The document is YAML whose schemas are JSON, which YAML includes.  Each
 * topic has a path of its own, so that its schema is that of the request.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/json.h"

#include "http/routes.h"
#include "http/settings.h"
#include "server/spi.h"

static const char head[] =
"openapi: 3.1.0\n"
"info:\n"
"  title: evaudit\n"
"  version: \"1.0\"\n"
"  description: Events that are checked, kept and passed on by the database.\n"
"components:\n"
"  securitySchemes:\n"
"    bearerAuth:\n"
"      type: http\n"
"      scheme: bearer\n"
"      bearerFormat: JWT\n"
"  schemas:\n"
"    Error:\n"
"      type: object\n"
"      required: [success, statusCode, errors]\n"
"      properties:\n"
"        success: {type: boolean}\n"
"        statusCode: {type: integer}\n"
"        errors:\n"
"          type: array\n"
"          items:\n"
"            type: object\n"
"            required: [type, message]\n"
"            properties:\n"
"              type: {type: string}\n"
"              message: {type: string}\n"
"  responses:\n"
"    Error:\n"
"      description: Why the request was refused\n"
"      content: {application/json: {schema: {$ref: \"#/components/schemas/Error\"}}}\n"
"  parameters:\n"
"    topic: {name: topic_name, in: path, required: true, schema: {type: string}}\n"
"paths:\n"
"  /api:\n"
"    get:\n"
"      summary: This document\n"
"      responses: {\"200\": {description: OpenAPI as YAML}}\n"
"  /docs:\n"
"    get:\n"
"      summary: This document as a page\n"
"      responses: {\"200\": {description: A page of HTML}}\n"
"  /token:\n"
"    get:\n"
"      summary: Where tokens are issued\n"
"      responses:\n"
"        \"303\": {description: The place is in the header Location}\n"
"        \"404\": {$ref: \"#/components/responses/Error\"}\n"
"  /health:\n"
"    get:\n"
"      summary: Whether events can be taken in\n"
"      responses:\n"
"        \"200\": {description: All is well}\n"
"        \"503\": {description: Something is not}\n"
"  /topics:\n"
"    get:\n"
"      summary: Names of the topics\n"
"      responses:\n"
"        \"200\":\n"
"          description: A list of names\n"
"          content: {application/json: {schema: {type: array, items: {type: string}}}}\n"
"  /topics/{topic_name}:\n"
"    parameters: [{$ref: \"#/components/parameters/topic\"}]\n"
"    get:\n"
"      summary: JSON Schema of a topic\n"
"      responses:\n"
"        \"200\": {description: The schema}\n"
"        \"404\": {$ref: \"#/components/responses/Error\"}\n"
"  /stats/{topic_name}:\n"
"    parameters: [{$ref: \"#/components/parameters/topic\"}]\n"
"    post:\n"
"      summary: Kept events of a topic, newest first\n"
"      security: [{bearerAuth: []}]\n"
"      requestBody:\n"
"        content:\n"
"          application/json:\n"
"            schema:\n"
"              type: object\n"
"              properties:\n"
"                timestamp_start: {type: integer, description: Epoch milliseconds}\n"
"                timestamp_end: {type: integer, description: Epoch milliseconds}\n"
"                cursor: {type: integer, description: As the page before said}\n"
"                limit: {type: integer, minimum: 1, maximum: 1000, default: 50}\n"
"      responses:\n"
"        \"200\": {description: A page of events}\n"
"        default: {$ref: \"#/components/responses/Error\"}\n"
"  /events:\n"
"    post:\n"
"      summary: Log an event\n"
"      requestBody:\n"
"        content:\n"
"          application/json:\n"
"            schema:\n"
"              type: object\n"
"              required: [type, payload]\n"
"              properties:\n"
"                id: {type: string}\n"
"                type: {type: string}\n"
"                payload: {type: object}\n"
"      responses:\n"
"        \"201\": {description: The event as it was logged}\n"
"        \"409\": {description: Its id has another event}\n"
"        \"422\": {description: What is wrong with it}\n"
"  /events/{id}:\n"
"    get:\n"
"      summary: An event that was logged\n"
"      parameters: [{name: id, in: path, required: true, schema: {type: string}}]\n"
"      responses:\n"
"        \"200\": {description: The event}\n"
"        \"404\": {description: There is none}\n"
"  /users/{user_id}/services:\n"
"    get:\n"
"      summary: The services of a user, newest first\n"
"      parameters: [{name: user_id, in: path, required: true, schema: {type: string}}]\n"
"      responses: {\"200\": {description: The services}}\n";

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

/* The path of a topic, with its schema; false if that is too large. */
static bool
append_topic(StringInfo yaml, const char *name, Jsonb *schema)
{
	appendStringInfoString(yaml, "  ");
	escape_json(yaml, psprintf("/topics/%s", name));
	appendStringInfoString(yaml,
						   ":\n"
						   "    post:\n"
						   "      summary: Publish an event\n"
						   "      security: [{bearerAuth: []}]\n"
						   "      requestBody:\n"
						   "        required: true\n"
						   "        content:\n"
						   "          application/json:\n"
						   "            schema: ");
	if (schema == NULL)
		appendStringInfoString(yaml, "{type: object}");
	else if (!evaudit_response_jsonb(yaml, schema, evaudit_response_limit()))
		return false;
	appendStringInfoString(yaml,
						   "\n"
						   "      responses:\n"
						   "        \"202\": {description: The event was accepted}\n"
						   "        default: {$ref: \"#/components/responses/Error\"}\n");
	return true;
}

/* The columns of a topic. */
enum
{
	TOPIC_NAME,
	TOPIC_SCHEMA
};

/* GET /api */
void
evaudit_route_get_api(EvauditRequest *request, EvauditResponse *response)
{
	static EvauditStatement topics = {
		"SELECT t.name, s.schema FROM evaudit.topics t"
		" LEFT JOIN evaudit.topic_schemas s"
		" ON s.topic = t.name AND s.version = t.schema_version"
		" ORDER BY t.name COLLATE \"C\"", 0, {0}
	};
	StringInfo	yaml = evaudit_response_begin(response, 200, "application/yaml");
	EvauditSpi	spi;
	bool		fits = true;

	response->cacheable = true;
	appendBinaryStringInfo(yaml, head, sizeof(head) - 1);
	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&topics, NULL, NULL);
	for (uint64 i = 0; fits && i < SPI_processed; i++)
	{
		fits = append_topic(yaml, evaudit_spi_text((int) i, TOPIC_NAME),
							evaudit_spi_jsonb_or_null((int) i, TOPIC_SCHEMA)) &&
			evaudit_response_fits(response);
	}
	if (!fits)
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
