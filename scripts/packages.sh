# packages.sh: what a machine lacks is installed by the system's packages.
# Sourced by lib.sh.

# pkg-config modules that the extension links to, and their packages.
libraries=(rdkafka:librdkafka-dev libcurl:libcurl4-openssl-dev
	libcjson:libcjson-dev libcrypto:libssl-dev libpcre2-8:libpcre2-dev
	zlib:zlib1g-dev libzstd:libzstd-dev)

# Those that the HTTP front is linked to besides; without them it is not built.
front_libraries=(libpq:libpq-dev libmicrohttpd:libmicrohttpd-dev)

# Run as root, for packages alone.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif have sudo; then
		sudo "$@"
	else
		fail "root or sudo is needed to install packages: $*"
	fi
}

# apt-get without questions; its output only when it fails.
apt_get() {
	local log
	have apt-get || fail "not a system with apt; please install: $*"
	log=$(mktemp)
	if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -q \
		--no-install-recommends "$@" >"$log" 2>&1; then
		tail -20 "$log" >&2
		rm -f "$log"
		fail "apt-get $* failed"
	fi
	rm -f "$log"
}

# Refresh the package lists once.
updated=
update_lists() {
	[ -n "$updated" ] || apt_get update
	updated=yes
}

install_packages() {
	[ $# -gt 0 ] || return 0
	say "installing $*"
	update_lists
	apt_get install "$@"
}

# Whether a pg_config comes with a server and what extensions need.
complete_server() {
	local bindir pgxs headers
	bindir=$("$1" --bindir 2>/dev/null) && pgxs=$("$1" --pgxs 2>/dev/null) &&
		headers=$("$1" --includedir-server 2>/dev/null) &&
		[ -x "$bindir/postgres" ] && [ -f "$pgxs" ] &&
		[ -f "$headers/postgres.h" ]
}

# Find the newest installed server, as PG_CONFIG.
find_server() {
	local v
	if [ -n "${PG_CONFIG:-}" ]; then
		complete_server "$PG_CONFIG" ||
			fail "$PG_CONFIG does not belong to a server with PGXS"
		return 0
	fi
	for ((v = newest_server; v >= oldest_server; v--)); do
		PG_CONFIG=/usr/lib/postgresql/$v/bin/pg_config
		complete_server "$PG_CONFIG" && return 0
	done
	PG_CONFIG=$(command -v pg_config) && complete_server "$PG_CONFIG" &&
		return 0
	PG_CONFIG=
	return 1
}

# Install a server: what complements one that is there, else the newest.  A
# package that brings its own cluster up would leave a server running.
install_server() {
	local v version='' defaults=/etc/postgresql-common/createcluster.conf
	local policy=/etc/postgresql-common/createcluster.d/evaudit.conf

	update_lists
	for ((v = newest_server; v >= oldest_server; v--)); do
		[ -n "$(apt-cache pkgnames "postgresql-server-dev-$v")" ] || continue
		: "${version:=$v}"
		[ ! -x "/usr/lib/postgresql/$v/bin/postgres" ] || { version=$v; break; }
	done
	[ -n "$version" ] ||
		fail "no package of PostgreSQL $oldest_server to $newest_server"
	install_packages postgresql-common
	if grep -q "include_dir.*${policy%/*}" "$defaults" 2>/dev/null; then
		as_root mkdir -p "${policy%/*}"
		echo 'create_main_cluster = false' |
			as_root tee "$policy" >/dev/null
	fi
	install_packages "postgresql-$version" "postgresql-server-dev-$version"
	as_root rm -f "$policy"
	as_root rmdir --ignore-fail-on-non-empty "${policy%/*}" 2>/dev/null || true
}

# Install what is missing for the purposes named: build, front, load, web, tap,
# broker, queue, servers, checked, coverage, lint.
need() {
	local purpose library missing=()

	for purpose in "$@"; do
		case $purpose in
		build)
			{ have make && have gcc; } || missing+=(build-essential)
			have pkg-config || missing+=(pkg-config)
			for library in "${libraries[@]}" "${front_libraries[@]}"; do
				pkg-config --exists "${library%%:*}" 2>/dev/null ||
					missing+=("${library#*:}")
			done
			;;
		front)
			have curl || missing+=(curl)
			have openssl || missing+=(openssl)
			;;
		load)
			have wrk || missing+=(wrk)
			;;
		web)
			[ -x /usr/sbin/nginx ] || missing+=(nginx-light)
			compgen -G '/usr/sbin/php-fpm*' >/dev/null || missing+=(php-fpm)
			compgen -G '/etc/php/*/mods-available/pgsql.ini' >/dev/null ||
				missing+=(php-pgsql)
			need_pip
			;;
		tap)
			have prove || missing+=(perl)
			perl -MIPC::Run -e 1 2>/dev/null || missing+=(libipc-run-perl)
			have openssl || missing+=(openssl)
			has_jwt || missing+=(python3-jwt python3-cryptography)
			[ -d "$schema_suite" ] || ! available "$schema_suite_package" ||
				missing+=("$schema_suite_package")
			have python3 || missing+=(python3)
			have chromium || ! available chromium || missing+=(chromium)
			[ -d "$(swagger_ui_cache)" ] || have npm || ! available npm ||
				missing+=(npm)
			;;
		broker)
			need_jars kafka
			need_jars apicurio
			need_jars java
			;;
		queue)
			need_jars elasticmq
			need_pip
			;;
		servers)
			need_pip
			;;
		checked)
			have valgrind || missing+=(valgrind)
			[ -f /usr/share/doc/libc6-dbg/copyright ] || missing+=(libc6-dbg)
			have dpkg-source || missing+=(dpkg-dev)
			have bison || missing+=(bison)
			have flex || missing+=(flex)
			pkg-config --exists libxml-2.0 2>/dev/null || missing+=(libxml2-dev)
			;;
		coverage)
			have gcovr || missing+=(gcovr)
			;;
		lint)
			find_indent >/dev/null || ! available pg-bsd-indent ||
				missing+=(pg-bsd-indent)
			;;
		esac
	done
	install_packages "${missing[@]}"
	find_server || { install_server && find_server; }
	export PG_CONFIG
}

# What the jars of test/$1 take to fetch and to run; for need() alone.
need_jars() {
	have java || missing+=(default-jre-headless)
	has_jars "$1" || have mvn || missing+=(maven)
}

need_pip() {
	python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
}

# Whether a Python has what tests make tokens with.
has_jwt() {
	local python
	for python in python3 /usr/bin/python3; do
		! "$python" -c 'import jwt, cryptography' 2>/dev/null || return 0
	done
	return 1
}

# Whether the system knows a package.
available() {
	have apt-cache || return 1
	update_lists
	[ -n "$(apt-cache pkgnames "$1")" ]
}

# The program that lays code out as PostgreSQL does.
find_indent() {
	local file
	for file in "$(command -v pg_bsd_indent)" \
		/usr/lib/postgresql/*/bin/pg_bsd_indent; do
		[ -x "$file" ] && echo "$file" && return 0
	done
	return 1
}
