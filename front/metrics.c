/*-------------------------------------------------------------------------
 *
 * metrics.c
 *	  What is counted, in Prometheus' text format 0.0.4.
 *
 * Each process counts in a place of its own, in memory that all of them share:
 * whichever answers on the admin listener adds them up.  A process that takes
 * the place of another counts on.  Every series is there from the first
 * moment, with 0.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "config.h"
#include "log.h"
#include "metrics.h"

/* Upper bounds of the buckets of response times, milliseconds. */
static const int buckets[] = {1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 5000};

#define NBUCKETS ((int) (sizeof(buckets) / sizeof(buckets[0])))

static const char *const lane_names[2] = {"writing", "reading"};

typedef struct Counters
{
	uint64_t	classes[6];		/* of statuses: by their first digit */
	uint64_t	in_bucket[NBUCKETS + 1];
	uint64_t	microseconds;
	uint64_t	batches[2];		/* writes, reads */
	uint64_t	batched[2];
	uint64_t	refused;		/* connections */

	/* not counted, but as it is now */
	uint64_t	queued[2];
	uint64_t	down[2];
	uint64_t	clients;
	uint64_t	memory;
	uint64_t	waits;
} Counters;

static Counters *all;
static Counters *own;

/* Make the memory, before there are other processes. */
void
metrics_init(void)
{
	all = mmap(NULL, config.processes * sizeof(Counters),
			   PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED)
		die("could not share memory: %s", strerror(errno));
	for (int i = 0; i < config.processes; i++)
		all[i].down[0] = all[i].down[1] = 1;
	own = all;
}

/* Count as one of the processes, which has nothing at the moment. */
void
metrics_begin(int process)
{
	own = &all[process];
	own->queued[0] = own->queued[1] = 0;
	own->down[0] = own->down[1] = 1;
	own->clients = own->memory = own->waits = 0;
}

/* Count a request that is over. */
void
metrics_request(int status, int64_t us)
{
	int			i = 0;

	own->classes[status >= 100 && status < 600 ? status / 100 : 0]++;
	while (i < NBUCKETS && us > (int64_t) buckets[i] * 1000)
		i++;
	own->in_bucket[i]++;
	own->microseconds += us;
}

/* Count a transaction. */
void
metrics_batch(bool read_only, int requests)
{
	own->batches[read_only]++;
	own->batched[read_only] += requests;
}

/* Count a connection that was refused. */
void
metrics_refused(void)
{
	own->refused++;
}

/* How a lane is now. */
void
metrics_lane(bool read_only, int queued, bool up)
{
	own->queued[read_only] = queued;
	own->down[read_only] = !up;
}

/* How many clients there are. */
void
metrics_clients(int count)
{
	own->clients = count;
}

/* How much memory requests have. */
void
metrics_memory(uint64_t bytes)
{
	own->memory = bytes;
}

/* How many requests wait for sinks. */
void
metrics_waits(int count)
{
	own->waits = count;
}

/* Whether the database can be used, by every process and for everything. */
bool
metrics_ready(void)
{
	for (int i = 0; i < config.processes; i++)
	{
		if (all[i].down[0] || all[i].down[1])
			return false;
	}
	return true;
}

/* A counter of all processes; the offset is its place in each. */
static unsigned long long
sum(size_t offset)
{
	unsigned long long n = 0;

	for (int i = 0; i < config.processes; i++)
		n += *(uint64_t *) ((char *) &all[i] + offset);
	return n;
}

#define SUM(field) sum(offsetof(Counters, field))

/* Begin a family of series. */
static void
family(Buffer *text, const char *name, const char *type, const char *help)
{
	buffer_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A family of one series. */
static void
single(Buffer *text, const char *name, const char *type, const char *help,
	   unsigned long long value)
{
	family(text, name, type, help);
	buffer_printf(text, "%s %llu\n", name, value);
}

/* A family of a series for each lane. */
static void
by_lane(Buffer *text, const char *name, const char *type, const char *help,
		size_t offset)
{
	family(text, name, type, help);
	for (int i = 0; i < 2; i++)
		buffer_printf(text, "%s{lane=\"%s\"} %llu\n", name, lane_names[i],
					  sum(offset + i * sizeof(uint64_t)));
}

/* Response times as a histogram. */
static void
write_histogram(Buffer *text)
{
	unsigned long long n = 0;

	family(text, "evaudit_http_request_seconds", "histogram",
		   "Time from a request's first line to its response.");
	for (int i = 0; i < NBUCKETS; i++)
	{
		n += sum(offsetof(Counters, in_bucket) + i * sizeof(uint64_t));
		buffer_printf(text, "evaudit_http_request_seconds_bucket{le=\"%g\"} %llu\n",
					  buckets[i] / 1000.0, n);
	}
	n += sum(offsetof(Counters, in_bucket) + NBUCKETS * sizeof(uint64_t));
	buffer_printf(text, "evaudit_http_request_seconds_bucket{le=\"+Inf\"} %llu\n"
				  "evaudit_http_request_seconds_sum %.6f\n"
				  "evaudit_http_request_seconds_count %llu\n",
				  n, SUM(microseconds) / 1e6, n);
}

/* Write all series. */
void
metrics_write(Buffer *text)
{
	family(text, "evaudit_http_requests_total", "counter",
		   "Requests by the class of their status.");
	for (int i = 1; i < 6; i++)
		buffer_printf(text, "evaudit_http_requests_total{status=\"%dxx\"} %llu\n",
					  i, sum(offsetof(Counters, classes) + i * sizeof(uint64_t)));
	write_histogram(text);
	single(text, "evaudit_http_connections", "gauge",
		   "Connections of clients.", SUM(clients));
	single(text, "evaudit_http_connections_refused_total", "counter",
		   "Connections beyond a limit.", SUM(refused));
	single(text, "evaudit_http_memory_bytes", "gauge",
		   "Memory of bodies and responses.", SUM(memory));
	single(text, "evaudit_http_waits", "gauge",
		   "Requests that wait for sinks.", SUM(waits));
	by_lane(text, "evaudit_http_queue_length", "gauge",
			"Requests that wait for the database.", offsetof(Counters, queued));
	by_lane(text, "evaudit_http_transactions_total", "counter",
			"Transactions that were begun.", offsetof(Counters, batches));
	by_lane(text, "evaudit_http_transaction_requests_total", "counter",
			"Requests in these transactions.", offsetof(Counters, batched));
	family(text, "evaudit_http_database_up", "gauge",
		   "Whether the database can be used, by every process.");
	for (int i = 0; i < 2; i++)
		buffer_printf(text, "evaudit_http_database_up{lane=\"%s\"} %d\n",
					  lane_names[i],
					  sum(offsetof(Counters, down) + i * sizeof(uint64_t)) == 0);
}
