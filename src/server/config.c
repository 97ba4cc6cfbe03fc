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

char	   *evaudit_actor = NULL;
char	   *evaudit_request_id = NULL;
int			evaudit_max_sources = 64;
int			evaudit_max_partitions = 4096;
int			evaudit_max_backoff = 60000;
char	   *evaudit_ambient_credentials_role = NULL;
int			evaudit_http_compat = EVAUDIT_COMPAT_OFF;
int			evaudit_http_events = EVAUDIT_LOGGER_OPEN;
int			evaudit_http_max_body = 1024;
char	   *evaudit_http_docs_assets = NULL;
double		evaudit_rate_limit = 0;
int			evaudit_rate_burst = 0;

static const struct config_enum_entry compat_options[] = {
	{"off", EVAUDIT_COMPAT_OFF, false},
	{"eventgate", EVAUDIT_COMPAT_EVENTGATE, false},
	{NULL, 0, false}
};

static const struct config_enum_entry events_options[] = {
	{"off", EVAUDIT_LOGGER_OFF, false},
	{"token", EVAUDIT_LOGGER_TOKEN, false},
	{"open", EVAUDIT_LOGGER_OPEN, false},
	{NULL, 0, false}
};

/*
 * Settings of evaudit.http().  They say who may do what, so those who call it
 * cannot change them; ALTER ROLE ... SET does for the role of a front.
 */
static void
http_config_init(void)
{
	DefineCustomEnumVariable("evaudit.http_compat",
							 "Whose answers evaudit.http() gives to the letter.",
							 NULL,
							 &evaudit_http_compat, EVAUDIT_COMPAT_OFF,
							 compat_options,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("evaudit.http_events",
							 "For whom evaudit.http() has the routes /events.",
							 NULL,
							 &evaudit_http_events, EVAUDIT_LOGGER_OPEN,
							 events_options,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("evaudit.http_max_body",
							"Longest body of a request to evaudit.http().",
							NULL,
							&evaudit_http_max_body, 1024, 1, 65536,
							PGC_SUSET, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomStringVariable("evaudit.http_docs_assets",
							   "Where the page at /docs finds the files of Swagger UI.",
							   NULL,
							   &evaudit_http_docs_assets, "./swagger-ui",
							   PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomRealVariable("evaudit.rate_limit",
							 "Messages a second that a subject may publish to a topic by evaudit.http().",
							 "0 is for any number.",
							 &evaudit_rate_limit, 0, 0, 1000000,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("evaudit.rate_burst",
							"Messages that may come at once.",
							"0 is for those of a second.",
							&evaudit_rate_burst, 0, 0, 1000000,
							PGC_SUSET, 0, NULL, NULL, NULL);
}

/* Define every setting; those of shared memory only under preload. */
void
evaudit_config_init(void)
{
	DefineCustomStringVariable("evaudit.actor",
							   "Who acts: the value of audit.actor.",
							   "Meant for SET LOCAL by the application.",
							   &evaudit_actor, "",
							   PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("evaudit.request_id",
							   "The request acted in: the value of audit.request_id.",
							   "Meant for SET LOCAL by the application.",
							   &evaudit_request_id, "",
							   PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("evaudit.max_backoff",
							"Longest pause between two attempts of a failing source.",
							NULL,
							&evaudit_max_backoff, 60000, 100, 3600000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomStringVariable("evaudit.ambient_credentials_role",
							   "Role whose members may use the AWS credentials of the server.",
							   "Those of its environment, files and machine. Empty: superusers alone.",
							   &evaudit_ambient_credentials_role, "",
							   PGC_SIGHUP, 0, NULL, NULL, NULL);

	http_config_init();

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

	MarkGUCPrefixReserved("evaudit");
}
