/*-------------------------------------------------------------------------
 *
 * http_repeat.h
 *	  Requests that a thread repeats while the process is busy with something
 *	  else, such as a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_HTTP_REPEAT_H
#define EVAUDIT_HTTP_REPEAT_H

#include "net/http_client.h"

typedef struct EvauditHttpRepeat EvauditHttpRepeat;

/* What is repeated; it must stay as it is from start to stop. */
typedef struct EvauditHttpRound
{
	const EvauditHttpRequest *request;	/* but for its body */

	/*
	 * The body of the i-th request of a round, from malloc(); NULL: the round
	 * is over.  Called in the thread: it must touch nothing of Postgres.
	 */
	char	   *(*body) (const void *arg, int i);
	const void *arg;

	/*
	 * What is wrong with a response of status 200, or NULL.  Likewise.
	 */
	const char *(*check) (const char *body);

	int			first;			/* milliseconds until the first round */
	int			interval;		/* and between two */
} EvauditHttpRound;

/* A thread's place, for the life of the process, in a background worker. */
extern EvauditHttpRepeat *evaudit_http_repeat_open(void);

extern void evaudit_http_repeat_start(EvauditHttpRepeat *repeat,
									  const EvauditHttpRound *round);

/*
 * Repeat no more.  False, with the reason, if a request of the latest round
 * failed.  Waits for a request that is under way to be given up.
 */
extern bool evaudit_http_repeat_stop(EvauditHttpRepeat *repeat,
									 char *error, size_t size);

#endif							/* EVAUDIT_HTTP_REPEAT_H */
