#!/usr/bin/env bash
# bench/token.sh: evaudit.verify_token() beside OpenSSL's own verification of
# the same signatures (RS256, 2048 bits).
#
# Connects as the PG* variables of the environment say, and works in a
# database of its own.  Prints the best of RUNS runs, in microseconds of
# processor time, since what disturbs a run only ever makes it longer:
#   OpenSSL    EVP_DigestVerify(), and the arithmetic alone
#   new        verify_token() of tokens that the session does not know
#   known      of one token again and again
# less what the same statement takes with octet_length() in its place.
. "$(dirname "$0")/lib.sh"

RUNS=${RUNS:-15}
TOKENS=${TOKENS:-4000}			# the session keeps 256

# shellcheck disable=SC2046
${CC:-cc} -O2 -Wall -Wextra -Wshadow -o "$TMP/token_make" "$(dirname "$0")/token_make.c" \
	$(pkg-config --cflags --libs libcrypto)
read -r usual bare < <("$TMP/token_make" "$TOKENS" "$TMP/key.pem" "$TMP/tokens")
sql -v pem="$(cat "$TMP/key.pem")" <<'SQL'
CREATE EXTENSION evaudit;
CREATE TABLE tokens (id serial, token text);
SELECT evaudit.create_issuer('bench', jsonb_build_object('pem', :'pem',
	'issuer', 'https://login.example/', 'audience', 'https://events.example/',
	'algorithms', 'RS256'));
SQL
sql -c '\copy tokens (token) FROM '"$TMP/tokens"
read -r new known < <(sql -F ' ' <<SQL
SET max_parallel_workers_per_gather = 0;
CREATE TEMP VIEW same AS SELECT t.token FROM tokens t, generate_series(1, $TOKENS * 100)
	WHERE id = 1;
VACUUM ANALYZE tokens;
CREATE FUNCTION pg_temp.cpu() RETURNS bigint LANGUAGE sql VOLATILE AS \$\$
	SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint \$\$;
CREATE FUNCTION pg_temp.micros(sql text, calls integer) RETURNS float8 LANGUAGE plpgsql AS \$\$
DECLARE
	start bigint := pg_temp.cpu();
BEGIN
	EXECUTE sql;
	RETURN (pg_temp.cpu() - start) / 1e3 / calls;
END \$\$;
SELECT count(evaudit.verify_token(token)) FROM tokens \g /dev/null
SELECT round((min(pg_temp.micros('SELECT count(evaudit.verify_token(token)) FROM tokens', $TOKENS))
		- min(pg_temp.micros('SELECT count(octet_length(token)) FROM tokens', $TOKENS)))::numeric, 2),
	round((min(pg_temp.micros('SELECT count(evaudit.verify_token(token)) FROM same', $TOKENS * 100))
		- min(pg_temp.micros('SELECT count(octet_length(token)) FROM same', $TOKENS * 100)))::numeric, 2)
FROM generate_series(1, $RUNS);
SQL
)
record setting runs "$RUNS"
record goal 'verify_token() of a new token / EVP_DigestVerify()' '<=' 1.2 "$(ratio "$new" "$usual")"
record goal 'verify_token() of a token seen before, us' '<=' 3 "$known"
awk -v usual="$usual" -v bare="$bare" -v new="$new" -v known="$known" 'BEGIN {
	printf "  %-44s %7.2f us\n", "OpenSSL, EVP_DigestVerify()", usual
	printf "  %-44s %7.2f us\n", "OpenSSL, the arithmetic alone", bare
	printf "  %-44s %7.2f us  %.2f (goal: <= 1.20)\n", \
		"verify_token(), a new token", new, new / usual
	printf "  %-44s %7.2f us  (goal: <= 3)\n", \
		"verify_token(), a token seen before", known
}'
