/*-------------------------------------------------------------------------
 *
 * metrics.c
 *	  What is counted, in Prometheus' text format 0.0.4.
 *
 * Every series is there from the first moment, with 0.
 *
 *-------------------------------------------------------------------------
 */
#include <stdbool.h>

#include "client.h"
#include "lane.h"
#include "metrics.h"

/* Upper bounds of the buckets of response times, milliseconds. */
static const int buckets[] = {1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 5000};

#define NBUCKETS ((int) (sizeof(buckets) / sizeof(buckets[0])))

static uint64_t classes[6];		/* of statuses: by their first digit */
static uint64_t in_bucket[NBUCKETS + 1];
static double seconds = 0;
static uint64_t batches[2];		/* writes, reads */
static uint64_t batched[2];

/* Count a request that is over. */
void
metrics_request(int status, int64_t ms)
{
	int			i = 0;

	classes[status >= 100 && status < 600 ? status / 100 : 0]++;
	while (i < NBUCKETS && ms > buckets[i])
		i++;
	in_bucket[i]++;
	seconds += ms / 1000.0;
}

/* Count a transaction. */
void
metrics_batch(bool read_only, int requests)
{
	batches[read_only]++;
	batched[read_only] += requests;
}

/* Begin a family of series. */
static void
family(Buffer *text, const char *name, const char *type, const char *help)
{
	buffer_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Response times as a histogram. */
static void
write_histogram(Buffer *text)
{
	uint64_t	n = 0;

	family(text, "evaudit_http_request_seconds", "histogram",
		   "Time from a request's first line to its response.");
	for (int i = 0; i < NBUCKETS; i++)
	{
		n += in_bucket[i];
		buffer_printf(text, "evaudit_http_request_seconds_bucket{le=\"%g\"} %llu\n",
					  buckets[i] / 1000.0, (unsigned long long) n);
	}
	n += in_bucket[NBUCKETS];
	buffer_printf(text, "evaudit_http_request_seconds_bucket{le=\"+Inf\"} %llu\n"
				  "evaudit_http_request_seconds_sum %g\n"
				  "evaudit_http_request_seconds_count %llu\n",
				  (unsigned long long) n, seconds, (unsigned long long) n);
}

/* Write all series. */
void
metrics_write(Buffer *text)
{
	family(text, "evaudit_http_requests_total", "counter",
		   "Requests by the class of their status.");
	for (int i = 1; i < 6; i++)
		buffer_printf(text, "evaudit_http_requests_total{status=\"%dxx\"} %llu\n",
					  i, (unsigned long long) classes[i]);
	write_histogram(text);
	family(text, "evaudit_http_connections", "gauge", "Connections of clients.");
	buffer_printf(text, "evaudit_http_connections %d\n", clients_count());
	family(text, "evaudit_http_queue_length", "gauge",
		   "Requests that wait for the database.");
	for (int i = 0; i < 2; i++)
		buffer_printf(text, "evaudit_http_queue_length{lane=\"%s\"} %d\n",
					  lanes[i].name, lanes[i].nqueued);
	family(text, "evaudit_http_transactions_total", "counter",
		   "Transactions that were begun.");
	for (int i = 0; i < 2; i++)
		buffer_printf(text, "evaudit_http_transactions_total{lane=\"%s\"} %llu\n",
					  lanes[i].name, (unsigned long long) batches[i]);
	family(text, "evaudit_http_transaction_requests_total", "counter",
		   "Requests in these transactions.");
	for (int i = 0; i < 2; i++)
		buffer_printf(text, "evaudit_http_transaction_requests_total{lane=\"%s\"} %llu\n",
					  lanes[i].name, (unsigned long long) batched[i]);
	family(text, "evaudit_http_database_up", "gauge",
		   "Whether the database can be used.");
	for (int i = 0; i < 2; i++)
		buffer_printf(text, "evaudit_http_database_up{lane=\"%s\"} %d\n",
					  lanes[i].name, lanes[i].down_since == 0);
}
