# images.sh: what tries the Dockerfile and compose.yaml inside a release of
# Debian.  Sourced by package_inside.

# The instructions of a Dockerfile, each in one line.
instructions() {
	sed -e '/^#/d' -e ':a' -e '/\\$/{N;s/\\\n[[:space:]]*//;ba' -e '}' "$1"
}

image() {
	local name arguments line
	get update
	# what the base image has; it makes no cluster
	get install postgresql-common
	sed -i 's/^#*create_main_cluster.*/create_main_cluster = false/' \
		/etc/postgresql-common/createcluster.conf
	get install postgresql
	PG_MAJOR=$(newest_server)
	export PG_MAJOR
	while read -r name arguments; do
		case $name in
		RUN) sh -ec "$arguments" ;;
		COPY)
			read -r -a line <<<"$arguments"
			case ${line[0]} in
			--from=build) cp -a "${line[1]}." "${line[2]}" ;;
			.) cp -r /work/source "${line[1]}" ;;
			*) echo "COPY $arguments: not known here"; return 1 ;;
			esac
			;;
		esac
	done < <(instructions /work/source/Dockerfile)
	/usr/bin/evaudit-http --help
	pg_createcluster "$PG_MAJOR" main
	grep -q "^shared_preload_libraries = 'evaudit'" \
		"/etc/postgresql/$PG_MAJOR/main/postgresql.conf"
	start_server
	query -f /work/source/demo/compose.sql
	try_extension
}

# What podman does without here, for a kernel may refuse it inside of another
# container, and systemd, which would repeat the check of a server's health.
configure_podman() {
	mkdir -p /etc/containers /var/podman
	mount -t tmpfs -o size=6G tmpfs /var/podman
	cat >/etc/containers/containers.conf <<-'END'
		[containers]
		cgroups = "disabled"
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		[network]
		network_backend = "netavark"
	END
	cat >/etc/containers/storage.conf <<-'END'
		[storage]
		driver = "overlay"
		graphroot = "/var/podman"
		runroot = "/run/podman"
	END
	export DISABLE_HC_SYSTEMD=true BUILDAH_ISOLATION=chroot
}

# Build an image from a folder, with nothing pulled.
build_image() {
	podman build -q --network host --pull=never "$@"
}

# Stand-ins for the images of registries: this release, its server and a broker.
import_bases() {
	local folder=/tmp/base
	mkdir "$folder"
	podman import -q /work/base.tar docker.io/library/debian:bookworm-slim
	write_server_base "$folder"
	build_image -t "docker.io/library/postgres:$PG_MAJOR-bookworm" "$folder"
	write_broker_base "$folder"
	build_image -f "$folder/broker" -t "$(image_of broker)" "$folder"
}

# The image that compose.yaml names for a service.
image_of() {
	python3 - "$1" <<-'END'
		import sys, yaml
		services = yaml.safe_load(open('/work/source/compose.yaml'))['services']
		print('docker.io/' + services[sys.argv[1]]['image'])
	END
}

# This release's server with an entrypoint that does what the official one is
# asked for, and the folder of data that images of version 18 have.
write_server_base() {
	cat >"$1/docker-entrypoint.sh" <<-'END'
		#!/bin/sh
		set -e
		[ "$(id -u)" != 0 ] || exec runuser -u postgres -- "$0" "$@"
		if [ ! -s "$PGDATA/PG_VERSION" ]; then
			echo "$POSTGRES_PASSWORD" >/tmp/password
			initdb --auth-host=scram-sha-256 --pwfile=/tmp/password >/dev/null
			echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
			echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
			pg_ctl -w -o '-c listen_addresses=' start >/dev/null
			createdb "$POSTGRES_DB"
			for file in /docker-entrypoint-initdb.d/*.sql; do
				psql -Xq -v ON_ERROR_STOP=1 -d "$POSTGRES_DB" -f "$file"
			done
			pg_ctl -w -m fast stop >/dev/null
		fi
		exec "$@"
	END
	chmod 755 "$1/docker-entrypoint.sh"
	cat >"$1/Dockerfile" <<-END
		FROM debian:bookworm-slim
		RUN apt-get update && apt-get install -y --no-install-recommends postgresql-common && \
			sed -i 's/^#*create_main_cluster.*/create_main_cluster = false/' \
			/etc/postgresql-common/createcluster.conf && \
			apt-get install -y --no-install-recommends postgresql
		COPY docker-entrypoint.sh /usr/local/bin/
		ENV PATH=/usr/lib/postgresql/$PG_MAJOR/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
		ENV PGDATA=/var/lib/postgresql/$PG_MAJOR/docker
		VOLUME /var/lib/postgresql
		STOPSIGNAL SIGINT
		ENTRYPOINT ["docker-entrypoint.sh"]
		CMD ["postgres"]
	END
}

