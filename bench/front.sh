#!/bin/bash
# bench/front.sh: requests a second over HTTP, keep-alive, of evaudit-http and
# of peers, alternating, each RUNS times for SECONDS.
#
# Connects as the PG* variables of the environment say.  FRONT names the program,
# PEERS the peers ("php fastapi gateway"), PEER_MODULES the folder of their
# Python modules.  Prints medians of
#   post      POST /topics/bench -> 202, 64 connections
#   get       GET /users/{id}/services, 64 connections
# and the CPU of system and database for a request: all that a busy machine
# leaves to compare.  Then, of ours at 100 requests a second,
#   latency   a POST, beside the same call of evaudit.http() by SQL
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)

RUNS=${RUNS:-3}
SECONDS_EACH=${SECONDS_EACH:-5}
export WORK=$TMP
export TOKEN=eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJnYXRlIiwic3ViIjoiQWxpY2UifQ.fDHFmW448mXf1UagPB9YbPRQi_uk2LB3Z8IEz4hwPv_YFt38o-H154YiykOBhxrFVuEec9WdJjZ2PVgcB979Aw
export JWK='{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}'
export DSN="postgresql://front@/$DB?host=$PGHOST&port=${PGPORT:-5432}"
server=

sql -f "$here/front.sql" >"$TMP/out"
SCHEMA=$(sql -c "SELECT evaudit.http('GET', '/topics/bench') IS NOT NULL, convert_from((evaudit.http('GET', '/topics/bench')).body, 'UTF8')" | cut -d'|' -f2-)
export SCHEMA

postmaster=$(sql -c "SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)")

