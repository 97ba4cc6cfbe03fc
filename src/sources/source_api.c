/*-------------------------------------------------------------------------
 *
 * source_api.c
 *	  create_source() and its kin: sources as users handle them.
 *
 * These functions only change evaudit.sources.  The scheduler is woken when
 * the change commits, and starts, ends or restarts workers accordingly.  A
 * source belongs to the role that made it: others need its rights.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "events/topic.h"
#include "runtime/wakeup.h"
#include "server/compat.h"
#include "server/foreign_options.h"
#include "server/spi.h"
#include "server/trigger.h"
#include "sources/source.h"
#include "text/options.h"

PG_FUNCTION_INFO_V1(evaudit_create_source);
PG_FUNCTION_INFO_V1(evaudit_alter_source);
PG_FUNCTION_INFO_V1(evaudit_drop_source);
PG_FUNCTION_INFO_V1(evaudit_pause_source);
PG_FUNCTION_INFO_V1(evaudit_resume_source);
PG_FUNCTION_INFO_V1(evaudit_seek_source);
PG_FUNCTION_INFO_V1(evaudit_forget_database);

/* What a function needs to know of the source it was given. */
typedef struct Handle
{
	int64		id;
	const EvauditSourceKind *kind;
} Handle;

/* Refuse names that could not be shown or used. */
static void
check_source_name(const char *name)
{
	if (name[0] == '\0' || strlen(name) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("name of a source must have 1 to %d bytes",
						NAMEDATALEN - 1)));
}

/* Warn whoever makes a source that may do more than its events need. */
static void
warn_superuser(const char *name)
{
	if (superuser())
		ereport(WARNING,
				(errmsg("source \"%s\" runs as superuser \"%s\"", name,
						GetUserNameFromId(GetUserId(), false)),
				 errhint("Create it as a role that has the grants that its events need, and no others.")));
}

/* Run a statement that changes a source. */
static void
change_source(EvauditStatement *statement, Datum *values)
{
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(statement, values, NULL);
	evaudit_spi_end(&spi);
	evaudit_wake_scheduler_at_commit();
}

/*
 * Let a source run in this database, as a role, from the server that has its
 * server's name now; InvalidOid: the role is not there.
 */
static void
set_identity(const char *name, Oid owner)
{
	static EvauditStatement set = {
		"UPDATE evaudit.sources s SET paused = false, database = $2,"
		" owner = COALESCE((SELECT r.rolname FROM pg_roles r"
		"  WHERE r.oid = $3), owner), owner_oid = NULLIF($3, 0),"
		" server_oid = (SELECT f.oid FROM pg_foreign_server f"
		"  WHERE f.srvname = s.server), cluster = $4 WHERE name = $1",
		4, {TEXTOID, OIDOID, OIDOID, INT8OID}
	};
	Datum		values[4];

	values[0] = CStringGetTextDatum(name);
	values[1] = ObjectIdGetDatum(MyDatabaseId);
	values[2] = ObjectIdGetDatum(owner);
	values[3] = Int64GetDatum((int64) GetSystemIdentifier());
	change_source(&set, values);
}

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
	uint64		created;
	EvauditSpi	spi;

	evaudit_require_preload();
	check_source_name(name);
	kind = evaudit_server_kind(server);
	(void) kind->read_options(get_foreign_server_oid(server, false),
							  GetUserId());
	evaudit_check_source_options(kind,
								 evaudit_source_options(PG_GETARG_DATUM(3)));
	evaudit_topic_lock(text_to_cstring(PG_GETARG_TEXT_PP(2)));

	values[0] = PG_GETARG_DATUM(0);
	values[1] = CStringGetTextDatum(kind->name);
	values[2] = CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));
	values[3] = CStringGetTextDatum(server);
	values[4] = PG_GETARG_DATUM(2);
	values[5] = PG_GETARG_DATUM(3);
	evaudit_spi_begin(&spi);
	created = evaudit_spi_execute(&create, values, NULL);
	evaudit_spi_end(&spi);
	if (created == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("source \"%s\" already exists", name)));
	set_identity(name, GetUserId());
	warn_superuser(name);
	PG_RETURN_VOID();
}

/* Refuse the name of no source. */
static void
refuse_unknown(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("source \"%s\" does not exist", name)));
}

/* Refuse a user who does not own a source. */
static void
refuse_other(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("must be owner of source \"%s\"", name)));
}

/*
 * Find a source that the current user owns and lock its row; an ERROR if
 * there is none, or if it is not the user's.
 */
static Handle
find_source(const char *name)
{
	static EvauditStatement find = {
		"SELECT id, kind, owner_oid FROM evaudit.sources WHERE name = $1"
		" FOR UPDATE",
		1, {TEXTOID}
	};
	Datum		value = CStringGetTextDatum(name);
	Handle		handle = {0};
	Oid			user = GetUserId();
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	if (evaudit_spi_execute(&find, &value, NULL) > 0)
	{
		if (!evaudit_owns_source(user, evaudit_spi_oid_or_invalid(0, 2)))
			refuse_other(name);
		handle.id = evaudit_spi_int64(0, 0);
		handle.kind = evaudit_source_kind(evaudit_spi_text(0, 1));
	}
	evaudit_spi_end(&spi);

	if (handle.kind == NULL)
		refuse_unknown(name);
	return handle;
}

