/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  How far long work is, for evaudit.stat_jobs and pg_stat_activity.
 *
 * PostgreSQL's own progress reports (pgstat_progress_*) are for commands that
 * it knows: each has its view, pg_stat_get_progress_info() takes no other
 * name, and whatever of them runs inside, a CREATE INDEX of a trigger say,
 * would overwrite ours.  So there are places in shared memory; work that finds
 * none goes on unseen.
 *
 * A place is taken and freed under the lock, and read under it.  Meanwhile its
 * numbers are written by its process alone, without it, as atomics.
 *
 * Progress lives in the memory context that was current at its beginning: an
 * ERROR frees its place with that context.  A process that exits frees what it
 * has.
 *
 * In pg_stat_activity a comment before the statement says the same, renewed
 * once a second at most.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "server/progress.h"
#include "server/shmem.h"

/* Work that is shown at a time, over all databases. */
#define MAX_PLACES		128

/* Milliseconds between two comments in pg_stat_activity. */
#define COMMENT_INTERVAL	1000

typedef struct Place
{
	int			pid;			/* 0: free */
	Oid			database;
	Oid			role;			/* who may see it */
	char		work[NAMEDATALEN];
	char		subject[NAMEDATALEN];
	char		unit[NAMEDATALEN];	/* of what is counted */
	TimestampTz started_at;
	int64		total;			/* -1: not known */
	pg_atomic_uint64 done;
} Place;

struct EvauditProgress
{
	Place		shown;			/* what this process knows of it */
	int64		done;
	Place	   *place;			/* in shared memory; NULL: none was free */
	TimestampTz commented_at;
	bool		commented;		/* pg_stat_activity has a comment */
	MemoryContextCallback callback;
};

PG_FUNCTION_INFO_V1(evaudit_progress_rows);

static Place *places = NULL;	/* NULL: not preloaded */
static LWLock *lock = NULL;

/* How much memory the places take. */
static Size
places_size(void)
{
	return sizeof(Place) * MAX_PLACES;
}

/* Make the places, or attach to them. */
static void
attach_places(LWLock *area_lock)
{
	bool		found;

	lock = area_lock;
	places = ShmemInitStruct("evaudit progress", places_size(), &found);
	if (found)
		return;
	memset(places, 0, places_size());
	for (int i = 0; i < MAX_PLACES; i++)
		pg_atomic_init_u64(&places[i].done, 0);
}

/* Reserve the places while the server preloads libraries. */
void
evaudit_progress_init(void)
{
	static EvauditShmemArea area = {
		.name = "evaudit_progress",.size = places_size,.attach = attach_places
	};

	if (process_shared_preload_libraries_in_progress)
		evaudit_shmem_register(&area);
}

/* Free what this process has: it exits. */
static void
free_all(int code, Datum arg)
{
	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_PLACES; i++)
	{
		if (places[i].pid == MyProcPid)
			places[i].pid = 0;
	}
	LWLockRelease(lock);
}

/* Copy what is known of a place to another, all but its atomic. */
static void
copy_place(Place *to, const Place *from)
{
	memcpy(to, from, offsetof(Place, done));
}

/* Take a place, if there is one. */
static Place *
take_place(const Place *shown)
{
	static bool exit_registered = false;
	Place	   *place = NULL;

	if (places == NULL)
		return NULL;
	if (!exit_registered)
		before_shmem_exit(free_all, 0);
	exit_registered = true;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_PLACES && place == NULL; i++)
	{
		if (places[i].pid == 0)
			place = &places[i];
	}
	if (place != NULL)
	{
		pg_atomic_write_u64(&place->done, 0);
		copy_place(place, shown);
	}
	LWLockRelease(lock);
	return place;
}

/* The work is over, or its memory goes after an ERROR. */
static void
release(void *arg)
{
	EvauditProgress *progress = arg;

	if (progress->place != NULL)
	{
		LWLockAcquire(lock, LW_EXCLUSIVE);
		/* at an exit free_all() came first, and others may have it now */
		if (progress->place->pid == MyProcPid)
			progress->place->pid = 0;
		LWLockRelease(lock);
		progress->place = NULL;
	}
	if (progress->commented)
		pgstat_report_activity(STATE_RUNNING, debug_query_string);
	progress->commented = false;
}

/*
 * Begin to tell how far some work is: its name, what it is about, what is
 * counted, and how many there are; -1: not known.  It ends with the current
 * memory context at the latest.
 */
