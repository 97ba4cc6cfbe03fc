#!/bin/bash
# bench/http.sh: evaudit.http() from a request to its answer of 202, in the
# server, each request in a transaction of its own.
#
# Connects as the PG* variables of the environment say, and works in a
# database of its own.  Prints the medians of RUNS runs, alternating, in
# microseconds by the clock and of the processor; on a busy machine only the
# latter mean anything:
#   post      POST /topics/..., token seen before, grant with a constraint,
#             schema of a status change, event kept
#   refused   the same with a value that the constraint forbids
#   publish   evaudit.publish() of the same events
#   insert    INSERT of the same rows into a table like evaudit.events
. "$(dirname "$0")/lib.sh"

RUNS=${RUNS:-5}
REQUESTS=${REQUESTS:-10000}

sql >"$TMP/out" <<'SQL'
CREATE EXTENSION evaudit;
-- one subject publishes all
SELECT format('ALTER DATABASE %I SET evaudit.rate_limit = 0', current_database()) \gexec
SELECT evaudit.create_issuer('gate', '{"issuer": "gate", "require_exp": false,
	"jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}]}}');
SELECT evaudit.create_topic('bench', (SELECT jsonb_build_object('type', 'object',
	'required', '["event_type", "event_id", "job_id", "status_type"]'::jsonb,
	'properties', '{"event_id": {"type": "string", "format": "uuid"}, "job_id": {"type": "string", "format": "uuid"},
		"event_type": {"type": "string"}, "status_type": {"enum": ["WAITING", "RUNNING", "SUCCEEDED", "FAILED", "KILLED"]},
		"source_app": {"type": "string"}, "timestamp_event": {"type": "integer", "minimum": 0}}'::jsonb,
	'allOf', jsonb_agg(jsonb_build_object(
		'if', jsonb_build_object('properties', jsonb_build_object('event_type', jsonb_build_object('const', t))),
		'then', jsonb_build_object('properties', jsonb_build_object('status_type', jsonb_build_object('enum', s::jsonb))))))
	FROM (VALUES ('JobCreatedEvent', '["WAITING"]'), ('JobCreatedAndStartedEvent', '["RUNNING"]'), ('JobStartedEvent', '["RUNNING"]'),
		('JobUpdatedEvent', '["WAITING", "RUNNING"]'), ('JobFinishedEvent', '["SUCCEEDED", "FAILED", "KILLED"]')) v(t, s)),
	'{"event_id": "/event_id", "keep": true}');
SELECT evaudit.grant_publish('bench', 'Alice', '{"source_app": ["web", "web-[0-9]+"]}');
CREATE TABLE plain (LIKE evaudit.events INCLUDING ALL);
CREATE FUNCTION event(n int, app text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('event_id', '00000000-0000-4000-8000-' || lpad(n::text, 12, '0'),
		'job_id', '11111111-1111-4111-8111-111111111111', 'event_type', 'JobUpdatedEvent',
		'status_type', 'RUNNING', 'source_app', app, 'timestamp_event', 1700000000000)
$$;
-- microseconds of the processor that this session has had
CREATE FUNCTION processor() RETURNS numeric LANGUAGE sql VOLATILE AS $$
	SELECT (stat[12]::numeric + stat[13]::numeric) * 10000
	FROM string_to_array(regexp_replace(pg_read_file('/proc/self/stat'), '.*\) ', ''), ' ') stat
$$;
SQL

# Make a procedure that runs an expression of the event e, each time in a
# transaction of its own; the time of its loop and of its events is taken off.
# $1 its name, $2 the expression, $3 the application of the events.
procedure() {
	sql <<-SQL
		CREATE PROCEDURE measure_$1(n int, INOUT clock numeric, INOUT processor numeric)
		LANGUAGE plpgsql AS \$\$
		DECLARE
			e jsonb;
		BEGIN
			clock := EXTRACT(epoch FROM clock_timestamp()) * 1000000;
			processor := processor();
			FOR i IN 1 .. n LOOP
				e := event(i, '$3');
			END LOOP;
			clock := 2 * EXTRACT(epoch FROM clock_timestamp()) * 1000000 - clock;
			processor := 2 * processor() - processor;
			FOR i IN 1 .. n LOOP
				e := event(i, '$3');
				$2;
				COMMIT;
			END LOOP;
			clock := (EXTRACT(epoch FROM clock_timestamp()) * 1000000 - clock) / n;
			processor := (processor() - processor) / n;
		END \$\$;
	SQL
}

# Run a procedure; $2 is how many rows there are to be then.
measure() {
	local rows
	sql -c 'TRUNCATE evaudit.events, plain' -c "CALL measure_$1($REQUESTS, 0, 0)" |
		tr '|' ' ' >>"$TMP/$1"
	rows=$(sql -c 'SELECT (SELECT count(*) FROM evaudit.events) + (SELECT count(*) FROM plain)')
	[ "$rows" = "$2" ] || { echo "$1 left $rows rows" >&2; exit 1; }
}

token=eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJnYXRlIiwic3ViIjoiQWxpY2UifQ.fDHFmW448mXf1UagPB9YbPRQi_uk2LB3Z8IEz4hwPv_YFt38o-H154YiykOBhxrFVuEec9WdJjZ2PVgcB979Aw
headers="{\"Host\": \"gate\", \"Content-Type\": \"application/json\", \"Authorization\": \"Bearer $token\"}"
post="evaudit.http('POST', '/topics/bench', '$headers', convert_to(e::text, 'UTF8'))"
procedure post "PERFORM $post" web
procedure refused "PERFORM $post" db
procedure publish "PERFORM evaudit.publish('bench', e)" web
procedure insert "INSERT INTO plain (topic, event_id, payload, subject, schema_version)
	VALUES ('bench', e->>'event_id', e, 'Alice', 1)" web

check=$(sql -c "SELECT string_agg(status::text, ' ') FROM (VALUES ('web'), ('db')) v(app), event(1, app) e, $post")
[ "$check" = "202 403" ] || { echo "answers are $check" >&2; exit 1; }
for run in $(seq "$RUNS"); do
	measure post "$REQUESTS"
	measure refused 0
	measure publish "$REQUESTS"
	measure insert "$REQUESTS"
done

printf '%-10s %8s %10s %s\n' "" clock processor goal
record setting runs "$RUNS"
record goal 'evaudit.http(), POST to 202, us' '<=' 150 "$(cut -d' ' -f1 "$TMP/post" | median)"
for what in post refused publish insert; do
	record figure "$what" '' 'clock us' "$(cut -d' ' -f1 "$TMP/$what" | median)"
	record figure "$what" '' 'CPU us' "$(cut -d' ' -f2 "$TMP/$what" | median)"
	printf '%-10s %8.1f %10.1f %s\n' $what "$(cut -d' ' -f1 "$TMP/$what" | median)" \
		"$(cut -d' ' -f2 "$TMP/$what" | median)" "$([ $what != post ] || echo '<= 150')"
done
