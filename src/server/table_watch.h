/*-------------------------------------------------------------------------
 *
 * table_watch.h
 *	  Knowing in a backend that a table of the extension has changed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_TABLE_WATCH_H
#define EVAUDIT_TABLE_WATCH_H

#include "fmgr.h"

/*
 * A table in the schema evaudit that something is derived from.  Declare it
 * static, with the name filled in.  The table needs the trigger
 * evaudit.announce_change().
 */
typedef struct EvauditWatch
{
	const char *table;
	/* private to table_watch.c */
	Oid			relid;
	bool		fresh;			/* not invalidated since the last call */
	struct EvauditWatch *next;
} EvauditWatch;

extern bool evaudit_watch_changed(EvauditWatch *watch);
extern void evaudit_watch_announce(const char *table);

#endif							/* EVAUDIT_TABLE_WATCH_H */
