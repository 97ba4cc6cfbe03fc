/*-------------------------------------------------------------------------
 *
 * sink_api.c
 *	  create_sink() and its kin: sinks as users handle them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "events/outbox.h"
#include "events/topic.h"
#include "runtime/wakeup.h"
#include "server/spi.h"
#include "sinks/position.h"
#include "sinks/sink.h"
#include "text/names.h"
#include "text/options.h"

PG_FUNCTION_INFO_V1(evaudit_create_sink);
PG_FUNCTION_INFO_V1(evaudit_alter_sink);
PG_FUNCTION_INFO_V1(evaudit_drop_sink);
PG_FUNCTION_INFO_V1(evaudit_pause_sink);
PG_FUNCTION_INFO_V1(evaudit_resume_sink);
PG_FUNCTION_INFO_V1(evaudit_seek_sink);

/* Most names and patterns of a sink. */
#define MAX_TOPICS	1000

/* Refuse topics that cannot be. */
static void
check_topics(ArrayType *topics)
{
	List	   *names = evaudit_sink_topics(topics);
	ListCell   *lc;

	if (names == NIL || list_length(names) > MAX_TOPICS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a sink must have 1 to %d topics", MAX_TOPICS)));
	foreach(lc, names)
	{
		const char *name = lfirst(lc);

		if (evaudit_name_is_pattern(name))
			evaudit_check_name_pattern("topics", name);
		else if (name[0] == '\0' || strlen(name) > EVAUDIT_MAX_TOPIC_BYTES)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid name of a topic: \"%s\"", name)));
		else if (strcmp(name, "audit") == 0 && list_length(names) > 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("topic \"%s\" needs a sink of its own", name),
					 errdetail("It is read from the table \"audit\".")));
	}
}

/* The id of the sink of a name, of which the caller is sure. */
static int64
id_of(const char *name)
{
	return evaudit_server_job_find(&evaudit_sink_jobs, name).id;
}

/* create_sink(name text, server name, topics text[], options jsonb) */
Datum
evaudit_create_sink(PG_FUNCTION_ARGS)
{
	static EvauditStatement create = {
		"INSERT INTO evaudit.sinks"
		" (name, kind, owner, server, topics, options)"
		" VALUES ($1, $2, $3::name, $4::name, $5, $6)"
		" ON CONFLICT (name) DO NOTHING",
		6, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTARRAYOID, JSONBOID}
	};
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *server = NameStr(*PG_GETARG_NAME(1));
	const EvauditSinkKind *kind;
	Jsonb	   *options;
	Datum		values[6];

	evaudit_require_preload();
	evaudit_server_job_check_name(&evaudit_sink_jobs, name);
	check_topics(PG_GETARG_ARRAYTYPE_P(2));
	options = evaudit_server_job_options(&evaudit_sink_jobs,
										 PG_GETARG_DATUM(3));
	evaudit_options_check_object(options);
	kind = evaudit_sink_kind_for(server, options);
	(void) kind->read_options(get_foreign_server_oid(server, false),
							  GetUserId());
	evaudit_check_sink_options(kind, options);
	evaudit_sink_check_rights(GetUserId(),
							  evaudit_sink_topics(PG_GETARG_ARRAYTYPE_P(2)));

	values[0] = PG_GETARG_DATUM(0);
	values[1] = CStringGetTextDatum(kind->name);
	values[2] = CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));
	values[3] = CStringGetTextDatum(server);
	values[4] = PG_GETARG_DATUM(2);
	values[5] = PG_GETARG_DATUM(3);
	evaudit_sink_note_restored();
	evaudit_server_job_create(&evaudit_sink_jobs, &create, name, values);
	evaudit_position_latest(id_of(name));
	PG_RETURN_VOID();
}

