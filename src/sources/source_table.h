/*-------------------------------------------------------------------------
 *
 * source_table.h
 *	  Tables in shared memory of what sources consist of.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SOURCE_TABLE_H
#define EVAUDIT_SOURCE_TABLE_H

#include "server/shmem.h"

/*
 * What the key of each entry begins with; a name follows.  Keys are compared
 * as bytes, and this leaves no padding.
 */
typedef struct EvauditSourceKey
{
	int64		source_id;
	Oid			database;
	int32		partition;		/* of a topic; 0 for what has none */
} EvauditSourceKey;

extern void evaudit_source_table_forget(EvauditShmemTable *table, Oid database,
										int64 source_id);
extern void *evaudit_source_table_visible(EvauditShmemTable *table, int *n);

#endif							/* EVAUDIT_SOURCE_TABLE_H */
