#!/bin/sh
# What an audit costs as it grows, and looking things up in it.  Connects by
# the PG* environment variables, as a superuser, to a database that has the
# extension and nothing in its audit, which it fills.
#
#   AUDIT_ROWS=30000000 SEGMENT_ROWS=600000 ROWS=20000 ROUNDS=7 bench/segments.sh
set -eu
exec psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 \
	--set=rows="${ROWS:-20000}" --set=rounds="${ROUNDS:-7}" \
	--set=audit_rows="${AUDIT_ROWS:-30000000}" \
	--set=segment_rows="${SEGMENT_ROWS:-600000}" \
	--set=table_rows="${TABLE_ROWS:-3000000}" \
	--file="$(dirname "$0")/segments.sql"
