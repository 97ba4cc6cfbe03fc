# release.sh: releases of Debian, each in a folder of the cache.  Sourced after
# lib.sh by what tests or builds packages inside them.

# Let a tree of Debian's unstable release take PostgreSQL, and nothing else,
# from the experimental packages.
add_experimental() {
	echo "deb $1 experimental main" |
		as_root tee "$2/etc/apt/sources.list.d/experimental.list" >/dev/null
	printf '%s\n' "Package: postgresql-*$experimental_server* libpq*" \
		'Pin: release a=experimental' 'Pin-Priority: 600' |
		as_root tee "$2/etc/apt/preferences.d/evaudit" >/dev/null
}

# Install a release of Debian to a folder, from where the system has its own
# packages; as $tree.  A release may be too new for debootstrap to know.  No
# package starts a service there.
fetch_release() {
	local release=$1 suite=$1 mirror script
	tree=$cache/debian-${2:-$release}
	[ "$release" != experimental ] || suite=sid
	script=/usr/share/debootstrap/scripts/$suite
	[ ! -d "$tree" ] || return 0
	have debootstrap || install_packages debootstrap
	say "fetching Debian $release"
	mirror=$(apt-get indextargets --format '$(REPO_URI)' \
		'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -1)
	[ -n "$mirror" ] || fail "not a system with Debian's packages"
	[ -f "$script" ] || script=${script%/*}/sid
	mkdir -p "$cache"
	as_root rm -rf "$tree.new"
	as_root debootstrap --variant=minbase "$suite" "$tree.new" "$mirror" \
		"$script" >"$work/debootstrap.log" 2>&1 ||
		{ tail -20 "$work/debootstrap.log" >&2; fail "debootstrap failed"; }
	# a release in the making is what its mirror has, however old
	echo 'Acquire::Check-Valid-Until "false";' |
		as_root tee "$tree.new/etc/apt/apt.conf.d/evaudit" >/dev/null
	printf '#!/bin/sh\nexit 101\n' |
		as_root tee "$tree.new/usr/sbin/policy-rc.d" >/dev/null
	as_root chmod 755 "$tree.new/usr/sbin/policy-rc.d"
	[ "$release" = "$suite" ] || add_experimental "$mirror" "$tree.new"
	as_root mv "$tree.new" "$tree"
}

# Run a command inside a release as it was fetched: what it writes goes to
# memory, and away with it.  The folder $1 is /work there.
in_clean_release() {
	local folder=$1
	shift
	as_root unshare --mount --pid --fork --kill-child /bin/sh -c '
		tree=$1; folder=$2; memory=$3; shift 3
		mount -t tmpfs -o size=8G tmpfs "$memory" &&
			mkdir "$memory/upper" "$memory/scratch" "$memory/root" &&
			mount -t overlay overlay -o \
				"lowerdir=$tree,upperdir=$memory/upper,workdir=$memory/scratch" \
				"$memory/root" && cd "$memory/root" &&
			mount -t proc proc proc && mount --rbind /dev dev && mount -t tmpfs tmpfs dev/shm &&
			mkdir work && mount --bind "$folder" work &&
			cp /etc/resolv.conf etc/resolv.conf &&
			exec chroot . /usr/bin/env -u PG_CONFIG -u XDG_CACHE_HOME \
				HOME=/root LANG=C.UTF-8 TMPDIR=/tmp \
				PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
		' sh "$tree" "$folder" "$work/memory" "$@"
}
