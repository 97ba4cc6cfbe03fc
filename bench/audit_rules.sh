#!/bin/sh
# What rules for columns cost, beside the same audit without any.  Connects by
# the PG* environment variables, as a superuser, to a database with the
# extension and evaudit.hmac_key_file set.
#
#   ROWS=20000 ROUNDS=7 bench/audit_rules.sh
set -eu
exec psql --no-psqlrc --set=rows="${ROWS:-20000}" --set=rounds="${ROUNDS:-7}" \
	--file="$(dirname "$0")/audit_rules.sql"
