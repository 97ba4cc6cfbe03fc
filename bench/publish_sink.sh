#!/bin/bash
# bench/publish_sink.sh: evaudit.publish() of a kept event to a topic that a
# Kafka sink sends, beside one that has no sink, for events of some sizes: of
# JSON that compresses to about the half, and of random digits, which do not.
#
# Connects as the PG* variables of the environment say, and works in a
# database of its own; KAFKA_SERVERS names the broker.  Prints the medians of
# RUNS runs, alternating, in us of CALLS calls by psql, each a transaction: by
# the clock, and of the session's processor time, which a busy machine changes
# less:
#   without  no sink
#   paused   a sink that is paused: what the outbox costs
#   running  a sink that sends meanwhile, on the same processors
. "$(dirname "$0")/lib.sh"

RUNS=${RUNS:-5}
CALLS=${CALLS:-3000}
cases=(json.200 json.2000 json.20000 digits.2000 digits.20000)

sql >"$TMP/out" <<SQL
SET client_min_messages = error;
CREATE EXTENSION evaudit;
CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka OPTIONS ("bootstrap.servers" '$KAFKA_SERVERS');
SELECT evaudit.create_topic(t, NULL, '{"key": "/k", "keep": true}')
FROM unnest('{without,paused,running}'::text[]) t;
SELECT evaudit.create_sink(t, 'kafka', ARRAY[t], '{"topic": "warmup"}')
FROM unnest('{paused,running}'::text[]) t;
SELECT evaudit.pause_sink('paused');
CREATE TABLE ready AS
SELECT name, n, jsonb_build_object('k', 'user-' || n, 'n', n, 'x', CASE split_part(name, '.', 1)
	WHEN 'json' THEN (
		SELECT jsonb_agg(jsonb_build_object('id', md5((n * 1000 + i)::text),
			'status', (ARRAY['created', 'paid', 'shipped', 'returned'])[1 + (n * 7 + i * 13) % 4],
			'amount', (n * 7919 + i * 104729) % 100000, 'note', 'order line ' || i))
		FROM generate_series(1, size / 110) i)
	ELSE to_jsonb(left((SELECT string_agg(md5((n * 1000 + i)::text), '') FROM generate_series(0, size / 32) i),
		size - 60)) END) AS payload
FROM unnest(ARRAY[$(printf "'%s'," "${cases[@]}" | sed 's/,$//')]) name,
	CAST(split_part(name, '.', 2) AS integer) size, generate_series(0, 999) n;
CREATE UNIQUE INDEX ON ready (name, n);
CREATE SEQUENCE next CACHE 1000;
VACUUM (FREEZE, ANALYZE) ready;
SQL

# CALLS events of topic $1 and case $2, one a transaction, over one connection.
measure() {
	local cpu="SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::numeric / 1000"
	sql -c "TRUNCATE evaudit.events, evaudit.outbox" -c CHECKPOINT
	{
		echo "PREPARE publish AS SELECT evaudit.publish('$1', payload) FROM ready
			WHERE name = '$2' AND n = (SELECT nextval('next') % 1000);"
		printf 'EXECUTE publish;\n%.0s' $(seq 100)
		echo "$cpu AS cpu, extract(epoch FROM clock_timestamp()) * 1e6 AS clock \\gset"
		printf 'EXECUTE publish;\n%.0s' $(seq "$CALLS")
		echo "SELECT '=', (extract(epoch FROM clock_timestamp()) * 1e6 - :clock) / $CALLS,
			(($cpu) - :cpu) / $CALLS;"
	} | sql -F ' ' >"$TMP/out"
	awk '$1 == "=" {print $2}' "$TMP/out" >>"$TMP/$1.$2"
	awk '$1 == "=" {print $3}' "$TMP/out" >>"$TMP/$1.$2.cpu"
}

for run in $(seq "$RUNS"); do
	for case in "${cases[@]}"; do
		for what in without paused running; do
			measure $what "$case"
		done
	done
done

# A line of the table: what it is of, and the ending of the files.
show() {
	local what
	for what in without paused running; do
		record figure "$1" '' "$what us" "$(median <"$TMP/$what.$2")"
	done
	record goal "publish() with a paused sink / without, $1" '<=' 1.15 \
		"$(ratio "$(median <"$TMP/paused.$2")" "$(median <"$TMP/without.$2")")"
	awk -v s="$1" -v w="$(median <"$TMP/without.$2")" -v p="$(median <"$TMP/paused.$2")" \
		-v r="$(median <"$TMP/running.$2")" 'BEGIN {
		printf "%-20s %10.1f %10.1f %6.2f %10.1f %6.2f  %s\n", s, w, p, p / w, r, r / w, "<= 1.15"}'
}

printf '%-20s %10s %10s %6s %10s %6s  %s\n' bytes 'without us' 'paused us' ratio 'running us' ratio goal
record setting calls "$CALLS"
record setting runs "$RUNS"
for case in "${cases[@]}"; do
	show "$case, clock" "$case"
	show "$case, CPU" "$case.cpu"
done
