/*-------------------------------------------------------------------------
 *
 * source_job.c
 *	  Sources as jobs of the runtime: which are to run, and as whom.
 *
 * Each source is read under a guard of its own: a row that does not validate,
 * from a dump or edited by hand, has its error shown as its own while the
 * others run.
 *
 * A source's owner and server are kept as names, which a dump carries, and as
 * oids, which say whether they are the same ones still.  A role or a server
 * made anew under the name is another one, and a role that was renamed is not
 * the one that the source names: the source waits then until resume_source()
 * is called by somebody who has the rights of both.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "server/foreign_options.h"
#include "server/guard.h"
#include "server/spi.h"
#include "sources/check_server.h"
#include "sources/partition_status.h"
#include "sources/source.h"

static int	max_sources = 64;

/* Columns of read_definition()'s query; from HASHED on they define a source. */
enum DefinitionColumn
{
	OWNER_OID_COLUMN,
	NAMED_OID_COLUMN,
	CAN_LOGIN_COLUMN,
	CAN_CONNECT_COLUMN,
	SERVER_OID_COLUMN,
	CLUSTER_COLUMN,
	OPTIONS_COLUMN,
	KIND_COLUMN,
	OWNER_COLUMN,
	SERVER_COLUMN,
	HASHED_COLUMN,
	LAST_COLUMN = HASHED_COLUMN + 7
};

/* The number in a column; 0 for null. */
static int64
column_number(int column, bool wide)
{
	bool		isnull;
	Datum		value = evaudit_spi_datum(0, column, &isnull);

	if (isnull)
		return 0;
	return wide ? DatumGetInt64(value) : (int64) DatumGetObjectId(value);
}

/* Whether a column is true. */
static bool
column_is_true(int column)
{
	bool		isnull;
	Datum		value = evaudit_spi_datum(0, column, &isnull);

	return !isnull && DatumGetBool(value);
}

/* Set why a source cannot run; trying again is of use unless it is refused. */
static void
set_error(EvauditJob *job, bool refused, const char *error)
{
	job->error = pstrdup(error);
	job->refused = refused;
}

/*
 * Whether the owner is the role that the source was made for or resumed by,
 * and can run a worker.  The server would end the worker for that, too, but
 * tell only its log.
 */
static bool
check_owner(EvauditJob *job)
{
	Oid			named = (Oid) column_number(NAMED_OID_COLUMN, false);

	job->owner = (Oid) column_number(OWNER_OID_COLUMN, false);
	if (!OidIsValid(named) &&
		(!OidIsValid(job->owner) ||
		 GetUserNameFromId(job->owner, true) == NULL))
		set_error(job, true, "its owner does not exist any more");
	else if (named != job->owner)
		set_error(job, true, "its owner was renamed, or another role has that name now: evaudit.resume_source() lets it run again");
	else if (!column_is_true(CAN_LOGIN_COLUMN))
		set_error(job, false, "its owner is not permitted to log in");
	else if (!column_is_true(CAN_CONNECT_COLUMN))
		set_error(job, false, "its owner is not permitted to connect to the database");
	return job->error == NULL;
}

/*
 * Keep the oid that the server has in this cluster: pg_upgrade makes servers
 * anew, but databases and roles keep their oids.
 */
static void
adopt_server(int64 id, Oid server)
{
	static EvauditStatement adopt = {
		"UPDATE evaudit.sources SET server_oid = $2, cluster = $3"
		" WHERE id = $1",
		3, {INT8OID, OIDOID, INT8OID}
	};
	Datum		values[3] = {Int64GetDatum(id), ObjectIdGetDatum(server),
	Int64GetDatum((int64) GetSystemIdentifier())};

	(void) evaudit_spi_execute(&adopt, values, NULL);
}

/*
 * The oid of a source's server; an ERROR unless it is the one of before and
 * may be used.
 */
static Oid
check_server(const EvauditJob *job, const EvauditSourceKind *kind,
			 const char *name)
{
	Oid			known = (Oid) column_number(SERVER_OID_COLUMN, false);
	int64		cluster = column_number(CLUSTER_COLUMN, true);
	Oid			server = get_foreign_server_oid(name, false);

	if (server != known && cluster != 0 &&
		cluster != (int64) GetSystemIdentifier())
		adopt_server(job->id, server);
	else if (server != known)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("server \"%s\" was dropped and created again: evaudit.resume_source() lets the source use it",
						name)));
	if (evaudit_server_kind(name) != kind)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is not one that a source of kind \"%s\" can read from",
						name, kind->name)));
	(void) kind->read_options(server, job->owner);
	return server;
}

/*
 * What defines a source, as a number.  Whether its owner may use the server's
 * own credentials is no option of it, but ends its workers, too.
 */
static int64
definition_of(const EvauditJob *job)
{
	uint64		definition = job->owner;

	if (evaudit_may_use_ambient(job->owner))
		definition = ~definition;
	for (int i = OPTIONS_COLUMN; i < LAST_COLUMN; i++)
	{
		bool		isnull;
		uint64		hash = 0;

		(void) evaudit_spi_datum(0, i, &isnull);
		if (!isnull)
		{
			const char *value = evaudit_spi_text(0, i);

			hash = hash_bytes_extended((const unsigned char *) value,
									   (int) strlen(value), 1);
		}
		definition = hash_combine64(definition, hash);
	}
	return (int64) definition;
}

