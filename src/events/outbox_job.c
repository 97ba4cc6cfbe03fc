/*-------------------------------------------------------------------------
 *
 * outbox_job.c
 *	  The job that keeps the outbox small.
 *
 * There is one such job in a database that has sinks, or rows in the outbox
 * that a sink left there which was dropped.  It is due from time to time, or
 * soon after a writer has noticed that a partition is large.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/timestamp.h"

#include "events/outbox_rotation.h"
#include "events/outbox_space.h"
#include "server/spi.h"
#include "server/wait.h"

/* The only job of the kind has this id. */
#define JOB_ID			1

/* Milliseconds from one check to the next, and if somebody asks for it. */
#define CHECK_INTERVAL		60000
#define REQUESTED_INTERVAL	2000

/* Attempts to truncate a partition, and milliseconds between them. */
#define ATTEMPTS		40
#define ATTEMPT_PAUSE	25

/* List the job, if there is anything to keep small. */
static List *
list_job(bool requested)
{
	static EvauditStatement find = {
		"SELECT checked_at FROM evaudit.outbox_state"
		" WHERE EXISTS (SELECT FROM evaudit.sinks WHERE database = $1)"
		"  OR EXISTS (SELECT FROM evaudit.outbox)",
		1, {OIDOID}
	};
	Datum		database = ObjectIdGetDatum(MyDatabaseId);
	EvauditJob *job = palloc0(sizeof(EvauditJob));
	bool		found;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	found = evaudit_spi_execute(&find, &database, NULL) > 0;
	if (found)
		job->due = TimestampTzPlusMilliseconds(evaudit_spi_timestamptz(0, 0),
											   requested ?
											   REQUESTED_INTERVAL :
											   CHECK_INTERVAL);
	evaudit_spi_end(&spi);
	if (!found)
		return NIL;
	job->id = JOB_ID;
	job->name = "outbox";
	job->nprocesses = 1;
	return list_make1(job);
}

/*
 * Truncate a partition, unless a sink needs it.  Sinks read it in transactions
 * that are over in milliseconds, so that there is a moment without a lock; not
 * while a dump is under way, and hardly while it is written to.
 */
static void
truncate_part(EvauditProcess *process, int part)
{
	for (int i = 0; i < ATTEMPTS; i++)
	{
		EvauditTruncation result;

		evaudit_process_iterate(process);
		if (!evaudit_job_begin())
			return;
		result = evaudit_outbox_truncate(part);
		evaudit_job_commit();
		if (result != EVAUDIT_TRUNCATION_LOCKED)
			return;
		(void) evaudit_wait(ATTEMPT_PAUSE);
	}
}

/* Make room, by the policy that is set. */
static void
make_room(EvauditProcess *process)
{
	bool		detached;

	for (;;)
	{
		evaudit_process_iterate(process);
		if (!evaudit_job_begin())
			return;
		detached = evaudit_outbox_policy == EVAUDIT_OUTBOX_DETACH &&
			evaudit_outbox_is_full() && evaudit_outbox_detach_slowest();
		evaudit_job_commit();
		if (!detached)
			return;
		for (int part = 0; part < EVAUDIT_OUTBOX_PARTS; part++)
			truncate_part(process, part);
	}
}

/* Note that the outbox was checked. */
static void
note_check(void)
{
	static EvauditStatement note = {
		"UPDATE evaudit.outbox_state SET checked_at = clock_timestamp()"
	};
	EvauditSpi	spi;

	if (!evaudit_job_begin())
		return;
	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&note, NULL, NULL);
	evaudit_spi_end(&spi);
	evaudit_job_commit();
}

/* Truncate what no sink needs, and see to it that the next can be. */
static void
run(EvauditProcess *process)
{
	evaudit_process_running(process);
	pgstat_report_activity(STATE_RUNNING, "keeping the outbox small");
	if (!evaudit_job_begin())
		return;
	evaudit_outbox_rotate();
	evaudit_job_commit();
	for (int part = 0; part < EVAUDIT_OUTBOX_PARTS; part++)
		truncate_part(process, part);
	make_room(process);
	note_check();
}

/* Each database can have one. */
static int
outbox_slots(void)
{
	return max_worker_processes;
}

const EvauditJobKind evaudit_outbox_job = {
	.name = "truncation of",
	.backend_type = "evaudit outbox",
	.nslots = outbox_slots,
	.no_slot = "all slots for keeping outboxes small are in use",
	.list = list_job,
	.run = run,
};