# A port where nobody listens.
free_port() {
	python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

stop() {
	[ -z "$server" ] || { kill "$server" && wait "$server"; } 2>/dev/null || true
	server=
}
trap 'stop; cleanup' EXIT

# Start a system and wait until it answers.
start() {
	port=$(free_port)
	if [ "$1" = evaudit ]; then
		"$FRONT" --listen "127.0.0.1:$port" --log-level info "$DSN" 2>"$TMP/$1.log" &
	else
		"$here/peers/http/serve" "$1" "$port" >"$TMP/$1.log" 2>&1 &
	fi
	server=$!
	until [ "$(curl -s -o "$TMP/answer" -w '%{http_code}' -H "Authorization: Bearer $TOKEN" \
		"http://127.0.0.1:$port/users/user-1/services")" = 200 ]; do
		kill -0 "$server" 2>/dev/null || { cat "$TMP/$1.log" >&2; exit 1; }
		sleep 0.1
	done
}

# Seconds of the processor that the system and the server have used.
used() {
	PYTHONPATH=$here python3 -B -c "import machine; print(machine.tree_cpu([$server, $postmaster]))"
}

# One measurement of system $1 and requests $2.
measure() {
	local before
	start "$1"
	before=$(used)
	RUN_ID=$1-$RANDOM$RANDOM wrk -t2 -c64 -d"${SECONDS_EACH}s" -s "$here/wrk.lua" \
		"http://127.0.0.1:$port" -- "$2" | sed -n 's/^RESULT //p' >"$TMP/result"
	echo "$before $(used) $(cut -d' ' -f1 "$TMP/result")" |
		awk -v s="$SECONDS_EACH" '{print ($2 - $1) / ($3 * s + 1) * 1e6}' >>"$TMP/$1.$2.cpu"
	stop
	grep -qvE ' (4|5)[0-9][0-9]:' "$TMP/result" ||
		echo "$1 $2: $(cat "$TMP/result")" >&2
	cat "$TMP/result" >>"$TMP/$1.$2"
}

# The same call as a POST, by SQL, for pgbench.
cat >"$TMP/call.sql" <<SQL
\\set n random(1, 1000000000)
SELECT status FROM evaudit.http('POST', '/topics/bench',
	'{"Content-Type": "application/json", "Authorization": "Bearer $TOKEN"}',
	convert_to('{"event_id":"sql-' || :n || '","job_id":"11111111-1111-4111-8111-111111111111","event_type":"JobUpdatedEvent","status_type":"RUNNING","source_app":"web","timestamp_event":1700000000000}', 'UTF8'));
SQL

# Milliseconds of single calls, ours by HTTP and by SQL, in turn.
measure_latency() {
	start evaudit
	python3 -B "$here/front_latency.py" "$port" "$SECONDS_EACH" "$RANDOM$RANDOM" >>"$TMP/latency.http"
	stop
	rm -f "$TMP"/calls.*
	pgbench -n -M prepared -c 1 -R 100 -T "$SECONDS_EACH" -U front -f "$TMP/call.sql" \
		-l --log-prefix "$TMP/calls" "$DB" >"$TMP/out"
	awk '{print ($3 - $7) / 1000}' "$TMP"/calls.* >>"$TMP/latency.sql"
}

# The value below which a share of some lies.
percentile() { sort -g "$2" | awk -v p="$1" '{v[NR] = $1} END {print v[int(NR * p / 100 + 0.999)]}'; }

systems="evaudit ${PEERS:-}"
for run in $(seq "$RUNS"); do
	for what in post get; do
		for system in $systems; do
			measure "$system" "$what"
		done
	done
	measure_latency
	sql -c 'TRUNCATE evaudit.events, peer_events'
done

declare -A names=([evaudit]=evaudit [php]='nginx and PHP-FPM' [fastapi]='FastAPI and uvicorn'
	[gateway]="a gateway's handler, gunicorn")

# Record the figures of system $1 and requests $2.
record_front() {
	record figure "${names[$1]}" "$2" requests/s "$(cut -d' ' -f1 "$TMP/$1.$2" | median)"
	record figure "${names[$1]}" "$2" 'p50 ms' "$(cut -d' ' -f2 "$TMP/$1.$2" | median)"
	record figure "${names[$1]}" "$2" 'p99 ms' "$(cut -d' ' -f3 "$TMP/$1.$2" | median)"
	record figure "${names[$1]}" "$2" 'CPU us' "$(median <"$TMP/$1.$2.cpu")"
}

# Record how ours compares: requests $1, and the goal for its rate.
record_goals() {
	local ours best=0 system
	ours=$(cut -d' ' -f1 "$TMP/evaudit.$1" | median)
	record goal "$1, requests/s" '>=' "$2" "$ours"
	for system in ${PEERS:-}; do
		best=$({ echo "$best"; cut -d' ' -f1 "$TMP/$system.$1" | median; } | sort -g | tail -1)
	done
	[ -z "${PEERS:-}" ] || record goal "$1, requests/s / best peer" '>=' 4 "$(ratio "$ours" "$best")"
}

record setting runs "$RUNS"
record_goals post 9000
record_goals get 25000
printf '%-10s %10s %10s %10s %10s\n' '' requests/s 'p50 ms' 'p99 ms' 'CPU us'
for what in post get; do
	for system in $systems; do
		record_front "$system" "$what"
		printf '%-10s %10.0f %10s %10s %10.0f  %s\n' "$what" \
			"$(cut -d' ' -f1 "$TMP/$system.$what" | median)" \
			"$(cut -d' ' -f2 "$TMP/$system.$what" | median)" \
			"$(cut -d' ' -f3 "$TMP/$system.$what" | median)" \
			"$(median <"$TMP/$system.$what.cpu")" "$system"
	done
done

record goal 'p99 of a POST at 100 a second / of the call by SQL' '<=' 1.5 \
	"$(ratio "$(percentile 99 "$TMP/latency.http")" "$(percentile 99 "$TMP/latency.sql")")"
for p in 50 99; do
	echo "$(percentile "$p" "$TMP/latency.http") $(percentile "$p" "$TMP/latency.sql")" |
		awk -v p="$p" '{printf "latency at 100/s, p%d: %.2f ms, by SQL %.2f ms, ratio %.2f%s\n",
			p, $1, $2, $1 / $2, p == 99 ? "   goal <= 1.5" : ""}'
done