# A broker of Kafka's jars, configured by the program of its own image, which
# takes the environment for properties, and begins with those of a broker that
# is reached from its own machine.
write_broker_base() {
	mkdir "$1/jars"
	cp /work/jars/*.jar "$1/jars"
	cat >"$1/server.properties" <<-'END'
		process.roles=broker,controller
		node.id=1
		controller.quorum.voters=1@localhost:9093
		listeners=PLAINTEXT://:9092,CONTROLLER://:9093
		advertised.listeners=PLAINTEXT://localhost:9092
		controller.listener.names=CONTROLLER
	END
	cat >"$1/run" <<-'END'
		#!/bin/sh
		set -e
		touch /tmp/log4j.properties /tmp/tools-log4j.properties
		java -cp '/opt/kafka/jars/*' kafka.docker.KafkaDockerWrapper setup \
			--default-configs-dir /opt/kafka --mounted-configs-dir /none --final-configs-dir /tmp
		exec java -Xmx384m -cp '/opt/kafka/jars/*' kafka.Kafka /tmp/server.properties
	END
	chmod 755 "$1/run"
	cat >"$1/broker" <<-'END'
		FROM debian:bookworm-slim
		RUN apt-get update && apt-get install -y --no-install-recommends default-jre-headless
		COPY jars /opt/kafka/jars
		COPY server.properties run /opt/kafka/
		ENV CLUSTER_ID=5L6g3nShT-eMCtK--X86sw
		USER nobody
		CMD ["/opt/kafka/run"]
	END
}

# podman-compose builds what compose.yaml tells it to and runs that, with
# networks and volumes, inside a network of its own.
containers() {
	get update
	PG_MAJOR=$(newest_server)
	tar -C / --one-file-system --exclude=./work -cf /work/base.tar .
	mount -t sysfs sysfs /sys && mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 77
	get install podman podman-compose netavark aardvark-dns iptables crun buildah curl iproute2
	configure_podman
	import_bases
	podman run --rm --network host debian:bookworm-slim true || exit 77
	cp -r /work/source /tmp/app
	cd /tmp/app
	export POSTGRES_PASSWORD=chosen
	podman-compose --podman-build-args='--network host --pull=never -q' \
		build --build-arg "PG_MAJOR=$PG_MAJOR"
	podman images
	unshare --net "$0" run_compose
}

# The services of compose.yaml as their users have them: the database when its
# check says so, then the others; the broker is reached from the database.
run_compose() {
	ip link set lo up
	set -E
	trap 'podman ps -a; podman-compose logs 2>&1 | tail -60' ERR
	podman-compose up -d db
	wait_for 120 podman healthcheck run app_db_1
	podman-compose up -d
	wait_for 120 curl -fsS http://127.0.0.1:8080/health
	query() {
		beside --entrypoint psql -e PGPASSWORD="$POSTGRES_PASSWORD" app_db \
			-XAtq -v ON_ERROR_STOP=1 -h db -U postgres -d app "$@"
	}
	try_extension
	try_broker
	try_again
	podman-compose down -v
}

# Run one more container in the network of the services, with its input. What
# podman has one of theirs execute sees other files than the service where the
# kernel keeps back groups of processes.
beside() {
	podman run --rm -i --network app_inside "$@"
}

# An event goes to the broker and comes back, by the server that compose.sql
# makes.
try_broker() {
	local event='{"user_id": "7", "service_id": "wiki",
	"service_name": "Wiki", "timestamp": "2026-01-01T00:00:00Z"}'
	wait_for 120 expect "SELECT pg_catalog.bool_and(c.ok) FROM evaudit.check_server('kafka') c" t
	query -c "SELECT evaudit.create_source('logins', 'kafka',
		options => '{\"topics\": \"logins\", \"start\": \"earliest\"}')"
	beside "$(image_of broker)" java -cp '/opt/kafka/jars/*' \
		kafka.tools.ConsoleProducer --bootstrap-server broker:9092 \
		--topic logins <<<"${event//$'\n\t'/}"
	wait_for 120 expect "SELECT services_for_user('7') -> 'services' -> 0 ->> 'service_id'" wiki
}

# What the database keeps is there when the services were made anew.
try_again() {
	podman-compose down
	podman-compose up -d
	wait_for 120 podman healthcheck run app_db_1
	wait_for 120 curl -fsS http://127.0.0.1:8080/health
	expect "SELECT services_for_user('7') -> 'services' -> 0 ->> 'service_id'" wiki
}
