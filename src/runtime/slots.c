/*-------------------------------------------------------------------------
 *
 * slots.c
 *	  What the runtime keeps in shared memory.
 *
 * Slots of fixed number under one lock, as the logical replication launcher
 * has them.  The lock is held for microseconds, never across a transaction or
 * the network.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "runtime/slots.h"
#include "server/shmem.h"

EvauditRuntime *evaudit_runtime = NULL;

/* One slot for each database that can have a scheduler, and some to spare. */
static int
database_slots(void)
{
	return max_worker_processes * 2;
}

/* How many jobs of a kind have a slot. */
static int
job_slots(int kind)
{
	return evaudit_kinds[kind]->on_request ? 0 :
		evaudit_kinds[kind]->nslots();
}

/* Bytes of everything. */
static Size
runtime_size(void)
{
	Size		size = MAXALIGN(sizeof(EvauditRuntime));

	size = add_size(size, MAXALIGN(mul_size(database_slots(),
											sizeof(EvauditDatabaseSlot))));
	for (int i = 0; i < evaudit_nkinds; i++)
		size = add_size(size, MAXALIGN(mul_size(job_slots(i),
												sizeof(EvauditJobSlot))));
	return size;
}

/* Lay out the memory, or attach to it. */
static void
attach_runtime(LWLock *lock)
{
	Size		size = runtime_size();
	bool		found;
	char	   *next;

	evaudit_runtime = ShmemInitStruct("evaudit runtime", size, &found);
	if (found)
		return;
	memset(evaudit_runtime, 0, size);
	evaudit_runtime->lock = lock;
	evaudit_runtime->rescan = true;
	evaudit_runtime->ndatabases = database_slots();
	next = (char *) evaudit_runtime + MAXALIGN(sizeof(EvauditRuntime));
	evaudit_runtime->databases = (EvauditDatabaseSlot *) next;
	next += MAXALIGN(database_slots() * sizeof(EvauditDatabaseSlot));
	for (int i = 0; i < evaudit_nkinds; i++)
	{
		evaudit_runtime->jobs[i].n = job_slots(i);
		evaudit_runtime->jobs[i].slots = (EvauditJobSlot *) next;
		next += MAXALIGN(job_slots(i) * sizeof(EvauditJobSlot));
	}
}

/* Reserve the shared memory; only while the server preloads libraries. */
void
evaudit_slots_init(void)
{
	static EvauditShmemArea area = {
		.name = "evaudit",
		.size = runtime_size,
		.attach = attach_runtime,
	};

	evaudit_shmem_register(&area);
}

/* The slot of a database, or NULL; of InvalidOid, a free one. */
EvauditDatabaseSlot *
evaudit_find_database(Oid database)
{
	for (int i = 0; i < evaudit_runtime->ndatabases; i++)
	{
		if (evaudit_runtime->databases[i].database == database)
			return &evaudit_runtime->databases[i];
	}
	return NULL;
}

/* The slot of a job, or NULL; of InvalidOid and 0, a free one. */
EvauditJobSlot *
evaudit_find_job(int kind, Oid database, int64 id)
{
	EvauditKindSlots *jobs = &evaudit_runtime->jobs[kind];

	for (int i = 0; i < jobs->n; i++)
	{
		if (jobs->slots[i].database == database && jobs->slots[i].id == id)
			return &jobs->slots[i];
	}
	return NULL;
}

/* Whether a slot keeps no more than the counters of a job that is paused. */
static bool
is_idle(const EvauditJobSlot *slot)
{
	for (int i = 0; i < EVAUDIT_MAX_PROCESSES; i++)
	{
		if (slot->processes[i].in_use)
			return false;
	}
	return slot->state == EVAUDIT_JOB_STOPPED;
}

/* A slot that a job can have: a free one, else one that is idle; or NULL. */
static EvauditJobSlot *
find_slot(int kind)
{
	EvauditKindSlots *jobs = &evaudit_runtime->jobs[kind];
	EvauditJobSlot *slot = evaudit_find_job(kind, InvalidOid, 0);

	for (int i = 0; slot == NULL && i < jobs->n; i++)
	{
		if (is_idle(&jobs->slots[i]))
			slot = &jobs->slots[i];
	}
	return slot;
}

/* Whether one more job of a kind would find a slot. */
bool
evaudit_job_slot_is_free(int kind)
{
	return find_slot(kind) != NULL;
}

/* The slot of a job, taken if it has none; NULL if there is no room. */
EvauditJobSlot *
evaudit_take_job(int kind, Oid database, int64 id)
{
	EvauditJobSlot *slot = evaudit_find_job(kind, database, id);

	if (slot == NULL && (slot = find_slot(kind)) != NULL)
	{
		evaudit_free_job(kind, slot);
		slot->database = database;
		slot->id = id;
		slot->state = EVAUDIT_JOB_STARTING;
	}
	return slot;
}

