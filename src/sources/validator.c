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
#include "utils/builtins.h"

#include "platform/kafka.h"

PG_FUNCTION_INFO_V1(evaudit_kafka_validator);

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

	if (catalog != ForeignServerRelationId &&
		catalog != UserMappingRelationId)
	{
		if (options != NIL)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("options belong to servers and user mappings, not to the foreign-data wrapper")));
		PG_RETURN_VOID();
	}

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
