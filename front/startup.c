/*-------------------------------------------------------------------------
 *
 * startup.c
 *	  Whether the role is set up for a front, asked once.
 *
 * evaudit.check_front() finds settings that would bring tokens into the
 * server's log, among others.  What it finds is logged, and nothing else
 * depends on it.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>

#include "config.h"
#include "log.h"
#include "startup.h"

static bool asked = false;

/* Ask. */
static bool
send_check(Work *work, PGconn * conn)
{
	return PQsendQueryParams(conn, "SELECT detail, hint FROM evaudit.check_front() WHERE NOT ok",
							 0, NULL, NULL, NULL, NULL, 0);
}

/* Log what is wrong. */
static void
take_check(Work *work, int query, const PGresult * result)
{
	for (int i = 0; i < PQntuples(result); i++)
		log_line(LOG_LEVEL_ERROR, "warning: %s %s", PQgetvalue(result, i, 0),
				 PQgetvalue(result, i, 1));
}

/* It is asked, or asked again. */
static void
check_over(Work *work, bool lost)
{
	if (lost)
		asked = false;
	free(work);
}

/* Ask over an idle connection, unless that was done. */
void
startup_check(Connection *c)
{
	Work	   *work;

	if (asked)
		return;
	asked = true;
	work = xcalloc(1, sizeof(Work));
	work->send = send_check;
	work->take = take_check;
	work->over = check_over;
	connection_start(c, work, config.response_timeout);
}

/* Ask once more. */
void
startup_check_again(void)
{
	asked = false;
}