/*
 * Give the slot of a job back.  Generations go on, so that no process of the
 * former job can attach.
 */
void
evaudit_free_job(int kind, EvauditJobSlot *slot)
{
	uint32		generations[EVAUDIT_MAX_PROCESSES];

	if (OidIsValid(slot->database) && evaudit_kinds[kind]->forget != NULL)
		evaudit_kinds[kind]->forget(slot->database, slot->id);
	for (int i = 0; i < EVAUDIT_MAX_PROCESSES; i++)
		generations[i] = slot->processes[i].generation + 1;
	memset(slot, 0, sizeof(EvauditJobSlot));
	for (int i = 0; i < EVAUDIT_MAX_PROCESSES; i++)
		slot->processes[i].generation = generations[i];
}

/* Copy an error text, cut at a character boundary. */
void
evaudit_copy_error(char *target, const char *error)
{
	int			len = pg_mbcliplen(error, strlen(error),
								   EVAUDIT_ERROR_BYTES - 1);

	memcpy(target, error, len);
	target[len] = '\0';
}

/*
 * Show an error of a process of a job, or why it cannot be started; true if it
 * is another one than before.
 */
bool
evaudit_set_error(EvauditJobSlot *slot, int number, const char *error)
{
	char		before[EVAUDIT_ERROR_BYTES];

	strlcpy(before, slot->last_error, sizeof(before));
	evaudit_copy_error(slot->last_error, error);
	slot->last_error_at = GetCurrentTimestamp();
	slot->last_error_of = number;
	return strcmp(before, slot->last_error) != 0;
}

/* A process works: its error is over; last_error_at still says when it was. */
void
evaudit_clear_error(EvauditJobSlot *slot, int number)
{
	if (slot->last_error_of == number)
		slot->last_error[0] = '\0';
}

/*
 * Show when something is tried again next: a process that ended is started,
 * at the time given if that is not 0, or one that runs ends its wait.  If
 * nothing waits, show the other state.
 */
void
evaudit_show_retry(EvauditJobSlot *slot, TimestampTz restart,
				   EvauditJobState otherwise)
{
	TimestampTz retry = restart;

	for (int i = 0; i < EVAUDIT_MAX_PROCESSES; i++)
	{
		TimestampTz at = slot->processes[i].retry_at;

		if (at != 0 && (retry == 0 || at < retry))
			retry = at;
	}
	slot->next_retry_at = retry;
	slot->state = retry != 0 ? EVAUDIT_JOB_BACKOFF : otherwise;
}

/* How many processes of limited kinds an owner has; InvalidOid: all jobs. */
int
evaudit_processes_in_use(Oid owner)
{
	int			n = 0;

	for (int kind = 0; kind < evaudit_nkinds; kind++)
	{
		EvauditKindSlots *jobs = &evaudit_runtime->jobs[kind];

		if (OidIsValid(owner) && !evaudit_kinds[kind]->limited)
			continue;
		for (int i = 0; i < jobs->n; i++)
		{
			if (OidIsValid(owner) && jobs->slots[i].owner != owner)
				continue;
			for (int j = 0; j < EVAUDIT_MAX_PROCESSES; j++)
				n += jobs->slots[i].processes[j].in_use;
		}
	}
	return n;
}

/*
 * Have all processes of jobs in a database end, and let none attach that was
 * asked for before.  Returns how many are attached yet.
 */
int
evaudit_end_processes(Oid database)
{
	int			n = 0;

	for (int kind = 0; kind < evaudit_nkinds; kind++)
	{
		EvauditKindSlots *jobs = &evaudit_runtime->jobs[kind];

		for (int i = 0; i < jobs->n; i++)
		{
			for (int j = 0; jobs->slots[i].database == database &&
				 j < EVAUDIT_MAX_PROCESSES; j++)
			{
				EvauditProcessSlot *process = &jobs->slots[i].processes[j];

				if (process->proc == NULL)
				{
					process->generation++;
					continue;
				}
				kill(process->proc->pid, SIGTERM);
				n++;
			}
		}
	}
	return n;
}

/*
 * A scheduler begins, and no process of the one before runs any more: none of
 * those that it asked for counts, and no job has a state.
 */
void
evaudit_release_processes(Oid database)
{
	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	for (int kind = 0; kind < evaudit_nkinds; kind++)
	{
		EvauditKindSlots *jobs = &evaudit_runtime->jobs[kind];

		for (int i = 0; i < jobs->n; i++)
		{
			if (jobs->slots[i].database != database)
				continue;
			jobs->slots[i].state = EVAUDIT_JOB_STOPPED;
			for (int j = 0; j < EVAUDIT_MAX_PROCESSES; j++)
				jobs->slots[i].processes[j].in_use = false;
		}
	}
	LWLockRelease(evaudit_runtime->lock);
}
