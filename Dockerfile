# The official image of PostgreSQL with evaudit, and an image of evaudit-http:
#
#   docker build --build-arg PG_MAJOR=18 -t evaudit .
#   docker build --target front -t evaudit-http .

ARG PG_MAJOR=18

FROM postgres:${PG_MAJOR}-bookworm AS build
ARG PG_MAJOR
RUN apt-get update && apt-get install -y --no-install-recommends \
	build-essential pkg-config "postgresql-server-dev-$PG_MAJOR" \
	libcjson-dev libcurl4-openssl-dev libmicrohttpd-dev libpcre2-dev libpq-dev \
	librdkafka-dev libssl-dev libzstd-dev zlib1g-dev
COPY . /src
RUN make -j"$(nproc)" -C /src "PG_CONFIG=/usr/lib/postgresql/$PG_MAJOR/bin/pg_config" && \
	make -C /src install DESTDIR=/out \
	"PG_CONFIG=/usr/lib/postgresql/$PG_MAJOR/bin/pg_config" && \
	mkdir /front && mv "/out/usr/lib/postgresql/$PG_MAJOR/bin/evaudit-http" /front

FROM debian:bookworm-slim AS front
RUN apt-get update && apt-get install -y --no-install-recommends \
	libcjson1 libmicrohttpd12 libpq5 && rm -rf /var/lib/apt/lists/*
COPY --from=build /front/ /usr/bin/
USER nobody
EXPOSE 8080
ENTRYPOINT ["/usr/bin/evaudit-http"]
CMD ["--listen", "0.0.0.0:8080"]

FROM postgres:${PG_MAJOR}-bookworm
ARG PG_MAJOR
RUN apt-get update && apt-get install -y --no-install-recommends \
	libcjson1 libcurl4 libpcre2-8-0 librdkafka1 && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/ /
# in the sample, so that each cluster made from it preloads the library
RUN echo "shared_preload_libraries = 'evaudit'" \
	>>"/usr/share/postgresql/$PG_MAJOR/postgresql.conf.sample"
