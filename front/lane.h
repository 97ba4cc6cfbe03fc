/*-------------------------------------------------------------------------
 *
 * lane.h
 *	  A queue of requests and the connections to the database that serve it.
 *
 * There are two lanes: requests that only read, and those that may write.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_LANE_H
#define FRONT_LANE_H

#include "batch.h"

typedef struct Lane
{
	const char *name;
	bool		read_only;
	Request    *head;			/* of the queue */
	Request   **tail;
	int			nqueued;
	int64_t		down_since;		/* no connection works; 0: one does */
	Batch	   *in_doubt;		/* their COMMIT was not answered; or NULL */
	bool		asking;			/* for the first of them, under way */
	int64_t		ask_at;			/* when to ask for it again */
	int			nconnections;
	Connection *connections;
} Lane;

extern Lane lanes[2];			/* writes, reads */

extern void lanes_init(void);
extern void lane_submit(Request *request);
extern int64_t lanes_tick(int64_t now);
extern void lanes_renew(void);

#endif							/* FRONT_LANE_H */
