/*-------------------------------------------------------------------------
 *
 * shmem.h
 *	  What the processes of evaudit share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SHMEM_H
#define EVAUDIT_SHMEM_H

#include "datatype/timestamp.h"
#include "storage/lwlock.h"
#include "utils/hsearch.h"

/* Most processes that one source is spread over. */
#define EVAUDIT_MAX_WORKERS		16

/* Longest error text that is kept for the status views, in bytes. */
#define EVAUDIT_ERROR_BYTES		512

/* What keeps sources from running that may have no slot to say so in. */
#define EVAUDIT_NO_SLOT		"all evaudit.max_sources slots are in use"
#define EVAUDIT_NO_PROCESS	"no background worker slot is free: max_worker_processes may have to be raised"

/* Longest name of a Kafka topic, with its terminating zero. */
#define EVAUDIT_STREAM_BYTES	256

typedef enum EvauditSourceState
{
	EVAUDIT_SOURCE_STOPPED,		/* nobody works on it */
	EVAUDIT_SOURCE_STARTING,	/* workers were asked for, none reads yet */
	EVAUDIT_SOURCE_RUNNING,		/* at least one worker reads */
	EVAUDIT_SOURCE_BACKOFF		/* a worker failed and waits */
} EvauditSourceState;

/*
 * A database that has, or may have, active sources: the launcher keeps a
 * scheduler there, until the scheduler finds none and gives the slot back.
 */
typedef struct EvauditDatabase
{
	Oid			database;		/* InvalidOid: the slot is free */
	pid_t		scheduler;		/* 0: none */
	bool		left;			/* the last one ended as it should */
	bool		starved;		/* there is no process for one */
	bool		changed;		/* sources changed since it looked */
	pid_t		fetcher;		/* of keys; 0: none */
	bool		keys_wanted;	/* a token has a key that is not known */
	pid_t		held_by;		/* backend that needs the database empty */
} EvauditDatabase;

/* A source that runs or ran; its counters outlive its workers. */
typedef struct EvauditSourceSlot
{
	Oid			database;		/* InvalidOid: the slot is free */
	int64		source_id;
	Oid			owner;
	EvauditSourceState state;
	pid_t		pids[EVAUDIT_MAX_WORKERS];	/* 0: none */
	bool		failed[EVAUDIT_MAX_WORKERS];	/* ended by an error */
	bool		progressed[EVAUDIT_MAX_WORKERS];	/* committed a batch */
	TimestampTz retry_at[EVAUDIT_MAX_WORKERS];	/* one that waits, else 0 */
	uint32		assignment;		/* changes when partitions came or moved */

	uint64		received;
	uint64		merged;
	uint64		dead_lettered;
	uint64		batches;
	TimestampTz last_received_at;	/* times: 0 for never */
	TimestampTz last_committed_at;
	TimestampTz last_error_at;
	TimestampTz next_retry_at;
	TimestampTz credentials_expire_at;
	char		last_error[EVAUDIT_ERROR_BYTES];
} EvauditSourceSlot;

/* The end of a partition as its worker last saw it. */
typedef struct EvauditPartitionKey
{
	Oid			database;
	int32		partition;
	int64		source_id;
	char		stream[EVAUDIT_STREAM_BYTES];
} EvauditPartitionKey;

typedef struct EvauditPartitionEnd
{
	EvauditPartitionKey key;
	int64		end_offset;
} EvauditPartitionEnd;

typedef struct EvauditShared
{
	LWLock	   *lock;			/* guards all below and the partitions */
	pid_t		launcher;		/* 0: none */
	bool		rescan;			/* look at every database anew */
	int			ndatabases;
	int			nsources;
	EvauditDatabase *databases;
	EvauditSourceSlot *sources;
} EvauditShared;

/* NULL unless the library was preloaded. */
extern EvauditShared *evaudit_shared;
extern HTAB *evaudit_partition_ends;

extern void evaudit_shmem_init(void);
extern void evaudit_require_preload(void);
extern EvauditSourceSlot *evaudit_find_source(Oid database, int64 source_id);
extern EvauditSourceSlot *evaudit_free_slot(void);
extern void evaudit_free_source(EvauditSourceSlot *slot);
extern void evaudit_show_retry(EvauditSourceSlot *slot, TimestampTz restart,
							   EvauditSourceState otherwise);
extern EvauditDatabase *evaudit_find_database(Oid database);
extern void evaudit_copy_error(char *target, const char *str);

#endif							/* EVAUDIT_SHMEM_H */
