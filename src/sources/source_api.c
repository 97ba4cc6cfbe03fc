/*-------------------------------------------------------------------------
 *
 * source_api.c
 *	  create_source() and its kin: sources as users handle them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "events/topic.h"
#include "server/spi.h"
#include "sources/source.h"
#include "text/options.h"

PG_FUNCTION_INFO_V1(evaudit_create_source);
PG_FUNCTION_INFO_V1(evaudit_alter_source);
PG_FUNCTION_INFO_V1(evaudit_drop_source);
PG_FUNCTION_INFO_V1(evaudit_pause_source);
PG_FUNCTION_INFO_V1(evaudit_resume_source);
PG_FUNCTION_INFO_V1(evaudit_seek_source);

/* create_source(name text, server name, topic text, options jsonb) */
Datum
evaudit_create_source(PG_FUNCTION_ARGS)
{
	static EvauditStatement create = {
		"INSERT INTO evaudit.sources"
		" (name, kind, owner, server, topic, options)"
		" VALUES ($1, $2, $3::name, $4::name, $5, $6)"
		" ON CONFLICT (name) DO NOTHING",
		6, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID}
	};
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *server = NameStr(*PG_GETARG_NAME(1));
	const EvauditSourceKind *kind;
	Datum		values[6];

	evaudit_require_preload();
	evaudit_server_job_check_name(&evaudit_source_jobs, name);
	kind = evaudit_server_kind(server);
	(void) kind->read_options(get_foreign_server_oid(server, false),
							  GetUserId());
	evaudit_check_source_options(kind,
								 evaudit_server_job_options(&evaudit_source_jobs,
															PG_GETARG_DATUM(3)));
	evaudit_topic_lock(text_to_cstring(PG_GETARG_TEXT_PP(2)));

	values[0] = PG_GETARG_DATUM(0);
	values[1] = CStringGetTextDatum(kind->name);
	values[2] = CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));
	values[3] = CStringGetTextDatum(server);
	values[4] = PG_GETARG_DATUM(2);
	values[5] = PG_GETARG_DATUM(3);
	evaudit_server_job_create(&evaudit_source_jobs, &create, name, values);
	PG_RETURN_VOID();
}

/* alter_source(name text, options jsonb) */
Datum
evaudit_alter_source(PG_FUNCTION_ARGS)
{
	EvauditServerJobHandle source =
	evaudit_server_job_find(&evaudit_source_jobs,
							text_to_cstring(PG_GETARG_TEXT_PP(0)));
	Jsonb	   *options;
	Datum		values[2];

	evaudit_options_check_object(PG_GETARG_JSONB_P(1));
	options = evaudit_server_job_merged_options(&evaudit_source_jobs,
												source.id,
												PG_GETARG_DATUM(1));
	evaudit_check_source_options(evaudit_source_kind(source.kind), options);
	values[0] = Int64GetDatum(source.id);
	values[1] = JsonbPGetDatum(options);
	evaudit_server_job_change(&evaudit_source_jobs.alter, values);
	PG_RETURN_VOID();
}

/* drop_source(name text) */
Datum
evaudit_drop_source(PG_FUNCTION_ARGS)
{
	static EvauditStatement drop = {
		"WITH offsets AS"
		" (DELETE FROM evaudit.offsets WHERE source_id = $1), requests AS"
		" (DELETE FROM evaudit.schema_requests WHERE source_id = $1)"
		" DELETE FROM evaudit.sources WHERE id = $1", 1, {INT8OID}
	};

	return evaudit_server_job_change_named(fcinfo, &evaudit_source_jobs,
										   &drop);
}

/* pause_source(name text) */
Datum
evaudit_pause_source(PG_FUNCTION_ARGS)
{
	return evaudit_server_job_change_named(fcinfo, &evaudit_source_jobs,
										   &evaudit_source_jobs.pause);
}

/* Dead letters that were restored belong to whom their source now does. */
static void
adopt_dead_letters(const char *name, Oid owner)
{
	static EvauditStatement adopt = {
		"UPDATE evaudit.dead_letter_store SET owner_oid = $2"
		" WHERE source = $1 AND owner_oid IS NULL"
		" AND owner = (SELECT r.rolname FROM pg_roles r WHERE r.oid = $2)",
		2, {TEXTOID, OIDOID}
	};
	Datum		values[2] = {CStringGetTextDatum(name),
	ObjectIdGetDatum(owner)};

	evaudit_server_job_change(&adopt, values);
}

/* resume_source(name text) */
Datum
evaudit_resume_source(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid			owner;

	evaudit_require_preload();
	owner = evaudit_server_job_resume(&evaudit_source_jobs, name);
	if (OidIsValid(owner))
		adopt_dead_letters(name, owner);
	PG_RETURN_VOID();
}

/* seek_source(name text, target text) */
Datum
evaudit_seek_source(PG_FUNCTION_ARGS)
{
	static EvauditStatement seek = {
		"UPDATE evaudit.sources"
		" SET seek = $2, seek_number = seek_number + 1 WHERE id = $1",
		2, {INT8OID, TEXTOID}
	};
	EvauditServerJobHandle source =
	evaudit_server_job_find(&evaudit_source_jobs,
							text_to_cstring(PG_GETARG_TEXT_PP(0)));
	Datum		values[2];

	evaudit_source_kind(source.kind)->check_target(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	values[0] = Int64GetDatum(source.id);
	values[1] = PG_GETARG_DATUM(1);
	evaudit_server_job_change(&seek, values);
	PG_RETURN_VOID();
}
