/*-------------------------------------------------------------------------
 *
 * registry_options.c
 *	  Servers of the foreign-data wrapper evaudit_registry.
 *
 * A server with a url speaks Confluent's API, or what its option api says:
 * url, api, allow_private, ca_file, request_timeout; username and password, or
 * token, are of a user mapping.
 * Any other is AWS Glue, and has the options of servers and user mappings of
 * evaudit_aws.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "foreign/foreign.h"

#include "aws/client.h"
#include "formats/registry_client.h"
#include "net/url.h"
#include "server/foreign_options.h"
#include "text/ascii.h"
#include "text/base64.h"
#include "text/options.h"

PG_FUNCTION_INFO_V1(evaudit_registry_validator);

#define MAX_URL			2048
#define MAX_SECRET		8192

static const char *const apis[] = {
	[EVAUDIT_API_CONFLUENT] = "confluent",
	[EVAUDIT_API_APICURIO_V2] = "apicurio-v2",
	[EVAUDIT_API_APICURIO_V3] = "apicurio-v3",
};

/* The API that a value of the option names. */
static EvauditRegistryApi
read_api(const char *value)
{
	for (int i = 0; i < lengthof(apis); i++)
		if (strcmp(apis[i], value) == 0)
			return (EvauditRegistryApi) i;
	evaudit_refuse_value("api", "Valid values are: confluent, apicurio-v2, apicurio-v3.");
}

/* Whether an option says who calls a registry with a URL. */
static bool
is_secret(const char *name)
{
	return strcmp(name, "username") == 0 || strcmp(name, "password") == 0 ||
		strcmp(name, "token") == 0;
}

/* Take the option of a registry with a URL; false if it has no such option. */
static bool
take_option(EvauditRegistryConf *conf, DefElem *option)
{
	const char *name = option->defname;
	char	   *value = defGetString(option);

	if (is_secret(name) && strlen(value) > MAX_SECRET)
		evaudit_refuse_value(name, "It is too long.");
	if (strcmp(name, "url") == 0)
		conf->url = value;
	else if (strcmp(name, "api") == 0)
		conf->api = read_api(value);
	else if (strcmp(name, "ca_file") == 0)
		conf->ca_file = value;
	else if (strcmp(name, "request_timeout") == 0)
		conf->timeout = evaudit_millis(name, value, 100, 300000);
	else if (strcmp(name, "allow_private") == 0)
		conf->allow_private = defGetBoolean(option);
	else if (strcmp(name, "username") == 0)
		conf->username = value;
	else if (strcmp(name, "password") == 0)
		conf->password = value;
	else if (strcmp(name, "token") == 0)
	{
		if (!evaudit_is_word(value, MAX_SECRET))
			evaudit_refuse_value(name, "It must be one word.");
		conf->token = value;
	}
	else
		return false;
	return true;
}

/* Check the options of a server with a URL, by the rights of its owner. */
static void
check_server(const EvauditRegistryConf *conf, Oid owner)
{
	const char *url = conf->url;

	if (!evaudit_is_word(url, MAX_URL) || !evaudit_url_is_endpoint(url) ||
		strpbrk(url, "?#") != NULL ||
		(!conf->allow_private && pg_strncasecmp(url, "https://", 8) != 0))
		evaudit_refuse_value("url", "It must be a URL without credentials or query, of https unless option \"allow_private\" is set.");
	if (conf->ca_file != NULL)
		evaudit_check_file_option("ca_file", owner);
	if (conf->allow_private)
		evaudit_check_network_option("allow_private", owner);
}

/* Check who calls: a name with a password, or a token. */
static void
check_mapping(const EvauditRegistryConf *conf)
{
	if ((conf->username == NULL) != (conf->password == NULL) ||
		(conf->token != NULL && conf->username != NULL) ||
		(conf->username != NULL && strchr(conf->username, ':') != NULL))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("a user mapping has \"username\", without a colon, and \"password\", or \"token\"")));
}

/* Check the options of a server or a user mapping. */
static void
check_options(List *options, bool user_mapping, Oid user)
{
	EvauditRegistryConf conf = {0};
	bool		confluent = evaudit_find_option(options, "url") != NULL;
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (is_secret(option->defname) && !user_mapping)
			evaudit_refuse_secret(option->defname);
		confluent |= is_secret(option->defname);
	}
	if (!confluent)
	{
		evaudit_aws_check_options(options, user_mapping, user);
		return;
	}
	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (is_secret(option->defname) != user_mapping ||
			!take_option(&conf, option))
			evaudit_refuse_option(option->defname, user_mapping,
								  user_mapping ? "username, password, token" :
								  "url, api, allow_private, ca_file, request_timeout; or, for Glue, those of evaudit_aws");
	}
	if (user_mapping)
		check_mapping(&conf);
	else
		check_server(&conf, user);
}

/* registry_validator(options text[], catalog oid) */
Datum
evaudit_registry_validator(PG_FUNCTION_ARGS)
{
	return evaudit_validate_options(fcinfo, check_options);
}

/* See registry.h. */
List *
evaudit_registry_read_options(Oid server, Oid user)
{
	return evaudit_server_options(server, user, check_options);
}

/*
 * Find a registry by the name of its server, within a transaction; an ERROR
 * if it is none.  Nothing is said of who may use it: the table is read for
 * everybody who has bytes that name a schema in it.
 */
void
evaudit_registry_find(const char *name, EvauditRegistry *registry)
{
	ForeignServer *server = GetForeignServerByName(name, false);
	ForeignDataWrapper *wrapper = GetForeignDataWrapper(server->fdwid);
	DefElem    *url = evaudit_find_option(server->options, "url");
	DefElem    *api = evaudit_find_option(server->options, "api");
	DefElem    *region = evaudit_find_option(server->options, "region");
	DefElem    *endpoint = evaudit_find_option(server->options, "endpoint_url");

	if (strcmp(wrapper->fdwname, "evaudit_registry") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is not a schema registry", name),
				 errdetail("Its foreign-data wrapper is \"%s\".",
						   wrapper->fdwname)));
	registry->server = server->serverid;
	registry->name = pstrdup(name);
	if (url == NULL)
		registry->kind = EVAUDIT_REGISTRY_GLUE;
	else if (api != NULL && read_api(defGetString(api)) != EVAUDIT_API_CONFLUENT)
		registry->kind = EVAUDIT_REGISTRY_APICURIO;
	else
		registry->kind = EVAUDIT_REGISTRY_CONFLUENT;
	registry->location = url != NULL ? pstrdup(defGetString(url)) :
		psprintf("%s %s", region == NULL ? "" : defGetString(region),
				 endpoint == NULL ? "" : defGetString(endpoint));
}

/* The header that says who calls, or NULL. */
static char *
authorization(const EvauditRegistryConf *conf)
{
	char	   *both;

	if (conf->token != NULL)
		return psprintf("Authorization: Bearer %s", conf->token);
	if (conf->username == NULL)
		return NULL;
	both = psprintf("%s:%s", conf->username, conf->password);
	return psprintf("Authorization: Basic %s",
					evaudit_base64_encode((uint8 *) both, strlen(both)));
}

/* See registry_client.h. */
void
evaudit_registry_conf(List *options, EvauditRegistryConf *conf)
{
	ListCell   *lc;

	memset(conf, 0, sizeof(EvauditRegistryConf));
	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (!take_option(conf, option))
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("option \"%s\" is not one of a registry with a url",
							option->defname)));
	}
	conf->authorization = authorization(conf);
}