/* alter_sink(name text, options jsonb) */
Datum
evaudit_alter_sink(PG_FUNCTION_ARGS)
{
	EvauditServerJobHandle sink =
	evaudit_server_job_find(&evaudit_sink_jobs,
							text_to_cstring(PG_GETARG_TEXT_PP(0)));
	Jsonb	   *options;
	Datum		values[2];

	evaudit_options_check_object(PG_GETARG_JSONB_P(1));
	options = evaudit_server_job_merged_options(&evaudit_sink_jobs, sink.id,
												PG_GETARG_DATUM(1));
	evaudit_check_sink_options(evaudit_sink_kind(sink.kind), options);
	values[0] = Int64GetDatum(sink.id);
	values[1] = JsonbPGetDatum(options);
	evaudit_server_job_change(&evaudit_sink_jobs.alter, values);
	PG_RETURN_VOID();
}

/* drop_sink(name text) */
Datum
evaudit_drop_sink(PG_FUNCTION_ARGS)
{
	static EvauditStatement drop = {
		"WITH positions AS"
		" (DELETE FROM evaudit.sink_positions WHERE sink_id = $1),"
		" deliveries AS"
		" (DELETE FROM evaudit.delivery_store WHERE sink_id = $1)"
		" DELETE FROM evaudit.sinks WHERE id = $1", 1, {INT8OID}
	};

	return evaudit_server_job_change_named(fcinfo, &evaudit_sink_jobs, &drop);
}

/* pause_sink(name text) */
Datum
evaudit_pause_sink(PG_FUNCTION_ARGS)
{
	return evaudit_server_job_change_named(fcinfo, &evaudit_sink_jobs,
										   &evaudit_sink_jobs.pause);
}

/*
 * Whether a sink is another database's: its row was restored, or copied with
 * the database or the server.  An ERROR if it lost its place here.
 */
static bool
is_from_elsewhere(const char *name)
{
	static EvauditStatement find = {
		"SELECT database IS DISTINCT FROM $2 OR cluster IS NULL, detached"
		" FROM evaudit.sinks WHERE name = $1",
		2, {TEXTOID, OIDOID}
	};
	Datum		values[2] = {CStringGetTextDatum(name),
	ObjectIdGetDatum(MyDatabaseId)};
	bool		elsewhere = false;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	if (evaudit_spi_execute(&find, values, NULL) > 0)
	{
		elsewhere = evaudit_spi_bool(0, 0);
		if (!elsewhere && !evaudit_spi_is_null(0, 1))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("sink \"%s\" has no place in the outbox: %s",
							name, evaudit_spi_text(0, 1))));
	}
	evaudit_spi_end(&spi);
	return elsewhere;
}

/* resume_sink(name text) */
Datum
evaudit_resume_sink(PG_FUNCTION_ARGS)
{
	static EvauditStatement renew = {
		"UPDATE evaudit.sinks SET identity = gen_random_uuid(),"
		" detached = NULL WHERE name = $1",
		1, {TEXTOID}
	};
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Datum		value = CStringGetTextDatum(name);
	bool		elsewhere;

	evaudit_require_preload();
	elsewhere = is_from_elsewhere(name);
	(void) evaudit_server_job_resume(&evaudit_sink_jobs, name);
	if (elsewhere)
	{
		evaudit_server_job_change(&renew, &value);
		evaudit_position_latest(id_of(name));
	}
	PG_RETURN_VOID();
}

/* seek_sink(name text, target text) */
Datum
evaudit_seek_sink(PG_FUNCTION_ARGS)
{
	static EvauditStatement seek = {
		"UPDATE evaudit.sinks"
		" SET seek_number = seek_number + 1, detached = NULL,"
		" identity = gen_random_uuid() WHERE id = $1",
		1, {INT8OID}
	};
	EvauditServerJobHandle sink =
	evaudit_server_job_find(&evaudit_sink_jobs,
							text_to_cstring(PG_GETARG_TEXT_PP(0)));
	char	   *target = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Datum		id = Int64GetDatum(sink.id);

	if (!evaudit_position_seek(sink.id, target,
							   evaudit_sink_is_of_audit(evaudit_sink_topics_of(sink.id))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid place to seek to: \"%s\"", target),
				 errhint("Use earliest, latest, or a time such as 2026-01-01T00:00:00Z.")));
	evaudit_server_job_change(&seek, &id);
	PG_RETURN_VOID();
}
