/*-------------------------------------------------------------------------
 *
 * config.c
 *	  The settings evaudit.*.
 *
 * No setting ever holds a secret: anybody may SHOW it.  Secrets belong into
 * user mappings.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/guc.h"

#include "server/config.h"

int			evaudit_max_sources = 64;
int			evaudit_max_partitions = 4096;
int			evaudit_max_backoff = 60000;

/* Define every setting; those of shared memory only under preload. */
void
evaudit_config_init(void)
{
	DefineCustomIntVariable("evaudit.max_backoff",
							"Longest pause between two attempts of a failing source.",
							NULL,
							&evaudit_max_backoff, 60000, 100, 3600000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	if (process_shared_preload_libraries_in_progress)
	{
		DefineCustomIntVariable("evaudit.max_sources",
								"Sources that can run at a time, over all databases.",
								NULL,
								&evaudit_max_sources, 64, 1, 4096,
								PGC_POSTMASTER, 0, NULL, NULL, NULL);
		DefineCustomIntVariable("evaudit.max_partitions",
								"Partitions whose progress can be shown, over all sources.",
								NULL,
								&evaudit_max_partitions, 4096, 16, 1048576,
								PGC_POSTMASTER, 0, NULL, NULL, NULL);
	}
}
