/*-------------------------------------------------------------------------
 *
 * server_job_api.c
 *	  Sources and sinks as users handle them.
 *
 * These functions only change the table.  The scheduler is woken when the
 * change commits, and starts, ends or restarts processes accordingly.  A job
 * belongs to the role that made it: others need its rights.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "runtime/server_job.h"
#include "runtime/wakeup.h"
#include "server/compat.h"
#include "server/trigger.h"

PG_FUNCTION_INFO_V1(evaudit_forget_database);

/* Refuse names that could not be shown or used. */
void
evaudit_server_job_check_name(const EvauditServerJobs *jobs, const char *name)
{
	if (name[0] == '\0' || strlen(name) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("name of a %s must have 1 to %d bytes",
						jobs->noun, NAMEDATALEN - 1)));
}

/*
 * Whether a user has the rights of a job's owner; as evaudit.owns().  What a
 * dropped role owned is the database owner's.
 */
bool
evaudit_owns_server_job(Oid user, Oid owner)
{
	return has_privs_of_role(user, OidIsValid(owner) &&
							 GetUserNameFromId(owner, true) != NULL ? owner :
							 ROLE_PG_DATABASE_OWNER);
}

/* Run a statement that changes a job. */
void
evaudit_server_job_change(EvauditStatement *statement, const Datum *values)
{
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(statement, values, NULL);
	evaudit_spi_end(&spi);
	evaudit_wake_scheduler_at_commit();
}

/*
 * Let a job run in this database, as a role, on the server that has its
 * server's name now; InvalidOid: the role is not there.
 */
static void
set_identity(EvauditServerJobs *jobs, const char *name, Oid owner)
{
	Datum		values[4];

	values[0] = CStringGetTextDatum(name);
	values[1] = ObjectIdGetDatum(MyDatabaseId);
	values[2] = ObjectIdGetDatum(owner);
	values[3] = Int64GetDatum((int64) GetSystemIdentifier());
	evaudit_server_job_change(&jobs->identity, values);
}

/* Warn whoever makes a job that may do more than its events need. */
static void
warn_superuser(const EvauditServerJobs *jobs, const char *name)
{
	if (superuser())
		ereport(WARNING,
				(errmsg("%s \"%s\" runs as superuser \"%s\"", jobs->noun,
						name, GetUserNameFromId(GetUserId(), false)),
				 errhint("Create it as a role that has the grants that its events need, and no others.")));
}

/* Warn whoever makes or resumes a job whose owner cannot run it as yet. */
static void
warn_owner(const EvauditServerJobs *jobs, const char *name, Oid owner)
{
	const char *fault = evaudit_server_job_owner_fault(owner);

	if (fault != NULL)
		ereport(WARNING,
				(errmsg("%s \"%s\" cannot run: %s", jobs->noun, name, fault),
				 errdetail("Its processes connect to the database as role \"%s\".",
						   GetUserNameFromId(owner, false)),
				 errhint("Use ALTER ROLE ... LOGIN and GRANT CONNECT ON DATABASE; it then starts by itself.")));
}

/*
 * Create a job by a statement that inserts its row unless there is one of that
 * name, and let it run as the current user.
 */
void
evaudit_server_job_create(EvauditServerJobs *jobs, EvauditStatement *insert,
						  const char *name, const Datum *values)
{
	uint64		created;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	created = evaudit_spi_execute(insert, values, NULL);
	evaudit_spi_end(&spi);
	if (created == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("%s \"%s\" already exists", jobs->noun, name)));
	set_identity(jobs, name, GetUserId());
	warn_superuser(jobs, name);
	warn_owner(jobs, name, GetUserId());
}

/* Refuse the name of none. */
static void
refuse_unknown(const EvauditServerJobs *jobs, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("%s \"%s\" does not exist", jobs->noun, name)));
}

/* Refuse a user who does not own a job. */
static void
refuse_other(const EvauditServerJobs *jobs, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("must be owner of %s \"%s\"", jobs->noun, name)));
}

/*
 * Find a job that the current user owns and lock its row; an ERROR if there is
 * none, or if it is not the user's.
 */
