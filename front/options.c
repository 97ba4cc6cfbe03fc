/*-------------------------------------------------------------------------
 *
 * options.c
 *	  The program's options: their names, bounds and initial values.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>

#include "options.h"

#define STRING(field, initial) OPTION_STRING, offsetof(Config, field), initial, 0, 0
#define NUMBER(field, initial, min, max) \
	OPTION_NUMBER, offsetof(Config, field), initial, min, max
#define LIST(field) OPTION_LIST, offsetof(Config, field), NULL, 0, 0

const Option options[] = {
	{"config", OPTION_FILE, 0, NULL, 0, 0, "FILE",
	"lines such as max-queue = 2000"},
	{"listen", LIST(listen), "ADDRESS",
	"host:port, [v6]:port or unix:/path; may be repeated"},
	{"listen-tls", LIST(listen_tls), "ADDRESS",
	"likewise, for HTTPS"},
	{"tls-certificate", STRING(certificate, NULL), "FILE",
	"PEM, with its chain; read again by SIGHUP"},
	{"tls-key", STRING(key, NULL), "FILE", "PEM; likewise"},
	{"admin", STRING(admin, NULL), "ADDRESS",
	"serves /live, /ready, /metrics and a page"},
	{"database", STRING(conninfo, ""), "CONNINFO",
	"libpq's connection string; also without --database"},
	{"read-database", STRING(read_conninfo, NULL), "CONNINFO",
	"for GET, such as of a standby (the same)"},
	{"metrics-database", STRING(metrics_conninfo, NULL), "CONNINFO",
	"of a member of pg_monitor, for metrics and the page"},
	{"sample-interval", NUMBER(sample_interval, "30000", 100, 3600000), "MS",
	"between the 120 samples that the page's plots show"},
	{"processes", NUMBER(processes, "1", 1, MAX_PROCESSES), "N",
	"that share the listeners"},
	{"write-connections", NUMBER(write_connections, "4", 1, 64), "N",
	"to the database, of each process"},
	{"read-connections", NUMBER(read_connections, "4", 1, 64), "N",
	"likewise, for GET"},
	{"max-connections", NUMBER(max_connections, "10000", 1, 100000), "N",
	"of clients, of each process"},
	{"max-per-address", NUMBER(max_per_address, "1000", 1, 100000), "N",
	"of an address (IPv6: /64), of each process"},
	{"max-queue", NUMBER(max_queue, "2000", 1, 100000), "N",
	"requests that wait for the database; more are 503"},
	{"max-body", NUMBER(max_body, "1024", 1, 65536), "KB",
	"longest body of a request; more is 413"},
	{"max-memory", NUMBER(max_memory, "256", 1, 65536), "MB",
	"of bodies and responses, of each process; more is 503"},
	{"header-timeout", NUMBER(header_timeout, "10000", 10, 3600000), "MS",
	"for the whole of the headers"},
	{"body-timeout", NUMBER(body_timeout, "30000", 10, 3600000), "MS",
	"for the whole of the body"},
	{"response-timeout", NUMBER(response_timeout, "30000", 10, 3600000), "MS",
	"for the database, and again for the client to read it"},
	{"idle-timeout", NUMBER(idle_timeout, "60000", 1000, 3600000), "MS",
	"between two requests"},
	{"shutdown-timeout", NUMBER(shutdown_timeout, "10000", 0, 3600000), "MS",
	"for requests under way at SIGTERM"},
	{"trusted-proxy", LIST(trusted_proxies), "ADDRESS[/BITS]",
	"whose X-Forwarded-For names the client; may be repeated"},
	{"docs-assets", STRING(docs_assets, DOCS_ASSETS), "FOLDER",
	"Swagger UI's files, served at /swagger-ui/"},
	{"log-level", STRING(log_level, "request"), "LEVEL",
	"error, info or request; SIGUSR1 takes the next"},
	{NULL, OPTION_STRING, 0, NULL, 0, 0, NULL, NULL}
};

/* Print how the program is called, and end. */
void
options_usage(void)
{
	puts("usage: evaudit-http [OPTION]... [CONNINFO]\n\n"
		 "Serves evaudit.http() of a database over HTTP.\n");
	for (const Option *option = options; option->name != NULL; option++)
		printf("  --%-18s %-14s %s%s%s%s\n", option->name, option->argument,
			   option->help, option->initial != NULL && *option->initial ?
			   " (" : "", option->initial != NULL ? option->initial : "",
			   option->initial != NULL && *option->initial ? ")" : "");
	puts("\nOptions are also variables, such as EVAUDIT_HTTP_MAX_BODY, and lines of the file\n"
		 "that --config names.  SIGHUP reads all of them again.");
	exit(0);
}
