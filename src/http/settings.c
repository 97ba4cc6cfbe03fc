/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  The settings evaudit.http_* and evaudit.rate_*.
 *
 * They say who may do what, so those who call evaudit.http() cannot change
 * them; ALTER ROLE ... SET does for the role of a front.  Defaults are
 * closed: without a setting that says otherwise, strangers reach no kept
 * payload.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/guc.h"

#include "http/cors.h"
#include "http/counts.h"
#include "http/rate_limit.h"
#include "http/settings.h"

int			evaudit_http_compat = EVAUDIT_COMPAT_OFF;
int			evaudit_http_events = EVAUDIT_ROUTE_TOKEN;
int			evaudit_http_stats = EVAUDIT_ROUTE_TOKEN;
int			evaudit_http_services = EVAUDIT_ROUTE_TOKEN;
int			evaudit_http_terminate = EVAUDIT_ROUTE_OFF;
bool		evaudit_http_events_require_id = false;
bool		evaudit_http_services_root = false;
char	   *evaudit_http_cors_origins = NULL;
char	   *evaudit_http_cors_headers = NULL;
bool		evaudit_http_cors_credentials = false;
int			evaudit_http_cors_max_age = 600;
int			evaudit_http_max_body = 1024;
int			evaudit_http_max_response = 16384;
int			evaudit_http_max_wait = 30000;
char	   *evaudit_http_docs_assets = NULL;
double		evaudit_rate_limit = 1000;
int			evaudit_rate_burst = 0;

static const struct config_enum_entry compat_options[] = {
	{"off", EVAUDIT_COMPAT_OFF, false},
	{"eventgate", EVAUDIT_COMPAT_EVENTGATE, false},
	{NULL, 0, false}
};

static const struct config_enum_entry access_options[] = {
	{"off", EVAUDIT_ROUTE_OFF, false},
	{"token", EVAUDIT_ROUTE_TOKEN, false},
	{"open", EVAUDIT_ROUTE_OPEN, false},
	{NULL, 0, false}
};

/* Not open: discarding cached state costs every session. */
static const struct config_enum_entry terminate_options[] = {
	{"off", EVAUDIT_ROUTE_OFF, false},
	{"token", EVAUDIT_ROUTE_TOKEN, false},
	{NULL, 0, false}
};

/* Define a setting that closes or opens routes. */
static void
define_access(const char *name, const char *description, int *variable,
			  const struct config_enum_entry *options)
{
	DefineCustomEnumVariable(name, description,
							 "\"token\" is for those with a token and a grant.",
							 variable, *variable, options,
							 PGC_SUSET, 0, NULL, NULL, NULL);
}

/* Define the settings of pages of other origins. */
static void
define_cors(void)
{
	DefineCustomStringVariable("evaudit.http_cors_origins",
							   "Origins whose pages may see the responses of evaudit.http().",
							   "\"*\" is for any; none is for those of its own origin alone.",
							   &evaudit_http_cors_origins, "",
							   PGC_SUSET, 0,
							   evaudit_cors_check_origins, NULL, NULL);
	DefineCustomStringVariable("evaudit.http_cors_headers",
							   "Headers that pages of other origins may send.",
							   "\"*\" is for those that they ask for.",
							   &evaudit_http_cors_headers, "*",
							   PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("evaudit.http_cors_credentials",
							 "Whether pages of origins that are named may send cookies and the like.",
							 NULL,
							 &evaudit_http_cors_credentials, false,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("evaudit.http_cors_max_age",
							"How long a browser may remember what a page may send.",
							NULL,
							&evaudit_http_cors_max_age, 600, 0, 86400,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
}

/* Define the settings of limits. */
static void
define_limits(void)
{
	DefineCustomIntVariable("evaudit.http_max_body",
							"Longest body of a request to evaudit.http().",
							NULL,
							&evaudit_http_max_body, 1024, 1, 65536,
							PGC_SUSET, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("evaudit.http_max_response",
							"Longest body of a response of evaudit.http().",
							NULL,
							&evaudit_http_max_response, 16384, 64, 262144,
							PGC_SUSET, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("evaudit.http_max_wait",
							"Longest that a response of evaudit.http() waits for sinks.",
							"Whatever a topic or a request asks for; 0 is for not at all.",
							&evaudit_http_max_wait, 30000, 0, 3600000,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomRealVariable("evaudit.rate_limit",
							 "Messages a second that a subject may publish to a topic by evaudit.http().",
							 "0 is for any number.",
							 &evaudit_rate_limit, 1000, 0, 1000000,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("evaudit.rate_burst",
							"Messages that may come at once.",
							"0 is for those of a second.",
							&evaudit_rate_burst, 0, 0, 1000000,
							PGC_SUSET, 0, NULL, NULL, NULL);
}

/* Define the settings of the room, and under preload its shared memory. */
void
evaudit_http_init(void)
{
	evaudit_http_counts_init();
	DefineCustomEnumVariable("evaudit.http_compat",
							 "Whose responses evaudit.http() gives to the letter.",
							 NULL,
							 &evaudit_http_compat, EVAUDIT_COMPAT_OFF,
							 compat_options,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	define_access("evaudit.http_events",
				  "For whom evaudit.http() has the routes /events.",
				  &evaudit_http_events, access_options);
	define_access("evaudit.http_stats",
				  "For whom evaudit.http() has the routes /stats, which show kept payloads.",
				  &evaudit_http_stats, access_options);
	define_access("evaudit.http_services",
				  "For whom evaudit.http() has the route /users/{user_id}/services.",
				  &evaudit_http_services, access_options);
	DefineCustomBoolVariable("evaudit.http_events_require_id",
							 "Whether POST /events refuses an event without an id.",
							 "Otherwise it is given one.",
							 &evaudit_http_events_require_id, false,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("evaudit.http_services_root",
							 "Whether GET /?user_id= is the route /users/{user_id}/services, too.",
							 NULL,
							 &evaudit_http_services_root, false,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	define_access("evaudit.http_terminate",
				  "For whom evaudit.http() has the route /terminate.",
				  &evaudit_http_terminate, terminate_options);
	DefineCustomStringVariable("evaudit.http_docs_assets",
							   "Where the page at /docs finds the files of Swagger UI.",
							   NULL,
							   &evaudit_http_docs_assets, "./swagger-ui",
							   PGC_SUSET, 0, NULL, NULL, NULL);
	define_cors();
	define_limits();
	if (process_shared_preload_libraries_in_progress)
		evaudit_rate_limit_init();
}
