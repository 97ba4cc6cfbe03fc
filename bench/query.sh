#!/bin/bash
# bench/query.sh: services_for_user() beside the inline query that gives the
# same document, for 200,000 users of five services.
#
# Connects as the PG* variables of the environment say, and works in a
# database of its own.  Prints the medians of RUNS runs, alternating:
#   client   ms a call at the client, pgbench -M prepared, one connection
#   server   us a call inside one statement over many users
. "$(dirname "$0")/lib.sh"

RUNS=${RUNS:-7}
SECONDS_PER_RUN=${SECONDS_PER_RUN:-5}
USERS=${USERS:-200000}
FIRST=100000000					# ids are digits: pgbench has no text variables

sql <<SQL
CREATE EXTENSION evaudit;
INSERT INTO user_services
SELECT $FIRST + u, 'svc-0' || s, 'Service No. ' || s,
	'2025-01-01Z'::timestamptz + ((u * 7919 + s * 104729) % 31536000) * interval '1 second'
FROM generate_series(0, $USERS - 1) u, generate_series(1, 5) s;
VACUUM (FREEZE, ANALYZE) user_services;
SQL

# What an application would write itself.  The times need no fraction here;
# the format is in pieces because pgbench takes ":MI" for a variable.
document() {
	cat <<SQL
SELECT jsonb_build_object('user_id', $1, 'services',
	coalesce(jsonb_agg(jsonb_build_object('service_id', s.service_id,
		'service_name', s.service_name,
		'last_accessed', to_char(s.last_accessed AT TIME ZONE 'UTC',
			'YYYY-MM-DD"T"HH24' || ':' || 'MI' || ':' || 'SS"Z"'))
		ORDER BY s.last_accessed DESC, s.service_id), '[]'))
FROM user_services s WHERE s.user_id = $1
SQL
}

differ=$(sql -c "SELECT count(*) FROM (SELECT ($FIRST + u)::text u
	FROM generate_series(-1, 1000) u) u, LATERAL ($(document u.u)) d(doc)
	WHERE d.doc::text <> services_for_user(u.u)::text")
if [ "$differ" != 0 ]; then
	echo "the two queries differ for $differ users" >&2
	exit 1
fi

pick="\set n random($FIRST, $FIRST + $USERS - 1)"
printf '%s\n%s;\n' "$pick" 'SELECT services_for_user(:n)' >"$TMP/function.sql"
printf '%s\n%s;\n' "$pick" "$(document :n::text)" >"$TMP/inline.sql"

client() {
	nice pgbench -n -M prepared -c 1 -T "$SECONDS_PER_RUN" -f "$TMP/$1.sql" "$DB" |
		awk '/^latency average/ {print $4}'
}

# The users come in no order, as requests do; the same ones for both.
server() {
	local from="FROM (SELECT u FROM bench_users) u"
	local query="SELECT count(services_for_user(u.u)) $from"
	[ "$1" = function ] ||
		query="SELECT count(d.doc) $from, LATERAL ($(document u.u)) d(doc)"
	nice psql -qAtX -d "$DB" -c 'SET jit = off' -c 'SET max_parallel_workers_per_gather = 0' \
		-c "EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) $query" |
		awk -v n="$USERS" '/^Execution Time/ {print $3 * 1000 / n}'
}

sql -c "CREATE TABLE bench_users AS SELECT ($FIRST + u)::text u
	FROM generate_series(0, $USERS - 1) u ORDER BY hashint4(u)" -c "VACUUM ANALYZE bench_users"

for run in $(seq "$RUNS"); do
	for what in function inline; do
		client $what >>"$TMP/client.$what"
		server $what >>"$TMP/server.$what"
	done
done

printf '%-8s %18s %14s %7s %s\n' "" services_for_user "inline query" ratio goal
record setting runs "$RUNS"
for where in client server; do
	f=$(median <"$TMP/$where.function")
	i=$(median <"$TMP/$where.inline")
	record goal "services_for_user() / inline query, $where" '<=' \
		"$([ $where = client ] && echo 1 || echo 0.7)" "$(ratio "$f" "$i")"
	awk -v w=$where -v f="$f" -v i="$i" 'BEGIN {
		unit = w == "client" ? "ms" : "us"
		printf "%-8s %15.3f %s %11.3f %s %7.2f %s\n", w, f, unit, i, unit, f / i,
			w == "client" ? "<= 1.00" : "<= 0.70"}'
done