EvauditProgress *
evaudit_progress_begin(const char *work, const char *subject,
					   const char *unit, int64 total)
{
	EvauditProgress *progress = palloc0(sizeof(EvauditProgress));
	Place	   *shown = &progress->shown;

	shown->pid = MyProcPid;
	shown->database = MyDatabaseId;
	shown->role = GetUserId();
	strlcpy(shown->work, work, NAMEDATALEN);
	strlcpy(shown->subject, subject, NAMEDATALEN);
	shown->subject[pg_mbcliplen(subject, strlen(subject),
								NAMEDATALEN - 1)] = '\0';
	strlcpy(shown->unit, unit, NAMEDATALEN);
	shown->started_at = GetCurrentTimestamp();
	shown->total = total;
	progress->commented_at = shown->started_at;
	progress->place = take_place(shown);
	progress->callback.func = release;
	progress->callback.arg = progress;
	MemoryContextRegisterResetCallback(CurrentMemoryContext,
									   &progress->callback);
	return progress;
}

/* How many are done a second. */
static double
rate_of(TimestampTz started_at, TimestampTz now, int64 done)
{
	return (double) done * USECS_PER_SEC / Max(now - started_at, 1);
}

/* Say it in pg_stat_activity, before the statement if there is one. */
static void
comment(EvauditProgress *progress, TimestampTz now)
{
	const Place *shown = &progress->shown;
	bool		of_backend = debug_query_string != NULL;
	char		total[32] = "";
	uint64		query_id = pgstat_get_my_query_id();
	char	   *activity;

	if (shown->total >= 0)
		snprintf(total, sizeof(total), " of " INT64_FORMAT, shown->total);
	activity = psprintf("%s%s of %s: " INT64_FORMAT "%s %s, %.0f a second%s%s",
						of_backend ? "/* " : "", shown->work, shown->subject,
						progress->done, total, shown->unit,
						rate_of(shown->started_at, now, progress->done),
						of_backend ? " */ " : "",
						of_backend ? debug_query_string : "");
	pgstat_report_activity(STATE_RUNNING, activity);
	pgstat_report_query_id(query_id, true);
	pfree(activity);
	progress->commented = of_backend;
	progress->commented_at = now;
}

/* So many more are done. */
void
evaudit_progress_add(EvauditProgress *progress, int64 n)
{
	TimestampTz now = GetCurrentTimestamp();

	progress->done += n;
	if (progress->place != NULL)
		pg_atomic_write_u64(&progress->place->done, (uint64) progress->done);
	if (TimestampDifferenceExceeds(progress->commented_at, now,
								   COMMENT_INTERVAL))
		comment(progress, now);
}

/* The work is over. */
void
evaudit_progress_end(EvauditProgress *progress)
{
	release(progress);
}

/* Copy the places of this database that the current user may see. */
static int
visible_places(Place *visible)
{
	Oid			user = GetUserId();
	bool		monitor = has_privs_of_role(user, ROLE_PG_MONITOR);
	int			all = 0;
	int			n = 0;

	if (places == NULL)
		return 0;
	LWLockAcquire(lock, LW_SHARED);
	for (int i = 0; i < MAX_PLACES; i++)
	{
		if (places[i].pid == 0 || places[i].database != MyDatabaseId)
			continue;
		copy_place(&visible[all], &places[i]);
		pg_atomic_init_u64(&visible[all].done,
						   pg_atomic_read_u64(&places[i].done));
		all++;
	}
	LWLockRelease(lock);
	for (int i = 0; i < all; i++)
	{
		if (monitor || has_privs_of_role(user, visible[i].role))
			visible[n++] = visible[i];
	}
	return n;
}

/*
 * SQL: evaudit.progress_rows(OUT work text, OUT subject text, OUT pid integer,
 * OUT done bigint, OUT total bigint, OUT unit text, OUT per_second double
 * precision, OUT started_at timestamptz) RETURNS SETOF record
 */
Datum
evaudit_progress_rows(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Place	   *visible = palloc(places_size());
	TimestampTz now = GetCurrentTimestamp();
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	n = visible_places(visible);
	for (int i = 0; i < n; i++)
	{
		const Place *place = &visible[i];
		int64		done = (int64) pg_atomic_read_u64(&visible[i].done);
		Datum		values[] = {
			CStringGetTextDatum(place->work),
			CStringGetTextDatum(place->subject),
			Int32GetDatum(place->pid),
			Int64GetDatum(done),
			Int64GetDatum(place->total),
			CStringGetTextDatum(place->unit),
			Float8GetDatum(rate_of(place->started_at, now, done)),
			TimestampTzGetDatum(place->started_at)
		};
		bool		nulls[lengthof(values)] = {[4] = place->total < 0};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
