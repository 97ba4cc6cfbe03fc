/*-------------------------------------------------------------------------
 *
 * sqs_client.c
 *	  Fills a queue with logins, and drains one as fast as a client can that
 *	  does nothing with what it receives: the limit of what SQS allows.
 *
 *		sqs_client fill ENDPOINT QUEUE_URL EVENTS USERS
 *		sqs_client drain ENDPOINT QUEUE_URL RECEIVES
 *
 * To drain, so many receives are under way all the time, and deletes on
 * connections of their own; each signed by libcurl.  It ends when killed.
 *
 *-------------------------------------------------------------------------
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

/* Requests at a time when filling. */
#define FILLERS		8

/* Messages of a call. */
#define BATCH		10

typedef enum Operation
{
	SEND,
	RECEIVE,
	DELETE
} Operation;

static const char *const operation_names[] = {
	"SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch"
};

/* A call under way, or the place for one; with a connection that stays. */
typedef struct Call
{
	CURL	   *curl;
	struct curl_slist *headers[3];
	Operation	operation;
	char	   *request;
	char	   *answer;
	size_t		len;
	size_t		size;
	struct Call *next;			/* if idle */
} Call;

/* A request that waits for a call to be idle. */
typedef struct Job
{
	char	   *request;
	struct Job *next;
} Job;

static CURLM *multi;
static const char *queue_url;
static long events;				/* to send */
static long users;
static long sent;
static long under_way;
static Call *idle;				/* for deletes */
static Job *jobs;

/* Report and give up. */
static void
die(const char *what, const char *why)
{
	fprintf(stderr, "sqs_client: %s: %s\n", what, why);
	exit(1);
}

static void *
allocate(void *old, size_t size)
{
	void	   *p = realloc(old, size);

	if (p == NULL)
		die("realloc", "no memory");
	return p;
}

/* libcurl's callback: keep what came. */
static size_t
take_bytes(char *bytes, size_t size, size_t n, void *arg)
{
	Call	   *call = arg;

	n *= size;
	if (call->len + n + 1 > call->size)
	{
		call->size = 2 * (call->len + n + 1);
		call->answer = allocate(call->answer, call->size);
	}
	memcpy(call->answer + call->len, bytes, n);
	call->len += n;
	call->answer[call->len] = '\0';
	return n;
}

static Call *
new_call(const char *endpoint)
{
	Call	   *call = allocate(NULL, sizeof(Call));

	memset(call, 0, sizeof(*call));
	call->curl = curl_easy_init();
	for (int i = 0; i < 3; i++)
	{
		char		target[64];

		snprintf(target, sizeof(target), "X-Amz-Target: AmazonSQS.%s",
				 operation_names[i]);
		call->headers[i] = curl_slist_append(NULL, target);
		curl_slist_append(call->headers[i],
						  "Content-Type: application/x-amz-json-1.0");
	}
	curl_easy_setopt(call->curl, CURLOPT_URL, endpoint);
	curl_easy_setopt(call->curl, CURLOPT_AWS_SIGV4, "aws:amz:us-east-1:sqs");
	curl_easy_setopt(call->curl, CURLOPT_USERNAME, "x");
	curl_easy_setopt(call->curl, CURLOPT_PASSWORD, "y");
	curl_easy_setopt(call->curl, CURLOPT_WRITEFUNCTION, take_bytes);
	curl_easy_setopt(call->curl, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(call->curl, CURLOPT_PRIVATE, call);
	curl_easy_setopt(call->curl, CURLOPT_NOSIGNAL, 1L);
	return call;
}

/* Begin a call; the request is freed with it. */
static void
start(Call *call, Operation operation, char *request)
{
	free(call->request);
	call->operation = operation;
	call->request = request;
	call->len = 0;
	curl_easy_setopt(call->curl, CURLOPT_HTTPHEADER, call->headers[operation]);
	curl_easy_setopt(call->curl, CURLOPT_POSTFIELDSIZE, (long) strlen(request));
	curl_easy_setopt(call->curl, CURLOPT_POSTFIELDS, request);
	curl_multi_add_handle(multi, call->curl);
	under_way++;
}

/* Print the time of event n, as RFC 3339: 1,000 a second, one in ten late. */
static void
print_time(long n, char *buf, size_t size)
{
	time_t		seconds = 1767225600 + n / 1000 - (n % 10 == 3 ? 5000 : 0);
	struct tm	tm;
	size_t		len;

	gmtime_r(&seconds, &tm);
	len = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + len, size - len, ".%03ldZ", n % 1000);
}

