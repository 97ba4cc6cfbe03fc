/*-------------------------------------------------------------------------
 *
 * foreign_options.c
 *	  Options of foreign servers and user mappings.
 *
 * Everybody can read a server's options, a user mapping's only the user and
 * the server's owner: so secrets belong into user mappings.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "foreign/foreign.h"

#include "server/compat.h"
#include "server/foreign_options.h"

/* The options of a server, and of a user's mapping there if any. */
List *
evaudit_server_options(const char *name, Oid user)
{
	ForeignServer *server = GetForeignServerByName(name, false);
	Datum		id = ObjectIdGetDatum(server->serverid);

	if (!SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(user),
							   id) &&
		!SearchSysCacheExists2(USERMAPPINGUSERSERVER,
							   ObjectIdGetDatum(InvalidOid), id))
		return server->options;
	return list_concat(server->options,
					   GetUserMapping(user, server->serverid)->options);
}

/* Refuse a server that the current user may not use. */
void
evaudit_check_server_usage(const char *name)
{
	ForeignServer *server = GetForeignServerByName(name, false);
	AclResult	result = evaudit_compat_server_aclcheck(server->serverid,
														GetUserId(), ACL_USAGE);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FOREIGN_SERVER, name);
}

/* Refuse what reads files of the server to those who may not. */
void
evaudit_check_file_option(const char *name)
{
	if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to set option \"%s\"", name),
				 errdetail("Only roles with privileges of the \"%s\" role may set options that name files of the server.",
						   "pg_read_server_files")));
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
