/*-------------------------------------------------------------------------
 *
 * foreign_options.c
 *	  Options of foreign servers and user mappings.
 *
 * Everybody can read a server's options, a user mapping's only the user and
 * the server's owner: so secrets are options of user mappings.
 *
 * There is one way to read options from the catalogs, and it checks them: a
 * row need not have come through the validator of its foreign-data wrapper.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/dependency.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/extension.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "server/compat.h"
#include "server/foreign_options.h"

char	   *evaudit_ambient_credentials_role = NULL;

/* Define this room's settings. */
void
evaudit_foreign_options_init(void)
{
	DefineCustomStringVariable("evaudit.ambient_credentials_role",
							   "Role whose members may use the credentials of the server, of AWS and for Kafka.",
							   "Those of its environment, files and machine. Empty: superusers alone.",
							   &evaudit_ambient_credentials_role, "",
							   PGC_SIGHUP, 0, NULL, NULL, NULL);
}

/*
 * Whether a user may have the server talk to services with its own
 * credentials: those of the operating system's user and of the machine.
 */
bool
evaudit_may_use_ambient(Oid user)
{
	Oid			role;

	if (superuser_arg(user))
		return true;
	if (evaudit_ambient_credentials_role[0] == '\0')
		return false;
	role = get_role_oid(evaudit_ambient_credentials_role, true);
	return OidIsValid(role) && is_member_of_role(user, role);
}

/* Whether a user may have files of the server read. */
static bool
may_read_files(Oid user)
{
	return has_privs_of_role(user, ROLE_PG_READ_SERVER_FILES);
}

/* Raise an ERROR unless an object belongs to the extension. */
static void
check_member(Oid catalog, Oid object, const ForeignServer *server)
{
	if (!OidIsValid(object) ||
		getExtensionOfObject(catalog, object) !=
		get_extension_oid("evaudit", false))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" cannot be used: its foreign-data wrapper is not one of evaudit",
						server->servername)));
}

/*
 * Raise an ERROR unless a user may use a server, and its wrapper and the
 * validator of that are the extension's own: whoever drops a server can make
 * another one under its name.
 */
static void
check_server(const ForeignServer *server, Oid user)
{
	ForeignDataWrapper *wrapper = GetForeignDataWrapper(server->fdwid);
	AclResult	result;

	check_member(ForeignDataWrapperRelationId, wrapper->fdwid, server);
	check_member(ProcedureRelationId, wrapper->fdwvalidator, server);
	result = evaudit_compat_server_aclcheck(server->serverid, user, ACL_USAGE);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FOREIGN_SERVER, server->servername);
}

/*
 * The options of a server, and of a user's mapping there if any, for use: what
 * was checked when they were set is checked again, as if they were set now: by
 * the server's owner, and by the user or, who can make mappings for others,
 * the server's owner.
 */
List *
evaudit_server_options(Oid serverid, Oid user, EvauditCheckOptions check)
{
	ForeignServer *server = GetForeignServerExtended(serverid,
													 FSV_MISSING_OK);
	Datum		id = ObjectIdGetDatum(serverid);
	List	   *mapping;

	if (server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the server does not exist any more")));
	check_server(server, user);
	check(server->options, false, server->owner);

	if (!SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(user),
							   id) &&
		!SearchSysCacheExists2(USERMAPPINGUSERSERVER,
							   ObjectIdGetDatum(InvalidOid), id))
		return server->options;
	mapping = GetUserMapping(user, serverid)->options;
	check(mapping, true, may_read_files(user) ? user : server->owner);
	return list_concat(server->options, mapping);
}

/*
 * Whether options are of a server or a user mapping; those of anything else,
 * such as the wrapper itself, are refused.
 */
static bool
takes_options(Oid catalog, List *options)
{
	if (catalog == ForeignServerRelationId || catalog == UserMappingRelationId)
		return true;
	if (options != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("options belong to servers and user mappings, not to the foreign-data wrapper")));
	return false;
}

/* Check options that a user sets: the body of each validator. */
Datum
evaudit_validate_options(FunctionCallInfo fcinfo, EvauditCheckOptions check)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);

	if (takes_options(catalog, options))
		check(options, catalog == UserMappingRelationId, GetUserId());
	PG_RETURN_VOID();
}

/* An option in a list, or NULL. */
DefElem *
evaudit_find_option(List *options, const char *name)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, name) == 0)
			return option;
	}
	return NULL;
}

/* Refuse an option that reads a file of the server to those who may not. */
void
evaudit_check_file_option(const char *name, Oid user)
{
	if (!may_read_files(user))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to set option \"%s\"", name),
				 errdetail("Only roles with privileges of the \"%s\" role may set options that name files of the server.",
						   "pg_read_server_files")));
}

/* Refuse the value of an option; it may be a secret, and is not repeated. */
void
evaudit_refuse_value(const char *name, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("invalid value for option \"%s\"", name),
			 errdetail("%s", detail)));
}

/* Raise an ERROR about an option that there must be. */
void
evaudit_refuse_missing(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
			 errmsg("option \"%s\" is required", name)));
}

/* Refuse a secret where everybody could read it. */
void
evaudit_refuse_secret(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("option \"%s\" is a secret and cannot be set for a server",
					name),
			 errhint("Use CREATE USER MAPPING.")));
}

/*
 * Refuse an option that has the server connect to where others cannot: its own
 * place in the network is as good as a credential.
 */
void
evaudit_check_network_option(const char *name, Oid user)
{
	if (!evaudit_may_use_ambient(user))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to set option \"%s\"", name),
				 errdetail("Only superusers and members of the role in evaudit.ambient_credentials_role may have the server connect to private addresses.")));
}

/* Refuse an option that servers, or user mappings, do not have. */
void
evaudit_refuse_option(const char *name, bool user_mapping, const char *valid)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 errhint("Valid options of a %s are: %s.",
					 user_mapping ? "user mapping" : "server", valid)));
}