/*
 * Read what defines a source, and check it.  That includes its owner's user
 * mapping, whose secrets stay in the hash.
 */
static bool
read_definition(void *arg)
{
	static EvauditStatement read = {
		"SELECT s.owner_oid, r.oid, r.rolcanlogin, p.connect, s.server_oid,"
		" s.cluster, s.options, s.kind, s.owner, s.server,"
		" s.name, s.topic, s.seek_number, f.srvoptions, u.umoptions,"
		" t.options, t.schema_version"
		" FROM evaudit.sources s"
		" LEFT JOIN evaudit.topics t ON t.name = s.topic"
		" LEFT JOIN pg_roles r ON r.rolname = s.owner"
		" LEFT JOIN LATERAL (SELECT has_database_privilege(r.oid, $2, 'CONNECT')"
		"  AS connect) p ON true"
		" LEFT JOIN pg_foreign_server f ON f.srvname = s.server"
		" LEFT JOIN LATERAL (SELECT m.umoptions FROM pg_user_mapping m"
		"  WHERE m.umserver = f.oid AND m.umuser IN (r.oid, 0)"
		"  ORDER BY m.umuser DESC LIMIT 1) u ON true"
		" WHERE s.id = $1",
		2, {INT8OID, OIDOID}
	};
	EvauditJob *job = arg;
	MemoryContext context = CurrentMemoryContext;
	Datum		values[2] = {Int64GetDatum(job->id),
	ObjectIdGetDatum(MyDatabaseId)};
	const EvauditSourceKind *kind;
	EvauditSpi	spi;
	Jsonb	   *options;

	evaudit_spi_begin(&spi);
	job->paused = evaudit_spi_execute(&read, values, NULL) == 0;
	MemoryContextSwitchTo(context);
	if (!job->paused && check_owner(job))
	{
		options = evaudit_source_options(evaudit_spi_datum_of(0, OPTIONS_COLUMN,
															  JSONBOID));
		kind = evaudit_source_kind(evaudit_spi_text(0, KIND_COLUMN));
		evaudit_check_source_options(kind, options);
		job->nprocesses = kind->workers(options);
		/* before check_server(), which may run another statement */
		job->definition = definition_of(job);
		job->definition ^= check_server(job, kind,
										evaudit_spi_text(0, SERVER_COLUMN));
	}
	evaudit_spi_end(&spi);
	return true;
}

/* The sources of this database, by id; those elsewhere count as paused. */
static List *
list_names(void)
{
	static EvauditStatement list = {
		"SELECT id, name, paused OR database IS DISTINCT FROM $1, owner_oid"
		" FROM evaudit.sources ORDER BY id",
		1, {OIDOID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		database = ObjectIdGetDatum(MyDatabaseId);
	List	   *jobs = NIL;
	EvauditSpi	spi;
	uint64		n;

	evaudit_spi_begin(&spi);
	n = evaudit_spi_execute(&list, &database, NULL);
	MemoryContextSwitchTo(context);
	for (uint64 row = 0; row < n; row++)
	{
		EvauditJob *job = palloc0(sizeof(EvauditJob));

		job->id = evaudit_spi_int64((int) row, 0);
		job->name = evaudit_spi_text((int) row, 1);
		job->paused = evaudit_spi_is_null((int) row, 2) ||
			evaudit_spi_bool((int) row, 2);
		job->owner = evaudit_spi_oid_or_invalid((int) row, 3);
		jobs = lappend(jobs, job);
	}
	evaudit_spi_end(&spi);
	return jobs;
}

/* Whether what failed may work the next time, though nothing was changed. */
static bool
is_transient(const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_INTERNAL_ERROR:
			return true;
		default:
			return false;
	}
}

/* List the sources. */
static List *
list_sources(bool requested)
{
	List	   *jobs = list_names();
	ListCell   *lc;

	foreach(lc, jobs)
	{
		EvauditJob *job = lfirst(lc);
		ErrorData  *error;

		if (job->paused)
			continue;
		error = evaudit_guard(read_definition, job);
		if (error != NULL)
			set_error(job, !is_transient(error), error->message);
	}
	return jobs;
}

/* How many sources have a slot. */
static int
source_slots(void)
{
	return max_sources;
}

const EvauditJobKind evaudit_source_job = {
	.name = "source",
	.backend_type = "evaudit worker",
	.limited = true,
	.ncounters = EVAUDIT_SOURCE_COUNTERS,
	.ntimes = EVAUDIT_SOURCE_TIMES,
	.nslots = source_slots,
	.no_slot = "all evaudit.max_sources slots are in use",
	.list = list_sources,
	.run = evaudit_source_run,
	.forget = evaudit_forget_partitions,
};

/* What this room has for the server: settings, memory and jobs. */
void
evaudit_sources_init(void)
{
	evaudit_register_job_kind(&evaudit_source_job);
	evaudit_register_job_kind(&evaudit_check_job);
	if (!process_shared_preload_libraries_in_progress)
		return;
	DefineCustomIntVariable("evaudit.max_sources",
							"Sources that can run at a time, over all databases.",
							NULL,
							&max_sources, 64, 1, 4096,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	evaudit_partition_status_init();
}