/* The request that sends the next events; bench/sqs.py knows them, too. */
static char *
send_request(void)
{
	char	   *request = allocate(NULL, 8192);
	int			len = sprintf(request, "{\"QueueUrl\":\"%s\",\"Entries\":[",
							  queue_url);

	for (int i = 0; i < BATCH && sent < events; i++, sent++)
	{
		long		service = sent / 7 % 20;
		char		timestamp[40];

		print_time(sent, timestamp, sizeof(timestamp));
		len += sprintf(request + len,
					   "%s{\"Id\":\"%d\",\"MessageBody\":\"{"
					   "\\\"user_id\\\":\\\"user-%08ld\\\","
					   "\\\"service_id\\\":\\\"svc-%02ld\\\","
					   "\\\"service_name\\\":\\\"Service number %02ld\\\","
					   "\\\"timestamp\\\":\\\"%s\\\"}\"}",
					   i == 0 ? "" : ",", i, sent * 7919 % users, service,
					   service, timestamp);
	}
	strcpy(request + len, "]}");
	return request;
}

static char *
receive_request(void)
{
	char	   *request = allocate(NULL, 1024);

	snprintf(request, 1024, "{\"QueueUrl\":\"%s\",\"MaxNumberOfMessages\":%d,"
			 "\"WaitTimeSeconds\":1}", queue_url, BATCH);
	return request;
}

/* The request that deletes what was received, or NULL if that is nothing. */
static char *
delete_request(const char *answer)
{
	static const char name[] = "\"ReceiptHandle\":";
	char	   *request = allocate(NULL, strlen(answer) + 1024);
	int			len = sprintf(request, "{\"QueueUrl\":\"%s\",\"Entries\":[",
							  queue_url);
	int			n = 0;

	while ((answer = strstr(answer, name)) != NULL)
	{
		const char *handle = strchr(answer + sizeof(name) - 1, '"') + 1;
		int			handle_len = strcspn(handle, "\"");

		len += sprintf(request + len, "%s{\"Id\":\"%d\",\"ReceiptHandle\":\"%.*s\"}",
					   n == 0 ? "" : ",", n, handle_len, handle);
		n++;
		answer = handle + handle_len;
	}
	strcpy(request + len, "]}");
	if (n == 0)
	{
		free(request);
		return NULL;
	}
	return request;
}

/* Delete by an idle call, or by the next one to be. */
static void
start_delete(char *request)
{
	Call	   *call = idle;
	Job		   *job;

	if (call != NULL)
	{
		idle = call->next;
		start(call, DELETE, request);
		return;
	}
	job = allocate(NULL, sizeof(Job));
	job->request = request;
	job->next = jobs;
	jobs = job;
}

/* A delete has come back: the next one, or nothing. */
static void
deleted(Call *call)
{
	Job		   *job = jobs;

	if (strstr(call->answer, "\"Failed\":[{") != NULL)
		die("DeleteMessageBatch", call->answer);
	if (job == NULL)
	{
		call->next = idle;
		idle = call;
		return;
	}
	jobs = job->next;
	start(call, DELETE, job->request);
	free(job);
}

/* Go on from a call that is done. */
static void
finish(Call *call, CURLcode code)
{
	long		status = 0;
	char	   *request;

	curl_multi_remove_handle(multi, call->curl);
	under_way--;
	curl_easy_getinfo(call->curl, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK)
		die(operation_names[call->operation], curl_easy_strerror(code));
	if (status != 200)
		die(operation_names[call->operation], call->answer);
	switch (call->operation)
	{
		case SEND:
			if (sent < events)
				start(call, SEND, send_request());
			break;
		case RECEIVE:
			request = delete_request(call->answer);
			if (request != NULL)
				start_delete(request);
			start(call, RECEIVE, receive_request());
			break;
		case DELETE:
			deleted(call);
			break;
	}
}

static void
run(void)
{
	int			n;
	CURLMsg    *message;

	while (under_way > 0)
	{
		curl_multi_perform(multi, &n);
		while ((message = curl_multi_info_read(multi, &n)) != NULL)
		{
			char	   *call;

			curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
			finish((Call *) call, message->data.result);
		}
		curl_multi_poll(multi, NULL, 0, 1000, NULL);
	}
}

int
main(int argc, char **argv)
{
	bool		fill = argc == 6 && strcmp(argv[1], "fill") == 0;
	int			receives = FILLERS;

	if (!fill && (argc != 5 || strcmp(argv[1], "drain") != 0))
		die("usage", "fill ENDPOINT QUEUE_URL EVENTS USERS |"
			" drain ENDPOINT QUEUE_URL RECEIVES");
	curl_global_init(CURL_GLOBAL_ALL);
	multi = curl_multi_init();
	queue_url = argv[3];
	if (fill)
	{
		events = atol(argv[4]);
		users = atol(argv[5]);
	}
	else
		receives = atoi(argv[4]);
	for (int i = 0; i < receives; i++)
	{
		if (!fill)
		{
			Call	   *call = new_call(argv[2]);

			call->next = idle;
			idle = call;
			start(new_call(argv[2]), RECEIVE, receive_request());
		}
		else if (sent < events)
			start(new_call(argv[2]), SEND, send_request());
	}
	run();
	return 0;
}
