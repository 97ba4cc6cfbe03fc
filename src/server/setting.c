/*-------------------------------------------------------------------------
 *
 * setting.c
 *	  Settings that last to the end of a nesting level.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/guc.h"

#include "server/setting.h"

/*
 * Set a setting until AtEOXact_GUC() of the nesting level that the caller has
 * begun, or evaudit_spi_end(), or the abort of the (sub)transaction.
 */
void
evaudit_set_locally(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}
