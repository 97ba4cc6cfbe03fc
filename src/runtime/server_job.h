/*-------------------------------------------------------------------------
 *
 * server_job.h
 *	  Jobs that a role runs on a foreign server: what sources and sinks have
 *	  in common.
 *
 * Each kind has a table in the schema evaudit with the columns id, name,
 * kind, owner, server, options, paused, database, owner_oid, server_oid and
 * cluster, and describes it by an EvauditServerJobs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SERVER_JOB_H
#define EVAUDIT_SERVER_JOB_H

#include "fmgr.h"
#include "runtime/job.h"
#include "server/spi.h"

/* Longest options of such a job, in bytes. */
#define EVAUDIT_MAX_JOB_OPTIONS	65536

/* What check() gets of a job whose owner and server are those of before. */
typedef struct EvauditServerJob
{
	EvauditJob *job;
	const char *kind;
	const char *server;
	Oid			server_oid;
	Jsonb	   *options;
} EvauditServerJob;

typedef struct EvauditServerJobs
{
	const char *noun;			/* source, ... in messages */

	/*
	 * Refuse a definition that cannot run, and set the number of its
	 * processes; in the scheduler's transaction.
	 */
	void		(*check) (const EvauditServerJob *definition);

	EvauditStatement list;
	EvauditStatement read;
	EvauditStatement adopt;
	EvauditStatement identity;
	EvauditStatement find;
	EvauditStatement find_owner;
	EvauditStatement merge;
	EvauditStatement alter;
	EvauditStatement pause;
} EvauditServerJobs;

/*
 * The statements on a table; "own" are columns that define a job besides those
 * that all have, "joins" what they need to be joined to s, the table.
 */
#define EVAUDIT_SERVER_JOB_STATEMENTS(table, own, joins) \
	.list = { \
		"SELECT id, name, paused OR database IS DISTINCT FROM $1, owner_oid" \
		" FROM evaudit." table " ORDER BY id", \
		1, {OIDOID} \
	}, \
	.read = { \
		"SELECT s.owner_oid, r.oid, s.server_oid, s.cluster, s.options," \
		" s.kind, s.owner, s.server, s.name," \
		" f.srvoptions, u.umoptions, " own " FROM evaudit." table " s" \
		" LEFT JOIN pg_roles r ON r.rolname = s.owner" \
		" LEFT JOIN pg_foreign_server f ON f.srvname = s.server" \
		" LEFT JOIN LATERAL (SELECT m.umoptions FROM pg_user_mapping m" \
		"  WHERE m.umserver = f.oid AND m.umuser IN (r.oid, 0)" \
		"  ORDER BY m.umuser DESC LIMIT 1) u ON true" \
		" " joins " WHERE s.id = $1", \
		1, {INT8OID} \
	}, \
	.adopt = { \
		"UPDATE evaudit." table " SET server_oid = $2, cluster = $3" \
		" WHERE id = $1", \
		3, {INT8OID, OIDOID, INT8OID} \
	}, \
	.identity = { \
		"UPDATE evaudit." table " s SET paused = false, database = $2," \
		" owner = COALESCE((SELECT r.rolname FROM pg_roles r" \
		"  WHERE r.oid = $3), owner), owner_oid = NULLIF($3, 0)," \
		" server_oid = (SELECT f.oid FROM pg_foreign_server f" \
		"  WHERE f.srvname = s.server), cluster = $4 WHERE name = $1", \
		4, {TEXTOID, OIDOID, OIDOID, INT8OID} \
	}, \
	.find = { \
		"SELECT id, kind, owner_oid FROM evaudit." table \
		" WHERE name = $1 FOR UPDATE", \
		1, {TEXTOID} \
	}, \
	.find_owner = { \
		"SELECT o.oid, n.oid FROM evaudit." table " s" \
		" LEFT JOIN pg_roles o ON o.oid = s.owner_oid" \
		" LEFT JOIN pg_roles n ON n.rolname = s.owner" \
		" WHERE s.name = $1 FOR UPDATE OF s", \
		1, {TEXTOID} \
	}, \
	.merge = { \
		/* only options themselves: a JSON Schema may hold nulls */ \
		"SELECT COALESCE(jsonb_object_agg(o.key, o.value)" \
		"  FILTER (WHERE o.value <> 'null'), '{}') FROM evaudit." table " s" \
		" CROSS JOIN LATERAL jsonb_each(s.options || $2) o WHERE s.id = $1", \
		2, {INT8OID, JSONBOID} \
	}, \
	.alter = { \
		"UPDATE evaudit." table " SET options = $2 WHERE id = $1", \
		2, {INT8OID, JSONBOID} \
	}, \
	.pause = { \
		"UPDATE evaudit." table " SET paused = true WHERE id = $1", \
		1, {INT8OID} \
	}

/* server_job.c: which are to run, and as whom */
extern const char *evaudit_server_job_owner_fault(Oid owner);
extern List *evaudit_server_jobs_list(EvauditServerJobs *jobs);
extern Jsonb *evaudit_server_job_options(const EvauditServerJobs *jobs,
										 Datum options);

/* server_job_api.c: as users handle them */
typedef struct EvauditServerJobHandle
{
	int64		id;
	char	   *kind;
} EvauditServerJobHandle;

extern void evaudit_server_job_check_name(const EvauditServerJobs *jobs,
										  const char *name);
extern bool evaudit_owns_server_job(Oid user, Oid owner);
extern void evaudit_server_job_change(EvauditStatement *statement,
									  const Datum *values);
extern void evaudit_server_job_create(EvauditServerJobs *jobs,
									  EvauditStatement *insert,
									  const char *name, const Datum *values);
extern EvauditServerJobHandle evaudit_server_job_find(EvauditServerJobs *jobs,
													  const char *name);
extern Jsonb *evaudit_server_job_merged_options(EvauditServerJobs *jobs,
												int64 id, Datum changes);
extern Datum evaudit_server_job_change_named(FunctionCallInfo fcinfo,
											 EvauditServerJobs *jobs,
											 EvauditStatement *statement);
extern Oid	evaudit_server_job_resume(EvauditServerJobs *jobs,
									  const char *name);

#endif							/* EVAUDIT_SERVER_JOB_H */
