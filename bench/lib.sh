# bench/lib.sh: what the parts of the benchmark share that connect as the PG*
# variables of the environment say.  Sourced, never run: it makes a database of
# its own, $DB, and a folder, $TMP, and removes both at the end.

set -euo pipefail

DB=evaudit_bench_$$
TMP=$(mktemp -d)

cleanup() {
	rm -rf "$TMP"
	psql -qX -d postgres -c "DROP DATABASE IF EXISTS $DB WITH (FORCE)"
}
trap cleanup EXIT

sql() { psql -qAtX -v ON_ERROR_STOP=1 -d "$DB" "$@"; }
# record figure SYSTEM CASE MEASURE VALUE, record goal WHAT RELATION WANTED VALUE,
# record setting NAME VALUE: for the results, as bench/report.py does.
record() { [ -z "${MEDIANS:-}" ] || (IFS=$'\t' && echo "$*" >>"$MEDIANS"); }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {print a / b}'; }
median() { sort -g | awk 'NF {v[++n] = $1} END {print v[int((n + 1) / 2)]}'; }

psql -qX -d postgres -c "CREATE DATABASE $DB"
