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
#include "fmgr.h"
#include "miscadmin.h"

#include "aws/client.h"
#include "kafka/client.h"
#include "server/foreign_options.h"

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

/* Check options that a user sets: the body of each validator. */
static Datum
validate(FunctionCallInfo fcinfo, EvauditCheckOptions check)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);

	if (takes_options(catalog, options))
		check(options, catalog == UserMappingRelationId, GetUserId());
	PG_RETURN_VOID();
}

/* kafka_validator(options text[], catalog oid) */
Datum
evaudit_kafka_validator(PG_FUNCTION_ARGS)
{
	return validate(fcinfo, evaudit_kafka_check_options);
}

/* aws_validator(options text[], catalog oid) */
Datum
evaudit_aws_validator(PG_FUNCTION_ARGS)
{
	return validate(fcinfo, evaudit_aws_check_options);
}
