/*-------------------------------------------------------------------------
 *
 * validator.c
 *	  Validators of the foreign-data wrappers that sources read from.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "aws/client.h"
#include "kafka/client.h"
#include "server/foreign_options.h"

PG_FUNCTION_INFO_V1(evaudit_kafka_validator);
PG_FUNCTION_INFO_V1(evaudit_aws_validator);

/* kafka_validator(options text[], catalog oid) */
Datum
evaudit_kafka_validator(PG_FUNCTION_ARGS)
{
	return evaudit_validate_options(fcinfo, evaudit_kafka_check_options);
}

/* aws_validator(options text[], catalog oid) */
Datum
evaudit_aws_validator(PG_FUNCTION_ARGS)
{
	return evaudit_validate_options(fcinfo, evaudit_aws_check_options);
}
