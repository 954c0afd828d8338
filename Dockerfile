# The two services, and the jobs that prepare what they run on. Works with the classic builder and with BuildKit:
#   docker build -t cartledger/services .                     docker build --build-arg SUITE=bookworm .
#   docker build -t cartledger/jobs --target jobs .
# The same sources on the same Debian packages make the same files (docs/deployment.md): what a layer adds gets the time
# SOURCE_DATE_EPOCH. Logs and caches that the base has are emptied, not removed: a removal carries the time of the build.
ARG SUITE=trixie
ARG SOURCE_DATE_EPOCH=1767225600

FROM debian:${SUITE}-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev libcurl4-openssl-dev libjansson-dev libjemalloc-dev \
        libmicrohttpd-dev libpq-dev librdkafka-dev meson nettle-dev ninja-build pkg-config python3-yaml \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY meson.build meson_options.txt ./
COPY common common
COPY command-service command-service
COPY query-service query-service
COPY contracts contracts
COPY tools/openapi_bundle.py tools/
# No paths of this stage in the programs; the build-id is a hash of the rest.
ARG SOURCE_DATE_EPOCH
RUN meson setup /build --buildtype=release -Db_ndebug=false -Dtests=disabled --prefix=/usr --strip \
        -Dc_args=-ffile-prefix-map=/source=. \
 && meson install -C /build --destdir /install \
 && find /install -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

FROM debian:${SUITE}-slim AS services
ARG SOURCE_DATE_EPOCH
ARG REVISION=unknown
LABEL org.opencontainers.image.title="cartledger" \
      org.opencontainers.image.description="command-service and query-service of an event-sourced shopping cart" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="${REVISION}"
# The names of the libraries differ between the suites; what was installed stands in /usr/share/cartledger/packages.
RUN touch /began && apt-get update \
 && apt-get install -y --no-install-recommends libcurl4 libjansson4 libjemalloc2 libmicrohttpd12 libnettle8 libpq5 \
        librdkafka1 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin \
 && mkdir -p /usr/share/cartledger \
 && dpkg-query -W -f '${Package} ${Version} ${Architecture}\n' >/usr/share/cartledger/packages \
 && useradd --system --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin cartledger \
 && find /var/log /var/cache -type f -exec truncate --size=0 {} + \
 && find / -xdev -newer /began -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} + && rm /began
COPY --from=build /install /
USER 10001:10001
# Each service reads its settings from the environment: docs/configuration.md.
CMD ["command-service"]

# What the jobs add of ours, with the times and modes that an image of the same sources has anywhere.
FROM debian:${SUITE}-slim AS jobs-files
ARG SOURCE_DATE_EPOCH
COPY migrations /install/usr/share/cartledger/migrations
COPY tools/cartledger-migrate /install/usr/share/cartledger/tools/
COPY tools/devstack /install/usr/share/cartledger/tools/devstack
COPY deploy/jobs /install/usr/lib/cartledger
RUN chmod -R u=rwX,go=rX /install \
 && find /install -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

# psql and cartledger-migrate, for the jobs of docker-compose.yml: secrets, migrate, shop.
FROM debian:${SUITE}-slim AS jobs
ARG SOURCE_DATE_EPOCH
RUN touch /began && apt-get update \
 && apt-get install -y --no-install-recommends curl postgresql-client python3-psycopg2 sql-migrate \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin \
 && useradd --system --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin cartledger \
 && install -d -o 10001 -g 10001 /secrets /secrets/superuser /secrets/owners /secrets/command /secrets/query \
 && find /var/log /var/cache -type f -exec truncate --size=0 {} + \
 && find / -xdev -newer /began -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} + && rm /began
COPY --from=jobs-files /install /
USER 10001:10001

# What `docker build .` makes.
FROM services
