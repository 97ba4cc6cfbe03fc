# cluster.sh: the part of lib.sh that builds the extension and runs a server
# with it, and the other servers of demo and benchmark.
#
#   build_extension                build the copy, install it into the folder
#   start_cluster [SETTING]...; stop_cluster
#   make_cluster [SETTING]...      the first half of start_cluster, and
#   launch_cluster                 the second: any number of times
#   start_broker TOPIC PARTITIONS; stop_servers
#   start_perl_servers PROGRAM...  others, of demo/; stop_servers

# --- the brokers of demo and benchmark ---------------------------------------

# Start a program as the server's user that tells of the servers that it
# started in $work/servers, for $work/servers is its last argument.  It ends
# with its input, which this shell holds open as $broker_input.
start_servers() {
	# of those before, in the same folder
	rm -f "$work/broker.input" "$work/servers" "$work/servers.new"
	mkfifo "$work/broker.input"
	as_server "$@" "$work/servers" \
		<"$work/broker.input" >"$work/broker.log" 2>&1 &
	broker=$!
	exec {broker_input}>"$work/broker.input"
	until [ -s "$work/servers" ]; do
		kill -0 "$broker" 2>/dev/null ||
			{ tail -20 "$work/broker.log" >&2; fail "the broker did not start"; }
		sleep 0.05
	done
}

stop_servers() {
	exec {broker_input}>&-
	wait "$broker" || true
}

# Start a program of the demo that stands on what tests share.
start_perl_servers() {
	start_servers env TESTDIR="$work" TESTDATADIR="$work" TESTLOGDIR="$work" \
		EVAUDIT_KAFKA_TOOL="$work/tree/test/tools/kafka_tool" \
		perl -I "${PG_PERL:-$(dirname "$("$PG_CONFIG" --pgxs)")/../../src/test/perl}" \
		-I test/lib "$@"
}

# Start the demo's broker, a real one if KAFKA is set, with topic $1 of $2
# partitions; its address appears in $work/servers.
start_broker() {
	if [ -z "${KAFKA:-}" ]; then
		start_servers demo/broker "$1" "$2"
	else
		start_perl_servers demo/broker.pl "$1" "$2"
	fi
}

# --- the extension and its server -------------------------------------------

# Build the copy and install it where only our own servers look; EVAUDIT_CONF
# names the settings that make them look there.
build_extension() {
	local sample pkglibdir

	sample=$("$PG_CONFIG" --sharedir)/postgresql.conf.sample
	# pg_upgrade looks for libraries in the server's own folder alone
	[ -z "${EVAUDIT_COPY_SERVER:-}" ] || sample=/dev/null
	if ! grep -qE 'extension_(destdir|control_path)' "$sample"; then
		copy_server
	fi
	pkglibdir=$("$PG_CONFIG" --pkglibdir)
	export EVAUDIT_CONF=$work/extension.conf
	if grep -q extension_destdir "$sample"; then
		echo "extension_destdir = '$work/inst'"
		echo "dynamic_library_path = '$work/inst$pkglibdir:\$libdir'"
	elif grep -q extension_control_path "$sample"; then
		echo "extension_control_path =" \
			"'$work/inst$("$PG_CONFIG" --sharedir):\$system'"
		echo "dynamic_library_path = '$work/inst$pkglibdir:\$libdir'"
	fi >"$EVAUDIT_CONF"
	as_server make -s -j"$(nproc)" WERROR=1 PG_CONFIG="$PG_CONFIG" all tools ||
		return
	as_server make -s install PG_CONFIG="$PG_CONFIG" DESTDIR="$(
		[ ! -s "$EVAUDIT_CONF" ] || echo "$work/inst")" >/dev/null
}

# A server that finds extensions in its own folders alone is copied whole:
# PostgreSQL finds its files from where the program lies.
copy_server() {
	local prefix
	prefix=$(dirname "$("$PG_CONFIG" --bindir)")
	[ "$prefix" != /usr ] ||
		fail "this server can find extensions in system folders only"
	as_server cp -a "$prefix" "$work/server"
	PG_CONFIG=$work/server/bin/pg_config
}

# Start a private server with the settings given, on a socket alone.
start_cluster() {
	make_cluster "$@"
	launch_cluster
}

# Make the data folder of a private server.
make_cluster() {
	local setting bindir
	bindir=$("$PG_CONFIG" --bindir)
	export PGHOST=$work/socket PGPORT=5432 PGDATABASE=postgres PGUSER=postgres
	unset PGSERVICE PGPASSFILE PGOPTIONS
	cluster=$work/data
	as_server rm -rf "$cluster"
	as_server "$bindir/initdb" -D "$cluster" -U postgres -A trust -N \
		-E UTF8 --locale=C.UTF-8 >"$work/initdb.log" ||
		{ tail -20 "$work/initdb.log" >&2; fail "initdb failed"; }
	{
		echo "listen_addresses = ''"
		echo "unix_socket_directories = '$PGHOST'"
		echo "fsync = off"
		echo "wal_level = logical"
		cat "$EVAUDIT_CONF"
		for setting in "$@"; do echo "$setting"; done
	} | as_server tee -a "$cluster/postgresql.conf" >/dev/null
}

launch_cluster() {
	local bindir
	bindir=$("$PG_CONFIG" --bindir)
	cluster=$work/data
	as_server "$bindir/pg_ctl" -D "$cluster" -l "$work/server.log" -w -s start ||
		{ tail -20 "$work/server.log" >&2; fail "the server did not start"; }
}

stop_cluster() {
	local bindir
	bindir=$("$PG_CONFIG" --bindir)
	as_server "$bindir/pg_ctl" -D "$cluster" -m "${1:-fast}" -w -s stop
	cluster=
}
