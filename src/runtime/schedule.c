/*-------------------------------------------------------------------------
 *
 * schedule.c
 *	  What the scheduler of a database keeps running: the jobs as their
 *	  kinds list them.
 *
 * The schedule is brought up to date in place, so that supervise.c finds its
 * processes again.  An entry that is not wanted any more stays until they are
 * gone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "runtime/schedule.h"
#include "server/guard.h"

List	   *evaudit_schedule = NIL;

/* Kinds of which somebody asked for a run that was not started yet. */
uint32		evaudit_requested_kinds = 0;

static MemoryContext schedule_context;

/* What list_jobs() takes and finds. */
typedef struct JobList
{
	int			kind;
	List	   *jobs;			/* of EvauditJob */
} JobList;

/* Keep the schedule in a context below another. */
void
evaudit_schedule_init(MemoryContext context)
{
	schedule_context = AllocSetContextCreate(context, "evaudit schedule",
											 ALLOCSET_DEFAULT_SIZES);
}

/* The entry of a job, or NULL. */
static EvauditJobEntry *
find_entry(int kind, int64 id)
{
	ListCell   *lc;

	foreach(lc, evaudit_schedule)
	{
		EvauditJobEntry *entry = lfirst(lc);

		if (entry->kind == kind && entry->id == id)
			return entry;
	}
	return NULL;
}

/* A new entry. */
static EvauditJobEntry *
add_entry(int kind, int64 id)
{
	MemoryContext context = AllocSetContextCreate(schedule_context,
												  "evaudit job",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(schedule_context);
	EvauditJobEntry *entry = MemoryContextAllocZero(context,
													sizeof(EvauditJobEntry));

	entry->context = context;
	entry->kind = kind;
	entry->id = id;
	evaudit_schedule = lappend(evaudit_schedule, entry);
	MemoryContextSwitchTo(previous);
	return entry;
}

/* Replace a string of an entry; NULL stays NULL. */
static void
set_string(EvauditJobEntry *entry, char **target, const char *string)
{
	if (*target != NULL)
		pfree(*target);
	*target = string == NULL ? NULL :
		MemoryContextStrdup(entry->context, string);
}

/* Whether a job is defined as its entry has it. */
static bool
is_unchanged(const EvauditJobEntry *entry, const EvauditJob *job)
{
	return entry->name != NULL && entry->definition == job->definition &&
		(entry->error == NULL ? job->error == NULL :
		 job->error != NULL && strcmp(entry->error, job->error) == 0);
}

/*
 * Take a job as its kind lists it.  If it is new or was changed, whatever ran
 * for it ends, and what failed before may not now.
 */
static void
update_entry(int kind, const EvauditJob *job)
{
	EvauditJobEntry *entry = find_entry(kind, job->id);

	if (entry == NULL)
	{
		if (job->paused)
			return;
		entry = add_entry(kind, job->id);
	}
	entry->wanted = !job->paused;
	entry->dropped = false;
	entry->due = job->due;
	if (job->paused || is_unchanged(entry, job))
		return;

	entry->ending = entry->name != NULL;
	set_string(entry, &entry->name, job->name);
	set_string(entry, &entry->error, job->error);
	entry->refused = job->refused;
	entry->error_shown = false;
	entry->owner = job->owner;
	entry->superuser = !OidIsValid(job->owner) || superuser_arg(job->owner);
	entry->definition = job->definition;
	/* one that cannot run waits as one process does */
	entry->nprocesses = job->error != NULL ? 1 :
		Min(job->nprocesses, EVAUDIT_MAX_PROCESSES);
	for (int i = 0; i < EVAUDIT_MAX_PROCESSES; i++)
	{
		entry->processes[i].failures = 0;
		entry->processes[i].not_before = 0;
	}
}

/* Sort numbers. */
static int
by_value(const void *a, const void *b)
{
	int64		left = *(const int64 *) a;
	int64		right = *(const int64 *) b;

	return (left > right) - (left < right);
}

/*
 * Give back the slots of jobs of a kind that are not among n that exist, by
 * id; those that are only paused keep their counters.  Processes that run yet
 * write to their slot: it goes when the last of them is gone.
 */
static void
free_slots_but(int kind, const int64 *ids, int n)
{
	EvauditKindSlots *jobs = &evaudit_runtime->jobs[kind];

	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	for (int i = 0; i < jobs->n; i++)
	{
		EvauditJobSlot *slot = &jobs->slots[i];
		EvauditJobEntry *entry;

		if (slot->database != MyDatabaseId ||
			(n > 0 && bsearch(&slot->id, ids, n, sizeof(int64),
							  by_value) != NULL))
			continue;
		entry = find_entry(kind, slot->id);
		if (entry != NULL)
			entry->dropped = true;
		else
			evaudit_free_job(kind, slot);
	}
	LWLockRelease(evaudit_runtime->lock);
}

/* Take the jobs that a kind listed. */
static void
update_kind(int kind, List *jobs)
{
	int64	   *ids = palloc(Max(list_length(jobs), 1) * sizeof(int64));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, evaudit_schedule)
	{
		EvauditJobEntry *entry = lfirst(lc);

		if (entry->kind == kind)
			entry->wanted = false;
	}
	foreach(lc, jobs)
	{
		EvauditJob *job = lfirst(lc);

		update_entry(kind, job);
		ids[n++] = job->id;
	}
	qsort(ids, n, sizeof(int64), by_value);
	free_slots_but(kind, ids, n);
	if (n == 0)
		evaudit_requested_kinds &= ~((uint32) 1 << kind);
}

/* Let a kind list its jobs. */
static bool
list_jobs(void *arg)
{
	JobList    *list = arg;
	bool		requested =
		(evaudit_requested_kinds & ((uint32) 1 << list->kind)) != 0;

	list->jobs = evaudit_kinds[list->kind]->list(requested);
	return true;
}

/*
 * Read which jobs of a kind are to run, within a transaction.  NULL, or the
 * ERROR because of which they stay as they were.
 */
ErrorData *
evaudit_schedule_read(int kind)
{
	JobList		list = {.kind = kind};
	ErrorData  *error = evaudit_guard(list_jobs, &list);

	if (error == NULL)
		update_kind(kind, list.jobs);
	return error;
}

/* The extension is gone, and all jobs with it. */
void
evaudit_schedule_clear(void)
{
	for (int kind = 0; kind < evaudit_nkinds; kind++)
		update_kind(kind, NIL);
}