/* The body of a function of a source's name that takes nothing else. */
static Datum
change_named_source(FunctionCallInfo fcinfo, EvauditStatement *statement)
{
	Handle		source = find_source(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	Datum		id = Int64GetDatum(source.id);

	change_source(statement, &id);
	PG_RETURN_VOID();
}

/* The options of a source after a change. */
static Jsonb *
merged_options(int64 id, Datum changes)
{
	static EvauditStatement merge = {
		"SELECT jsonb_strip_nulls(options || $2) FROM evaudit.sources"
		" WHERE id = $1",
		2, {INT8OID, JSONBOID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[2] = {Int64GetDatum(id), changes};
	Jsonb	   *options;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&merge, values, NULL);
	MemoryContextSwitchTo(context);
	options = evaudit_spi_jsonb(0, 0);
	evaudit_spi_end(&spi);
	return options;
}

/* alter_source(name text, options jsonb) */
Datum
evaudit_alter_source(PG_FUNCTION_ARGS)
{
	static EvauditStatement alter = {
		"UPDATE evaudit.sources SET options = $2 WHERE id = $1",
		2, {INT8OID, JSONBOID}
	};
	Handle		source = find_source(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	Jsonb	   *options;
	Datum		values[2];

	evaudit_options_check_object(PG_GETARG_JSONB_P(1));
	options = merged_options(source.id, PG_GETARG_DATUM(1));
	evaudit_check_source_options(source.kind,
								 evaudit_source_options(JsonbPGetDatum(options)));
	values[0] = Int64GetDatum(source.id);
	values[1] = JsonbPGetDatum(options);
	change_source(&alter, values);
	PG_RETURN_VOID();
}

/* drop_source(name text) */
Datum
evaudit_drop_source(PG_FUNCTION_ARGS)
{
	static EvauditStatement drop = {
		"WITH offsets AS"
		" (DELETE FROM evaudit.offsets WHERE source_id = $1)"
		" DELETE FROM evaudit.sources WHERE id = $1", 1, {INT8OID}
	};

	return change_named_source(fcinfo, &drop);
}

/* pause_source(name text) */
Datum
evaudit_pause_source(PG_FUNCTION_ARGS)
{
	static EvauditStatement pause = {
		"UPDATE evaudit.sources SET paused = true WHERE id = $1",
		1, {INT8OID}
	};

	return change_named_source(fcinfo, &pause);
}

/*
 * The role that a source is to run as from now on.  Its name says who that is,
 * where the oid is not known, as after a restore, or no role's any more; else
 * the oid does.  Raises an ERROR unless the current user has the rights of
 * both, as far as they exist.
 */
static Oid
owner_to_resume(const char *name)
{
	static EvauditStatement find = {
		"SELECT o.oid, n.oid FROM evaudit.sources s"
		" LEFT JOIN pg_roles o ON o.oid = s.owner_oid"
		" LEFT JOIN pg_roles n ON n.rolname = s.owner"
		" WHERE s.name = $1 FOR UPDATE OF s",
		1, {TEXTOID}
	};
	Datum		value = CStringGetTextDatum(name);
	Oid			user = GetUserId();
	Oid			by_oid = InvalidOid;
	Oid			by_name = InvalidOid;
	bool		found;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	found = evaudit_spi_execute(&find, &value, NULL) > 0;
	if (found)
	{
		by_oid = evaudit_spi_oid_or_invalid(0, 0);
		by_name = evaudit_spi_oid_or_invalid(0, 1);
	}
	evaudit_spi_end(&spi);

	if (!found)
		refuse_unknown(name);
	if ((OidIsValid(by_oid) && !has_privs_of_role(user, by_oid)) ||
		(OidIsValid(by_name) && !has_privs_of_role(user, by_name)) ||
		(!OidIsValid(by_oid) && !OidIsValid(by_name) &&
		 !evaudit_owns_source(user, InvalidOid)))
		refuse_other(name);
	return OidIsValid(by_oid) ? by_oid : by_name;
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

	change_source(&adopt, values);
}

/* resume_source(name text) */
Datum
evaudit_resume_source(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid			owner;

	evaudit_require_preload();
	owner = owner_to_resume(name);
	set_identity(name, owner);
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
	Handle		source = find_source(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	Datum		values[2];

	source.kind->check_target(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	values[0] = Int64GetDatum(source.id);
	values[1] = PG_GETARG_DATUM(1);
	change_source(&seek, values);
	PG_RETURN_VOID();
}

/*
 * Trigger before INSERT on evaudit.sources: a row that comes from a dump
 * belongs to no database until resume_source() says so, and the oids in it are
 * not of here.
 */
Datum
evaudit_forget_database(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		"database", "owner_oid", "server_oid", "cluster"
	};
	TriggerData *trigger = evaudit_own_trigger(fcinfo, "sources",
											   "forget_database",
											   EVAUDIT_BEFORE_INSERT);
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);
	int			columns[lengthof(names)];
	Datum		values[lengthof(names)] = {0};
	bool		nulls[lengthof(names)];

	for (int i = 0; i < lengthof(names); i++)
	{
		columns[i] = SPI_fnumber(desc, names[i]);
		if (columns[i] <= 0)
			elog(ERROR, "table has no column \"%s\"", names[i]);
		nulls[i] = true;
	}
	return PointerGetDatum(heap_modify_tuple_by_cols(trigger->tg_trigtuple,
													 desc, lengthof(names),
													 columns, values, nulls));
}
