/*-------------------------------------------------------------------------
 *
 * server_job.c
 *	  Sources and sinks as jobs of the runtime: which are to run, and as whom.
 *
 * Each is read under a guard of its own: a row that does not validate, from a
 * dump or edited by hand, has its error shown as its own while the others run.
 *
 * Owner and server are kept as names, which a dump carries, and as oids, which
 * say whether they are the same ones still.  A role or a server made anew under
 * the name is another one, and a role that was renamed is not the one that the
 * job names: it waits then until it is resumed by somebody who has the rights
 * of both.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/syscache.h"

#include "runtime/server_job.h"
#include "server/foreign_options.h"
#include "server/guard.h"

/* Columns of read's query; from OPTIONS on they define a job. */
enum DefinitionColumn
{
	OWNER_OID_COLUMN,
	NAMED_OID_COLUMN,
	SERVER_OID_COLUMN,
	CLUSTER_COLUMN,
	OPTIONS_COLUMN,
	KIND_COLUMN,
	OWNER_COLUMN,
	SERVER_COLUMN
};

/* What read_definition() takes. */
typedef struct Reading
{
	EvauditServerJobs *jobs;
	EvauditJob *job;
} Reading;

/* What is known of a job's server. */
typedef struct KnownServer
{
	Oid			oid;
	int64		cluster;
} KnownServer;

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

/* Set why a job cannot run; trying again is of use unless it is refused. */
static void
set_error(EvauditJob *job, bool refused, const char *error)
{
	job->error = pstrdup(error);
	job->refused = refused;
}

/*
 * Why a role that exists cannot run a process in this database; NULL if it
 * can.  The server would end the process for that, too, but tell only its log.
 */
const char *
evaudit_server_job_owner_fault(Oid owner)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(owner));
	bool		can_login = HeapTupleIsValid(tuple) &&
		((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	if (!can_login)
		return "its owner is not permitted to log in";
	if (!DatumGetBool(DirectFunctionCall3(has_database_privilege_id_id,
										  ObjectIdGetDatum(owner),
										  ObjectIdGetDatum(MyDatabaseId),
										  CStringGetTextDatum("CONNECT"))))
		return "its owner is not permitted to connect to the database";
	return NULL;
}

/*
 * Whether the owner is the role that the job was made for or resumed by, and
 * can run a process.
 */
static bool
check_owner(const EvauditServerJobs *jobs, EvauditJob *job)
{
	Oid			named = (Oid) column_number(NAMED_OID_COLUMN, false);
	const char *fault;

	job->owner = (Oid) column_number(OWNER_OID_COLUMN, false);
	if (!OidIsValid(named) &&
		(!OidIsValid(job->owner) ||
		 GetUserNameFromId(job->owner, true) == NULL))
		set_error(job, true, "its owner does not exist any more");
	else if (named != job->owner)
		set_error(job, true, psprintf("its owner was renamed, or another role has that name now: evaudit.resume_%s() lets it run again",
									  jobs->noun));
	else if ((fault = evaudit_server_job_owner_fault(job->owner)) != NULL)
		set_error(job, false, fault);
	return job->error == NULL;
}

/*
 * Keep the oid that the server has in this cluster: pg_upgrade makes servers
 * anew, but databases and roles keep their oids.
 */
static void
adopt_server(EvauditServerJobs *jobs, int64 id, Oid server)
{
	Datum		values[3] = {Int64GetDatum(id), ObjectIdGetDatum(server),
	Int64GetDatum((int64) GetSystemIdentifier())};

	(void) evaudit_spi_execute(&jobs->adopt, values, NULL);
}

/* The oid of a job's server; an ERROR unless it is the one of before. */
static Oid
check_server(EvauditServerJobs *jobs, int64 id, const KnownServer *known,
			 const char *name)
{
	Oid			server = get_foreign_server_oid(name, false);

	if (server != known->oid && known->cluster != 0 &&
		known->cluster != (int64) GetSystemIdentifier())
		adopt_server(jobs, id, server);
	else if (server != known->oid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("server \"%s\" was dropped and created again: evaudit.resume_%s() lets the %s use it",
						name, jobs->noun, jobs->noun)));
	return server;
}

/*
 * What defines a job, as a number.  Whether its owner may use the server's
 * own credentials is no option of it, but ends its processes, too.
 */
static int64
definition_of(const EvauditJob *job)
{
	uint64		definition = job->owner;

	if (evaudit_may_use_ambient(job->owner))
		definition = ~definition;
	for (int i = OPTIONS_COLUMN; i < SPI_tuptable->tupdesc->natts; i++)
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

/* Options as a table has them, copied; an ERROR if they are too long. */
Jsonb *
evaudit_server_job_options(const EvauditServerJobs *jobs, Datum options)
{
	if (toast_raw_datum_size(options) > EVAUDIT_MAX_JOB_OPTIONS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("options of a %s must not exceed %d bytes",
						jobs->noun, EVAUDIT_MAX_JOB_OPTIONS)));
	return DatumGetJsonbPCopy(options);
}

/*
 * Read what defines a job, and check it.  That includes its owner's user
 * mapping, whose secrets stay in the hash.
 */
static bool
read_definition(void *arg)
{
	EvauditServerJobs *jobs = ((Reading *) arg)->jobs;
	EvauditJob *job = ((Reading *) arg)->job;
	EvauditServerJob definition = {.job = job};
	MemoryContext context = CurrentMemoryContext;
	Datum		value = Int64GetDatum(job->id);
	KnownServer known;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	job->paused = evaudit_spi_execute(&jobs->read, &value, NULL) == 0;
	MemoryContextSwitchTo(context);
	if (!job->paused && check_owner(jobs, job))
	{
		definition.options =
			evaudit_server_job_options(jobs,
									   evaudit_spi_datum_of(0, OPTIONS_COLUMN,
															JSONBOID));
		definition.kind = evaudit_spi_text(0, KIND_COLUMN);
		definition.server = evaudit_spi_text(0, SERVER_COLUMN);
		known.oid = (Oid) column_number(SERVER_OID_COLUMN, false);
		known.cluster = column_number(CLUSTER_COLUMN, true);
		job->definition = definition_of(job);

		/* these run statements of their own */
		definition.server_oid = check_server(jobs, job->id, &known,
											 definition.server);
		job->definition ^= definition.server_oid;
		job->nprocesses = 1;
		jobs->check(&definition);
	}
	evaudit_spi_end(&spi);
	return true;
}

/* The jobs of this database, by id; those elsewhere count as paused. */
static List *
list_names(EvauditServerJobs *server_jobs)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		database = ObjectIdGetDatum(MyDatabaseId);
	List	   *jobs = NIL;
	EvauditSpi	spi;
	uint64		n;

	evaudit_spi_begin(&spi);
	n = evaudit_spi_execute(&server_jobs->list, &database, NULL);
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

/* List the jobs of a table. */
List *
evaudit_server_jobs_list(EvauditServerJobs *server_jobs)
{
	List	   *jobs = list_names(server_jobs);
	ListCell   *lc;

	foreach(lc, jobs)
	{
		EvauditJob *job = lfirst(lc);
		Reading		reading = {.jobs = server_jobs,.job = job};
		ErrorData  *error;

		if (job->paused)
			continue;
		error = evaudit_guard(read_definition, &reading);
		if (error != NULL)
			set_error(job, !is_transient(error), error->message);
	}
	return jobs;
}
