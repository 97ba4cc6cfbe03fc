/*-------------------------------------------------------------------------
 *
 * net.h
 *	  What a set of changes amounts to, row by row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_NET_H
#define EVAUDIT_NET_H

#include "audit/change.h"

/* A column that an UPDATE changed. */
typedef struct EvauditNetValue
{
	int			column;
	Jsonb	   *old_value;		/* before all changes; NULL: see the image */
	Jsonb	   *new_value;		/* after all of them; NULL: see the image */
	int64		seq;			/* of the first change */
} EvauditNetValue;

/* One row before and after the changes. */
typedef struct EvauditNet
{
	EvauditPast *past;			/* its table */
	char	   *before_key;		/* NULL: there was no row */
	char	   *key;			/* after the changes */
	bool		exists;			/* after them */
	Jsonb	   *before_image;	/* the row as it was before it was deleted */
	int64		before_seq;
	Jsonb	   *after_image;	/* the row as it was inserted */
	int64		after_seq;
	EvauditNetValue *values;
	int			nvalues;
	int64		first_seq;
	int64		last_seq;
	bool		interrupted;	/* others changed it in between */
	bool		lost;			/* its key cannot be told any more */
	bool		matched;		/* for callers: it has been dealt with */
} EvauditNet;

typedef struct EvauditNets
{
	MemoryContext context;
	struct net_hash *hash;		/* by table and present key */
	EvauditNet **nets;			/* in the order of their first change */
	int			n;
	int			allocated;
	struct NetMove *move;		/* a change of a key under way, or NULL */
} EvauditNets;

extern EvauditNets *evaudit_nets_make(void);
extern void evaudit_nets_add(EvauditNets *nets, EvauditPast *past,
							 EvauditChange *change);
extern void evaudit_nets_finish(EvauditNets *nets);
extern EvauditNet *evaudit_nets_find(EvauditNets *nets,
									 const EvauditPast *past,
									 const char *key);

#endif							/* EVAUDIT_NET_H */
