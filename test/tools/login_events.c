/*-------------------------------------------------------------------------
 *
 * login_events.c
 *	  Deterministic login events for tests, benchmarks and the demo.
 *
 * Event n of a stream is a pure function of the stream's parameters and n,
 * so whoever checks a result makes the same events again instead of reading
 * back what was sent.
 *
 *-------------------------------------------------------------------------
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "login_events.h"

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

/* 2025-01-01T00:00:00Z in milliseconds; events are 10 ms apart. */
#define FIRST_MS	INT64_C(1735689600000)
#define STEP_MS		10
#define MAX_LATE_MS 5000000

/* How far back a repeated event finds its original. */
#define MAX_REPEAT_DISTANCE 1000

static const char *const service_names[] = {
	"Billing Portal", "Document Archive", "Single Sign-On",
	"Support Desk", "Team Calendar"
};

/*
 * Payloads that cannot be used, with the reason that is expected of each.
 * The arguments of the format are user_id, service_id, service_name and
 * timestamp; those that it leaves out are always the last ones.
 */
static const struct
{
	const char *reason;
	const char *format;
}			bad_payloads[] = {
	{"malformed_json", "{\"user_id\":\"%s\",\"service_id\":\"%s\""},
	{"not_an_object", "[\"%s\",\"%s\"]"},
	{"missing_field", "{\"user_id\":\"%s\",\"service_id\":\"%s\","
	"\"service_name\":\"%s\"}"},
	{"wrong_type", "{\"user_id\":\"%s\",\"service_id\":17,"
	"\"other\":\"%s\",\"service_name\":\"%s\",\"timestamp\":\"%s\"}"},
	{"empty_field", "{\"user_id\":\"\",\"other\":\"%s\","
	"\"service_id\":\"%s\",\"service_name\":\"%s\",\"timestamp\":\"%s\"}"},
	{"bad_timestamp", "{\"user_id\":\"%s\",\"service_id\":\"%s\","
	"\"service_name\":\"%s\",\"timestamp\":\"yesterday, %s\"}"},
	{"empty_payload", ""}
};

/* The finalizer of splitmix64: scatter the bits of a counter. */
static uint64_t
scatter(uint64_t z)
{
	z += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Random bits of event n; each purpose draws its own. */
static uint64_t
draw(const LoginStream *stream, long n, int purpose)
{
	return scatter(scatter((uint64_t) n ^ ((uint64_t) stream->seed << 32)) +
				   (uint64_t) purpose);
}

/* Print a time in milliseconds as RFC 3339. */
static void
format_time(int64_t ms, char *buf, size_t size)
{
	time_t		seconds = (time_t) (ms / 1000);
	struct tm	tm;
	size_t		len;

	gmtime_r(&seconds, &tm);
	len = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + len, size - len, ".%03dZ", (int) (ms % 1000));
}

/* Make the payload of a good event n. */
static void
make_payload(const LoginStream *stream, long n, LoginEvent *event)
{
	char		id[48] = "";

	if (stream->ids)
		snprintf(id, sizeof(id), "\"id\":\"login-%ld-%ld\",", stream->seed, n);
	event->payload_len =
		snprintf(event->payload, sizeof(event->payload),
				 "{%s\"user_id\":\"%s\",\"service_id\":\"%s\","
				 "\"service_name\":\"%s\",\"timestamp\":\"%s\"}",
				 id, event->user_id, event->service_id,
				 event->service_name, event->timestamp);
}

/* Replace the payload by one that cannot be used. */
static void
spoil_payload(uint64_t bits, LoginEvent *event)
{
	size_t		kind = bits % lengthof(bad_payloads);

	event->reason = bad_payloads[kind].reason;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
	event->payload_len =
		snprintf(event->payload, sizeof(event->payload),
				 bad_payloads[kind].format, event->user_id,
				 event->service_id, event->service_name, event->timestamp);
#pragma GCC diagnostic pop
}

/* Make event n of the stream. */
void
login_event_make(const LoginStream *stream, long n, LoginEvent *event)
{
	uint64_t	bits;
	size_t		service;
	int64_t		ms;

	/* a repeated event is its original, which may be one itself */
	while (n > 0 && draw(stream, n, 1) % 1000 < (uint64_t) stream->repeated)
	{
		long		reach = n < MAX_REPEAT_DISTANCE ? n : MAX_REPEAT_DISTANCE;

		n -= 1 + (long) (draw(stream, n, 2) % (uint64_t) reach);
	}

	service = draw(stream, n, 3) % lengthof(service_names);
	ms = FIRST_MS + (int64_t) n * STEP_MS;
	bits = draw(stream, n, 4);
	if (bits % 1000 < (uint64_t) stream->late)
		ms -= 1 + (int64_t) ((bits >> 16) % MAX_LATE_MS);

	snprintf(event->user_id, sizeof(event->user_id), "user-%08ld",
			 (long) (draw(stream, n, 5) % (uint64_t) stream->users));
	snprintf(event->service_id, sizeof(event->service_id), "svc-%02zu",
			 service);
	event->service_name = service_names[service];
	format_time(ms, event->timestamp, sizeof(event->timestamp));
	event->reason = "ok";
	make_payload(stream, n, event);

	bits = draw(stream, n, 6);
	if (bits % 1000 < (uint64_t) stream->bad)
		spoil_payload(bits >> 16, event);
}
