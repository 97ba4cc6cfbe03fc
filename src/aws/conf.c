/*-------------------------------------------------------------------------
 *
 * conf.c
 *	  Which options servers and user mappings of evaudit_aws have.
 *
 * Where the service is belongs to the server, who calls it to the user
 * mapping.  Options are checked when they are set, since a worker could only
 * fail, and again when they are read for a client, since a catalog's row need
 * not have come through the validator.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "utils/builtins.h"

#include "aws/client_internal.h"
#include "net/url.h"
#include "server/foreign_options.h"
#include "text/options.h"

#define DEFAULT_CONNECT_TIMEOUT	5000
#define DEFAULT_REQUEST_TIMEOUT	10000
#define MIN_TIMEOUT				100
#define MAX_TIMEOUT				300000

/* Longest value of any option, in bytes; session tokens are the longest. */
#define MAX_VALUE				8192

static void check_region(const char *name, const char *value);
static void check_url(const char *name, const char *value);
static void check_bool(const char *name, const char *value);
static void check_ca_file(const char *name, const char *value);
static void check_timeout(const char *name, const char *value);
static void check_word(const char *name, const char *value);
static void check_role(const char *name, const char *value);

/* All options. */
static const struct
{
	const char *name;
	bool		user_mapping;	/* else of a server */
	bool		secret;
	bool		reads_file;
	void		(*check) (const char *name, const char *value);
}			known_options[] = {
	{"region", false, false, false, check_region},
	{"endpoint_url", false, false, false, check_url},
	{"sts_endpoint_url", false, false, false, check_url},
	{"s3_endpoint_url", false, false, false, check_url},
	{"use_fips_endpoint", false, false, false, check_bool},
	{"use_dualstack_endpoint", false, false, false, check_bool},
	{"ca_file", false, false, true, check_ca_file},
	{"connect_timeout", false, false, false, check_timeout},
	{"request_timeout", false, false, false, check_timeout},
	{"access_key_id", true, true, false, check_word},
	{"secret_access_key", true, true, false, check_word},
	{"session_token", true, true, false, check_word},
	{"role_arn", true, false, false, check_role},
	{"external_id", true, true, false, check_word},
	{"role_session_name", true, false, false, check_word},
};

/* A region is part of a host's name and of signatures. */
static void
check_region(const char *name, const char *value)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	size_t		len = strlen(value);

	if (len == 0 || len > 40 || strspn(value, allowed) != len)
		evaudit_refuse_value(name, "A region is a name such as eu-west-1.");
}

/* Requests are signed for the root of an endpoint. */
static void
check_url(const char *name, const char *value)
{
	if (!evaudit_url_is_origin(value))
		evaudit_refuse_value(name, "It must be an http or https URL of a host and perhaps a port, without a path.");
}

/* A Boolean. */
static void
check_bool(const char *name, const char *value)
{
	bool		ignored;

	if (!parse_bool(value, &ignored))
		evaudit_refuse_value(name, "It must be true or false.");
}

/* A file of the server. */
static void
check_ca_file(const char *name, const char *value)
{
	if (!is_absolute_path(value))
		evaudit_refuse_value(name, "It must be an absolute path.");
}

/* A time. */
static void
check_timeout(const char *name, const char *value)
{
	(void) evaudit_millis(name, value, MIN_TIMEOUT, MAX_TIMEOUT);
}

/* A word: what goes into headers, and so has no control characters. */
static void
check_word(const char *name, const char *value)
{
	if (*value == '\0')
		evaudit_refuse_value(name, "It is empty.");
	for (; *value != '\0'; value++)
	{
		if (*value <= 0x20 || *value >= 0x7f)
			evaudit_refuse_value(name, "It has a character that is not allowed there.");
	}
}

/* A role is named by its ARN. */
static void
check_role(const char *name, const char *value)
{
	check_word(name, value);
	if (strncmp(value, "arn:", 4) != 0)
		evaudit_refuse_value(name, "A role is named as arn:aws:iam::123456789012:role/name.");
}

/* The names of options that are there to choose from. */
static char *
option_names(bool user_mapping)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < lengthof(known_options); i++)
	{
		if (known_options[i].user_mapping == user_mapping)
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "",
							 known_options[i].name);
	}
	return names.data;
}

