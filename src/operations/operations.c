/*-------------------------------------------------------------------------
 *
 * operations.c
 *	  What the room of operations has for the server: settings, and what runs
 *	  by itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "operations/alerts.h"
#include "operations/operations.h"
#include "operations/retention.h"

/* Set up retention and alerts. */
void
evaudit_operations_init(void)
{
	evaudit_retention_init();
	evaudit_alerts_init();
}
