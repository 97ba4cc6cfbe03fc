#!/bin/bash
# bench/schema.sh: validation of an event that tells of a change of status.
#
# Connects as the PG* variables of the environment say, and works in a
# database of its own.  Prints the medians of RUNS runs, in microseconds a
# validation, without what reading the row takes.  For a peer, a function
# (schema jsonb, event jsonb) that template1 has, say PEER=name.
. "$(dirname "$0")/lib.sh"

RUNS=${RUNS:-5}
EVENTS=${EVENTS:-100000}

# Fifteen properties, and five kinds of events that each ask for their own.
schema=$(cat <<'JSON'
{"$schema": "http://json-schema.org/draft-07/schema#",
 "type": "object",
 "properties": {
  "event_id": {"type": "string", "format": "uuid"},
  "event_type": {"enum": ["created", "started", "paused", "finished", "failed"]},
  "job_id": {"type": "string", "format": "uuid"},
  "tenant_id": {"type": "string", "minLength": 1, "maxLength": 64},
  "timestamp": {"type": "string", "format": "date-time"},
  "source": {"type": "string"},
  "version": {"const": 1},
  "status_before": {"type": ["string", "null"]},
  "status_after": {"type": "string"},
  "message": {"type": ["string", "null"]},
  "attempt": {"type": "integer", "minimum": 1},
  "started_at": {"type": ["string", "null"], "format": "date-time"},
  "finished_at": {"type": ["string", "null"], "format": "date-time"},
  "error_code": {"type": ["integer", "null"]},
  "labels": {"type": "object", "additionalProperties": {"type": "string"}}},
 "required": ["event_id", "event_type", "job_id", "tenant_id", "timestamp", "version", "status_after"],
 "additionalProperties": false,
 "allOf": [
  {"if": {"properties": {"event_type": {"const": "created"}}},
   "then": {"properties": {"status_before": {"type": "null"}}}},
  {"if": {"properties": {"event_type": {"const": "started"}}},
   "then": {"required": ["started_at"], "properties": {"started_at": {"type": "string"}}}},
  {"if": {"properties": {"event_type": {"const": "paused"}}},
   "then": {"required": ["message"]}},
  {"if": {"properties": {"event_type": {"const": "finished"}}},
   "then": {"required": ["started_at", "finished_at"], "properties": {"finished_at": {"type": "string"}}}},
  {"if": {"properties": {"event_type": {"const": "failed"}}},
   "then": {"required": ["error_code"], "properties": {"error_code": {"type": "integer"}}}}]}
JSON
)

sql -v schema="$schema" -v events="$EVENTS" <<'SQL' >/dev/null
CREATE EXTENSION IF NOT EXISTS evaudit;
CREATE TABLE schema AS SELECT :'schema'::jsonb AS schema;
CREATE TABLE event AS
SELECT jsonb_build_object('event_id', md5(i::text)::uuid, 'job_id', md5((i / 5)::text)::uuid,
	'event_type', (ARRAY['created', 'started', 'paused', 'finished', 'failed'])[1 + i % 5],
	'tenant_id', 'tenant-' || i % 100, 'timestamp', '2026-01-31T12:34:56.789Z', 'source', 'scheduler',
	'version', 1, 'status_before', CASE WHEN i % 5 > 0 THEN 'any' END, 'status_after', 'other',
	'message', 'the job has another status', 'attempt', 1 + i % 3,
	'started_at', '2026-01-31T12:30:00Z', 'finished_at', '2026-01-31T12:34:56+01:00',
	'error_code', i % 1000, 'labels', '{"queue": "default", "region": "eu"}'::jsonb) AS event
FROM generate_series(1, :events) i;
VACUUM (FREEZE, ANALYZE) event;
SQL

# Microseconds for each event that an expression takes, E the event, S the schema.
measure() {
	local expression=${1//E/event}
	expression=${expression//S/"'$schema'::jsonb"}
	nice psql -qAtX -d "$DB" -c 'SET jit = off' -c 'SET max_parallel_workers_per_gather = 0' \
		-c "EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) SELECT count(*) FILTER (WHERE $expression) FROM event" |
		awk -v n="$EVENTS" '/^Execution Time/ {print $3 * 1000 / n}'
}

accepted=$(sql -v schema="$schema" <<<"SELECT count(*) FROM event WHERE evaudit.json_schema_is_valid(:'schema', event, true)")
[ "$accepted" = "$EVENTS" ] || { echo "only $accepted of $EVENTS events are accepted" >&2; exit 1; }

declare -A expressions=(
	[reading]='jsonb_exists(E, $$id$$)'
	[annotated]='evaudit.json_schema_is_valid(S, E)'
	[asserted]='evaudit.json_schema_is_valid(S, E, true)'
)
[ -z "${PEER:-}" ] || expressions[peer]="$PEER(S, E)"
declare -A results
for run in $(seq "$RUNS"); do
	for what in "${!expressions[@]}"; do
		results[$what]+="$(measure "${expressions[$what]}")"$'\n'
	done
done

record setting runs "$RUNS"
reading=$(median <<<"${results[reading]}")
line() {
	local value
	value=$(median <<<"${results[$1]}")
	[ -z "$3" ] || record goal "$2, us" "${3% *}" "${3#* }" \
		"$(awk -v v="$value" -v r="$reading" 'BEGIN {print v - r}')"
	awk -v what="$2" -v v="$value" -v r="$reading" -v goal="$3" \
		'BEGIN {printf "%-46s %8.2f us  %s\n", what, v - r, goal}'
}
line annotated "a validation, formats annotated" "<= 5"
line asserted "a validation, formats asserted" "<= 5"
[ -z "${PEER:-}" ] || line peer "$PEER" ""
echo "for comparison, on another machine: is_jsonb_valid 22 us, jsoncons 16 us"
