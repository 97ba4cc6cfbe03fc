/*-------------------------------------------------------------------------
 *
 * msk_options.c
 *	  Options of servers and user mappings for Amazon MSK with IAM.
 *
 *	  aws.msk.iam		log in so: true or false
 *	  aws.region		of the cluster; by default what its brokers' names say
 *	  aws.role_arn, ...	those of evaudit_aws that are about credentials
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"

#include "aws/client.h"
#include "kafka/msk.h"
#include "server/foreign_options.h"

#define PREFIX				"aws."
#define MSK_IAM				PREFIX "msk.iam"

/* What evaudit_aws has that is about credentials. */
static const char *const aws_options[] = {
	"region", "sts_endpoint_url", "use_fips_endpoint",
	"use_dualstack_endpoint", "ca_file", "connect_timeout", "request_timeout",
	"access_key_id", "secret_access_key", "session_token", "role_arn",
	"external_id", "role_session_name"
};

/* Whether an option is about AWS, not a property of the library. */
bool
evaudit_kafka_is_aws_option(const char *name)
{
	return strncmp(name, PREFIX, strlen(PREFIX)) == 0;
}

/* Whether clients log in by IAM. */
bool
evaudit_kafka_uses_msk(List *options)
{
	DefElem    *option = evaudit_find_option(options, MSK_IAM);
	bool		value = false;

	return option != NULL && parse_bool(defGetString(option), &value) && value;
}

/* The value of the first of two options that is there, or NULL. */
static const char *
value_of(List *options, const char *name, const char *other)
{
	DefElem    *option = evaudit_find_option(options, name);

	if (option == NULL)
		option = evaudit_find_option(options, other);
	return option == NULL ? NULL : defGetString(option);
}

/*
 * The region that the name of the first broker says, or NULL: it is
 * b-1.name.abcdef.c2.kafka.eu-west-1.amazonaws.com:9098 or the like.
 */
static char *
region_of_brokers(List *options)
{
	const char *brokers = value_of(options, "bootstrap.servers",
								   "metadata.broker.list");
	char	   *first;
	char	   *end;
	char	   *start;

	if (brokers == NULL)
		return NULL;
	first = pnstrdup(brokers, strcspn(brokers, ","));
	end = strstr(first, ".amazonaws.com");
	if (end == NULL)
		return NULL;
	*end = '\0';
	start = strrchr(first, '.');
	return start == NULL ? NULL : start + 1;
}

/* The options as evaudit_aws calls them, with the region of the brokers. */
List *
evaudit_kafka_msk_options(List *options)
{
	List	   *result = NIL;
	char	   *region = region_of_brokers(options);
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);
		char	   *name = option->defname;

		if (evaudit_kafka_is_aws_option(name) && strcmp(name, MSK_IAM) != 0)
			result = lappend(result, makeDefElem(name + strlen(PREFIX),
												 option->arg, -1));
	}
	if (region != NULL && evaudit_find_option(result, "region") == NULL)
		result = lappend(result, makeDefElem("region",
											 (Node *) makeString(region), -1));
	return result;
}

/* Refuse an option of AWS that has nothing to do with credentials. */
static void
check_name(const char *name, bool user_mapping)
{
	if (strcmp(name, MSK_IAM) == 0 && !user_mapping)
		return;
	for (int i = 0; i < lengthof(aws_options); i++)
	{
		if (strcmp(name + strlen(PREFIX), aws_options[i]) == 0)
			return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name)));
}

/*
 * Refuse what cannot go with IAM: a token is sent by TLS alone, and comes from
 * nowhere else.
 */
static void
check_beside(const DefElem *option)
{
	static const char oauth[] = "sasl.oauthbearer.";
	const char *name = option->defname;
	const char *value = defGetString(unconstify(DefElem *, option));
	const char *only = NULL;

	if (strcmp(name, "security.protocol") == 0)
		only = "sasl_ssl";
	else if (strcmp(name, "sasl.mechanism") == 0 ||
			 strcmp(name, "sasl.mechanisms") == 0)
		only = "OAUTHBEARER";
	else if (strncmp(name, oauth, strlen(oauth)) != 0 &&
			 strcmp(name, "enable.sasl.oauthbearer.unsecure.jwt") != 0)
		return;
	if (only == NULL || pg_strcasecmp(value, only) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"%s\" cannot be used with \"" MSK_IAM "\"",
						name),
				 only != NULL ? errhint("Its only value is \"%s\".", only) : 0));
}

/* The context of an ERROR about an option without its prefix. */
static void
name_prefix(void *arg)
{
	errcontext("options of AWS, whose names begin with \"" PREFIX "\" here");
}

/*
 * Check the options that are about AWS, of a server or of a user mapping; a
 * user reads the files that they name.  Raises an ERROR of class HV or 42.
 */
void
evaudit_kafka_check_msk(List *options, bool user_mapping, Oid user)
{
	ErrorContextCallback callback = {
		.previous = error_context_stack,.callback = name_prefix
	};
	DefElem    *iam = evaudit_find_option(options, MSK_IAM);
	bool		uses = evaudit_kafka_uses_msk(options);
	bool		ignored;
	ListCell   *lc;

	if (iam != NULL && !parse_bool(defGetString(iam), &ignored))
		evaudit_refuse_value(MSK_IAM, "It must be true or false.");
	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (evaudit_kafka_is_aws_option(option->defname))
			check_name(option->defname, user_mapping);
		else if (uses)
			check_beside(option);
	}
	options = evaudit_kafka_msk_options(options);
	if (uses && evaudit_find_option(options, "region") == NULL)
		evaudit_refuse_missing(PREFIX "region");
	if (!uses && !user_mapping)
		return;
	error_context_stack = &callback;
	evaudit_aws_check_options(options, user_mapping, user);
	error_context_stack = callback.previous;
}

/*
 * Who owns a server says whom a token is sent to, which the token does not:
 * raises an ERROR unless the owner may use the credentials of the server, too,
 * where a token would be made by them.
 */
void
evaudit_kafka_check_msk_ambient(List *options, Oid server)
{
	if (!evaudit_kafka_uses_msk(options) ||
		evaudit_find_option(options, PREFIX "access_key_id") != NULL ||
		evaudit_may_use_ambient(GetForeignServer(server)->owner))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to send a token of the server's AWS credentials to the brokers of server \"%s\"",
					GetForeignServer(server)->servername),
			 errdetail("Its owner is neither a superuser nor a member of the role in evaudit.ambient_credentials_role."),
			 errhint("Set aws.access_key_id in the user mapping.")));
}
