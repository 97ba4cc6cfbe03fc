/*-------------------------------------------------------------------------
 *
 * login_events.h
 *	  Deterministic login events for tests, benchmarks and the demo.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LOGIN_EVENTS_H
#define LOGIN_EVENTS_H

/* What the stream looks like; rates are events in a thousand. */
typedef struct LoginStream
{
	long		count;			/* events in all */
	long		users;			/* distinct users, at most */
	long		seed;
	long		bad;			/* cannot be used, for one reason or another */
	long		repeated;		/* the same event as an earlier one */
	long		late;			/* up to 5,000 s older than its neighbours */
	int			ids;			/* whether the payload carries an "id" */
} LoginStream;

typedef struct LoginEvent
{
	const char *reason;			/* expected dead_letters.reason, or "ok" */
	char		user_id[32];
	char		service_id[16];
	const char *service_name;
	char		timestamp[40];
	char		payload[512];
	int			payload_len;
} LoginEvent;

extern void login_event_make(const LoginStream *stream, long n,
							 LoginEvent *event);

#endif							/* LOGIN_EVENTS_H */
