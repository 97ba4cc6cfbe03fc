/*-------------------------------------------------------------------------
 *
 * validator.c
 *	  Validators of the foreign-data wrappers that sources read from.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "fmgr.h"

#include "aws/client.h"
#include "kafka/client.h"

PG_FUNCTION_INFO_V1(evaudit_kafka_validator);
PG_FUNCTION_INFO_V1(evaudit_aws_validator);

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

/*
 * kafka_validator(options text[], catalog oid): a server must say where its
 * brokers are; the options themselves are librdkafka's.
 */
Datum
evaudit_kafka_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);
	bool		brokers = false;
	ListCell   *lc;

	if (!takes_options(catalog, options))
		PG_RETURN_VOID();
	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		evaudit_kafka_check_option(option->defname, defGetString(option),
								   catalog == UserMappingRelationId);
		brokers |= strcmp(option->defname, "bootstrap.servers") == 0 ||
			strcmp(option->defname, "metadata.broker.list") == 0;
	}
	if (catalog == ForeignServerRelationId && !brokers)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("option \"%s\" is required", "bootstrap.servers")));
	PG_RETURN_VOID();
}

/* aws_validator(options text[], catalog oid) */
Datum
evaudit_aws_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);
	bool		user_mapping = catalog == UserMappingRelationId;
	ListCell   *lc;

	if (!takes_options(catalog, options))
		PG_RETURN_VOID();
	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		evaudit_aws_check_option(option->defname, defGetString(option),
								 user_mapping);
	}
	evaudit_aws_check_options(options, user_mapping);
	PG_RETURN_VOID();
}
