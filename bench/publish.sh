#!/bin/bash
# bench/publish.sh: evaudit.publish() of a kept event beside the plain INSERT
# of the same row, checked by a schema and not.
#
# Connects as the PG* variables of the environment say, and works in a
# database of its own.  Prints the medians of RUNS runs, alternating:
#   client   us a call at the client, pgbench -M prepared, one connection
#   server   us an event inside one statement over many events
. "$(dirname "$0")/lib.sh"

RUNS=${RUNS:-7}
SECONDS_PER_RUN=${SECONDS_PER_RUN:-3}
EVENTS=${EVENTS:-50000}

sql <<'SQL'
CREATE EXTENSION evaudit;
SELECT evaudit.create_topic('plain', options => '{"event_id": "/event_id", "keep": true}');
-- five kinds of events, as gateways describe them
SELECT evaudit.create_topic('checked', '{"type": "object",
	"required": ["event_id", "event_type", "timestamp", "job"],
	"properties": {
		"event_id": {"type": "string", "format": "uuid"},
		"event_type": {"enum": ["started", "running", "done", "failed", "gone"]},
		"timestamp": {"type": "string", "format": "date-time"},
		"job": {"type": "string", "maxLength": 100},
		"rows": {"type": ["integer", "null"], "minimum": 0},
		"error": {"type": ["string", "null"]}},
	"allOf": [
		{"if": {"properties": {"event_type": {"const": "started"}}}, "then": {"required": ["source"]}},
		{"if": {"properties": {"event_type": {"const": "running"}}}, "then": {"required": ["rows"]}},
		{"if": {"properties": {"event_type": {"const": "done"}}}, "then": {"required": ["rows"]}},
		{"if": {"properties": {"event_type": {"const": "failed"}}}, "then": {"required": ["error"]}},
		{"if": {"properties": {"event_type": {"const": "gone"}}}, "then": {"properties": {"rows": {"type": "null"}}}}]}',
	'{"event_id": "/event_id", "keep": true}');
CREATE FUNCTION event(n bigint) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('event_id', uuid_in(md5(n::text)::cstring), 'event_type', 'running',
		'timestamp', '2025-01-01T00:00:00Z', 'job', 'job number ' || n % 1000, 'rows', n % 100000,
		'source', 'warehouse', 'tenant', 'tenant-' || n % 10, 'attempt', 1)
$$;
-- the events lie ready, so that none is made while the clock runs
CREATE TABLE ready AS SELECT n, event(n) AS payload, event(n)->>'event_id' AS id
	FROM generate_series(1, 300000) n;
CREATE UNIQUE INDEX ON ready (n);
CREATE SEQUENCE next CACHE 1000;
VACUUM (FREEZE, ANALYZE) ready;
SQL

insert="INSERT INTO evaudit.events (topic, event_id, payload, subject) SELECT 'plain', id, payload, current_user FROM ready"
call() { echo "SELECT evaudit.publish('$1', payload) FROM ready"; }

# At the client: one event a call.
one="WHERE n = (SELECT 1 + nextval('next') % 300000)"
echo "$insert $one;" >"$TMP/insert.sql"
echo "$(call plain) $one;" >"$TMP/plain.sql"
echo "$(call checked) $one;" >"$TMP/checked.sql"
client() {
	sql -c "TRUNCATE evaudit.events" -c "SELECT setval('next', 1)" -c CHECKPOINT >/dev/null
	nice pgbench -n -M prepared -c 1 -T "$SECONDS_PER_RUN" -f "$TMP/$1.sql" "$DB" |
		awk '/^latency average/ {print $4 * 1000}'
}

# In the server: the same, one statement; the plain INSERT is one for each
# event, too, in a loop, as publish() has to be.
server() {
	local body
	case $1 in
	insert) body="INSERT INTO evaudit.events (topic, event_id, payload, subject)
		VALUES ('plain', r.id, r.payload, current_user)" ;;
	*) body="PERFORM evaudit.publish('$1', r.payload)" ;;
	esac
	sql -c "TRUNCATE evaudit.events" -c CHECKPOINT
	nice psql -qAtX -d "$DB" <<SQL | tail -1
CREATE FUNCTION pg_temp.run() RETURNS float LANGUAGE plpgsql AS \$\$
DECLARE
	r record;
	began timestamptz := clock_timestamp();
BEGIN
	FOR r IN SELECT id, payload FROM ready WHERE n <= $EVENTS LOOP
		$body;
	END LOOP;
	RETURN extract(epoch FROM clock_timestamp() - began) * 1e6 / $EVENTS;
END
\$\$;
SELECT pg_temp.run();
SQL
}

for run in $(seq "$RUNS"); do
	for what in insert plain checked; do
		client $what >>"$TMP/client.$what"
		server $what >>"$TMP/server.$what"
	done
done

printf '%-8s %10s %16s %6s %16s %6s %s\n' "" INSERT publish ratio "with schema" ratio goal
record setting runs "$RUNS"
for where in client server; do
	for what in plain checked; do
		record goal "publish() of a kept event / INSERT, $where, $what" '<=' 2 \
			"$(ratio "$(median <"$TMP/$where.$what")" "$(median <"$TMP/$where.insert")")"
	done
	awk -v w=$where -v i="$(median <"$TMP/$where.insert")" \
		-v p="$(median <"$TMP/$where.plain")" \
		-v c="$(median <"$TMP/$where.checked")" 'BEGIN {
		printf "%-8s %7.1f us %13.1f us %6.2f %13.1f us %6.2f %s\n",
			w, i, p, p / i, c, c / i, "<= 2.00"}'
done
