#!/bin/bash
# bench/http.sh: evaudit.http() from a request to its answer of 202, in the
# server, each request in a transaction of its own.
#
# Connects as the PG* variables of the environment say, and works in a
# database of its own.  Prints the medians of RUNS runs, alternating, in
# microseconds:
#   post      POST /topics/..., token seen before, grant with a constraint,
#             schema of a status change, event kept
#   refused   the same with a value that the constraint forbids
#   publish   evaudit.publish() of the same events
#   insert    INSERT of the same rows into a table like evaudit.events
set -euo pipefail

RUNS=${RUNS:-5}
REQUESTS=${REQUESTS:-10000}
DB=evaudit_bench_http_$$
TMP=$(mktemp -d)

cleanup() {
	rm -rf "$TMP"
	psql -qX -d postgres -c "DROP DATABASE IF EXISTS $DB WITH (FORCE)"
}
trap cleanup EXIT

sql() { psql -qAtX -v ON_ERROR_STOP=1 -d "$DB" "$@"; }
median() { sort -g | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

psql -qX -d postgres -c "CREATE DATABASE $DB"
sql >"$TMP/out" <<'SQL'
CREATE EXTENSION evaudit;
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
CREATE FUNCTION post(body jsonb) RETURNS int LANGUAGE sql AS $$
	SELECT status FROM evaudit.http('POST', '/topics/bench',
		'{"Host": "gate", "Content-Type": "application/json", "Authorization": "Bearer eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJnYXRlIiwic3ViIjoiQWxpY2UifQ.fDHFmW448mXf1UagPB9YbPRQi_uk2LB3Z8IEz4hwPv_YFt38o-H154YiykOBhxrFVuEec9WdJjZ2PVgcB979Aw"}',
		convert_to(body::text, 'UTF8'))
$$;
-- microseconds of a statement, the time of its loop and of its event taken off
CREATE PROCEDURE measure(statement text, app text, n int, INOUT result numeric) LANGUAGE plpgsql AS $$
DECLARE
	started timestamptz := clock_timestamp();
	empty interval;
	e jsonb;
BEGIN
	FOR i IN 1 .. n LOOP
		e := event(i, app);
	END LOOP;
	empty := clock_timestamp() - started;
	started := clock_timestamp();
	FOR i IN 1 .. n LOOP
		e := event(i, app);
		EXECUTE statement USING e;
		COMMIT;
	END LOOP;
	result := EXTRACT(epoch FROM clock_timestamp() - started - empty) * 1000000 / n;
END $$;
SQL

# One pass: $1 the name, $2 the statement, $3 the application.
measure() {
	sql -c 'TRUNCATE evaudit.events, plain' -c "CALL measure('$2', '$3', $REQUESTS, 0)" >>"$TMP/$1"
}

check=$(sql -c "SELECT post(event(1, 'web')), post(event(2, 'db'))")
[ "$check" = "202|403" ] || { echo "answers are $check" >&2; exit 1; }
for run in $(seq "$RUNS"); do
	measure post "SELECT post(\$1)" web
	measure refused "SELECT post(\$1)" db
	measure publish "SELECT evaudit.publish(''bench'', \$1)" web
	measure insert "INSERT INTO plain (topic, event_id, payload, subject, schema_version) VALUES (''bench'', \$1->>''event_id'', \$1, ''Alice'', 1)" web
done

printf '%-10s %8s %s\n' "" us goal
for what in post refused publish insert; do
	printf '%-10s %8.1f %s\n' $what "$(median <"$TMP/$what")" "$([ $what != post ] || echo '<= 150')"
done
