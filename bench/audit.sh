#!/bin/sh
# What an audit costs, beside what people write by hand.  Connects by the PG*
# environment variables, as a superuser, to a database with the extension.
#
#   ROWS=20000 ROUNDS=7 bench/audit.sh
set -eu
exec psql --no-psqlrc --set=rows="${ROWS:-20000}" --set=rounds="${ROUNDS:-7}" \
	--file="$(dirname "$0")/audit.sql"
