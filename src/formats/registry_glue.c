/*-------------------------------------------------------------------------
 *
 * registry_glue.c
 *	  Schemas of AWS Glue, by the UUID of a version.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "formats/registry_client.h"
#include "formats/schema_text.h"

/* Get the version of a schema; its type is NULL if Glue knows none. */
void
evaudit_registry_get_glue(EvauditRegistryClient *client, const char *id,
						  EvauditFetched *fetched)
{
	char	   *body = psprintf("{\"SchemaVersionId\": \"%s\"}", id);
	EvauditAwsResponse *response = evaudit_aws_perform(client->aws,
													   "GetSchemaVersion",
													   body);
	const char *schema;
	const char *type;

	if (strcmp(response->code, "EntityNotFoundException") == 0)
	{
		evaudit_aws_release(client->aws, response);
		return;
	}
	if (response->fault != EVAUDIT_AWS_OK)
		evaudit_registry_fail(client, id, response->message, NULL);
	schema = evaudit_json_string(response->json, "SchemaDefinition");
	type = evaudit_json_string(response->json, "DataFormat");
	if (schema == NULL || type == NULL ||
		strlen(schema) > EVAUDIT_MAX_SCHEMA_BYTES)
		evaudit_registry_fail(client, id, "the response has no schema, or one that is too large", NULL);
	fetched->schema = pstrdup(schema);
	fetched->type = pstrdup(type);
	fetched->refs_json = "[]";
	evaudit_aws_release(client->aws, response);
}