EvauditServerJobHandle
evaudit_server_job_find(EvauditServerJobs *jobs, const char *name)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		value = CStringGetTextDatum(name);
	EvauditServerJobHandle handle = {0};
	Oid			user = GetUserId();
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	if (evaudit_spi_execute(&jobs->find, &value, NULL) > 0)
	{
		if (!evaudit_owns_server_job(user, evaudit_spi_oid_or_invalid(0, 2)))
			refuse_other(jobs, name);
		MemoryContextSwitchTo(context);
		handle.id = evaudit_spi_int64(0, 0);
		handle.kind = evaudit_spi_text(0, 1);
	}
	evaudit_spi_end(&spi);

	if (handle.kind == NULL)
		refuse_unknown(jobs, name);
	return handle;
}

/* The body of a function of a job's name that takes nothing else. */
Datum
evaudit_server_job_change_named(FunctionCallInfo fcinfo,
								EvauditServerJobs *jobs,
								EvauditStatement *statement)
{
	EvauditServerJobHandle handle =
	evaudit_server_job_find(jobs, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	Datum		id = Int64GetDatum(handle.id);

	evaudit_server_job_change(statement, &id);
	PG_RETURN_VOID();
}

/* The options of a job after a change. */
Jsonb *
evaudit_server_job_merged_options(EvauditServerJobs *jobs, int64 id,
								  Datum changes)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		values[2] = {Int64GetDatum(id), changes};
	Jsonb	   *options;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&jobs->merge, values, NULL);
	MemoryContextSwitchTo(context);
	options = evaudit_server_job_options(jobs,
										 evaudit_spi_datum_of(0, 0, JSONBOID));
	evaudit_spi_end(&spi);
	return options;
}

/*
 * The role that a job is to run as from now on.  Its name says who that is,
 * where the oid is not known, as after a restore, or no role's any more; else
 * the oid does.  Raises an ERROR unless the current user has the rights of
 * both, as far as they exist.
 */
static Oid
owner_to_resume(EvauditServerJobs *jobs, const char *name)
{
	Datum		value = CStringGetTextDatum(name);
	Oid			user = GetUserId();
	Oid			by_oid = InvalidOid;
	Oid			by_name = InvalidOid;
	bool		found;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	found = evaudit_spi_execute(&jobs->find_owner, &value, NULL) > 0;
	if (found)
	{
		by_oid = evaudit_spi_oid_or_invalid(0, 0);
		by_name = evaudit_spi_oid_or_invalid(0, 1);
	}
	evaudit_spi_end(&spi);

	if (!found)
		refuse_unknown(jobs, name);
	if ((OidIsValid(by_oid) && !has_privs_of_role(user, by_oid)) ||
		(OidIsValid(by_name) && !has_privs_of_role(user, by_name)) ||
		(!OidIsValid(by_oid) && !OidIsValid(by_name) &&
		 !evaudit_owns_server_job(user, InvalidOid)))
		refuse_other(jobs, name);
	return OidIsValid(by_oid) ? by_oid : by_name;
}

/*
 * Let a job run again that was paused, or that a restore, a copy or another
 * owner or server keeps from running.  Returns whom it runs as; InvalidOid: a
 * role that is not there.
 */
Oid
evaudit_server_job_resume(EvauditServerJobs *jobs, const char *name)
{
	Oid			owner = owner_to_resume(jobs, name);

	set_identity(jobs, name, owner);
	if (OidIsValid(owner))
		warn_owner(jobs, name, owner);
	return owner;
}

/*
 * Trigger before INSERT on the table of such jobs: a row that comes from a dump
 * belongs to no database until it is resumed, and the oids in it are
 * not of here.
 */
Datum
evaudit_forget_database(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		"database", "owner_oid", "server_oid", "cluster"
	};
	TriggerData *data = (TriggerData *) fcinfo->context;
	bool		is_sink = CALLED_AS_TRIGGER(fcinfo) &&
	strcmp(RelationGetRelationName(data->tg_relation), "sinks") == 0;
	TriggerData *trigger = evaudit_own_trigger(fcinfo, is_sink ?
											   "sinks" : "sources",
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