/* Check one option of a server or of a user mapping. */
static void
check_option(const char *name, const char *value, bool user_mapping, Oid user)
{
	int			i = 0;

	while (i < lengthof(known_options) &&
		   strcmp(known_options[i].name, name) != 0)
		i++;
	if (i < lengthof(known_options) && known_options[i].secret && !user_mapping)
		evaudit_refuse_secret(name);
	if (i == lengthof(known_options) ||
		known_options[i].user_mapping != user_mapping)
		evaudit_refuse_option(name, user_mapping, option_names(user_mapping));
	if (strlen(value) > MAX_VALUE)
		evaudit_refuse_value(name, "It is too long.");
	if (known_options[i].reads_file)
		evaudit_check_file_option(name, user);
	known_options[i].check(name, value);
}

/* Refuse an option that is of no use without another. */
static void
check_needs(List *options, const char *name, const char *needed)
{
	if (evaudit_find_option(options, name) != NULL &&
		evaudit_find_option(options, needed) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("option \"%s\" is required with option \"%s\"",
						needed, name)));
}

/* The value of an option, copied, or NULL. */
static char *
take_option(List *options, const char *name)
{
	DefElem    *option = evaudit_find_option(options, name);

	return option == NULL ? NULL : pstrdup(defGetString(option));
}

/* A Boolean among the options. */
static bool
take_bool(List *options, const char *name)
{
	char	   *str = take_option(options, name);
	bool		value = false;

	return str != NULL && parse_bool(str, &value) && value;
}

/*
 * An endpoint that is named is neither replaced nor known to be a validated
 * one, so no option may ask for that.
 */
static void
check_endpoint_kind(List *options)
{
	static const char *const kinds[] = {
		"use_fips_endpoint", "use_dualstack_endpoint"
	};

	for (int i = 0; i < lengthof(kinds); i++)
	{
		if (take_bool(options, kinds[i]) &&
			(evaudit_find_option(options, "endpoint_url") != NULL ||
			 evaudit_find_option(options, "sts_endpoint_url") != NULL ||
			 evaudit_find_option(options, "s3_endpoint_url") != NULL))
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("option \"%s\" cannot be used with an endpoint that is named",
							kinds[i]),
					 errhint("Name an endpoint of that kind instead.")));
	}
}

/*
 * Check the options of a server or of a user mapping, whose files are read
 * with the rights of a user.  Raises an ERROR of class HV or 42.
 */
void
evaudit_aws_check_options(List *options, bool user_mapping, Oid user)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		check_option(option->defname, defGetString(option), user_mapping,
					 user);
	}
	if (!user_mapping && evaudit_find_option(options, "region") == NULL)
		evaudit_refuse_missing("region");
	check_endpoint_kind(options);
	check_needs(options, "access_key_id", "secret_access_key");
	check_needs(options, "secret_access_key", "access_key_id");
	check_needs(options, "session_token", "access_key_id");
	check_needs(options, "external_id", "role_arn");
	check_needs(options, "role_session_name", "role_arn");
}

/*
 * The options of a server and of a user's mapping there, checked; within a
 * transaction.
 */
List *
evaudit_aws_read_options(Oid server, Oid user)
{
	return evaudit_server_options(server, user, evaudit_aws_check_options);
}

/* A time among the options. */
static int
take_timeout(List *options, const char *name, int initial)
{
	char	   *str = take_option(options, name);

	return str == NULL ? initial :
		evaudit_millis(name, str, MIN_TIMEOUT, MAX_TIMEOUT);
}

/* How a client is set up by the options of a server and a user mapping. */
AwsConf *
evaudit_aws_conf(List *options, bool ambient)
{
	AwsConf    *conf = palloc0(sizeof(AwsConf));

	conf->region = take_option(options, "region");
	conf->endpoint = take_option(options, "endpoint_url");
	conf->sts_endpoint = take_option(options, "sts_endpoint_url");
	conf->s3_endpoint = take_option(options, "s3_endpoint_url");
	conf->use_fips = take_bool(options, "use_fips_endpoint");
	conf->use_dualstack = take_bool(options, "use_dualstack_endpoint");
	conf->ca_file = take_option(options, "ca_file");
	conf->connect_timeout = take_timeout(options, "connect_timeout",
										 DEFAULT_CONNECT_TIMEOUT);
	conf->request_timeout = take_timeout(options, "request_timeout",
										 DEFAULT_REQUEST_TIMEOUT);
	conf->key_id = take_option(options, "access_key_id");
	conf->secret = take_option(options, "secret_access_key");
	conf->token = take_option(options, "session_token");
	conf->role_arn = take_option(options, "role_arn");
	conf->external_id = take_option(options, "external_id");
	conf->session_name = take_option(options, "role_session_name");
	conf->ambient = ambient;
	if (conf->region == NULL)
		evaudit_refuse_missing("region");
	return conf;
}
