# One image with all six programs; docker-compose.yml says which of them a container runs.
#
# Builder and runtime stand on one Debian release, so that the programs find the C library that they were linked with.
# Both bases can be replaced (ci/long passes its own). rust-toolchain.toml stays outside the build: the builder image
# is the toolchain, of the same version.
ARG RUST_IMAGE=rust:1.95-trixie
ARG RUNTIME_IMAGE=debian:trixie-slim

FROM ${RUST_IMAGE} AS builder
WORKDIR /build

# First the dependencies, from the manifests alone: this layer stays in the cache until a manifest or the lock changes.
COPY Cargo.toml Cargo.lock ./
COPY entry-service/Cargo.toml entry-service/
COPY exit-service/Cargo.toml exit-service/
COPY gateway/Cargo.toml gateway/
COPY correlator/Cargo.toml correlator/
COPY summary-api/Cargo.toml summary-api/
COPY crates/access/Cargo.toml crates/access/
COPY crates/api/Cargo.toml crates/api/
COPY crates/build-identity/Cargo.toml crates/build-identity/
COPY crates/bus/Cargo.toml crates/bus/
COPY crates/camera-formats/Cargo.toml crates/camera-formats/
COPY crates/event-files/Cargo.toml crates/event-files/
COPY crates/judging/Cargo.toml crates/judging/
COPY crates/ledger/Cargo.toml crates/ledger/
COPY crates/ledger-stores/Cargo.toml crates/ledger-stores/
COPY crates/matching/Cargo.toml crates/matching/
COPY crates/operator-page/Cargo.toml crates/operator-page/
COPY crates/parking/Cargo.toml crates/parking/
COPY crates/recorder/Cargo.toml crates/recorder/
COPY crates/redis-cache/Cargo.toml crates/redis-cache/
COPY crates/replay/Cargo.toml crates/replay/
COPY crates/service-kit/Cargo.toml crates/service-kit/
COPY crates/sessions/Cargo.toml crates/sessions/
COPY crates/settings/Cargo.toml crates/settings/
COPY crates/simulator/Cargo.toml crates/simulator/
COPY crates/testbed/Cargo.toml crates/testbed/
COPY crates/tls/Cargo.toml crates/tls/
COPY crates/web-api/Cargo.toml crates/web-api/
COPY crates/webhooks/Cargo.toml crates/webhooks/
# Cargo wants a source for everything that a manifest names; these go away again, so that none is left beside the real
# ones.
RUN for manifest in Cargo.toml */Cargo.toml crates/*/Cargo.toml; do \
        folder="$(dirname "$manifest")"; \
        for source in src/lib.rs src/main.rs $(sed -n 's/^path = "\(.*\.rs\)"$/\1/p' "$manifest"); do \
            mkdir -p "$folder/$(dirname "$source")" && echo 'fn main() {}' > "$folder/$source" || exit 1; \
        done; \
    done \
    && cargo build --release --locked \
        --package dwell --package entry-service --package exit-service --package gateway --package correlator --package summary-api \
    && find . -path ./target -prune -o -name '*.rs' -exec rm {} +

COPY . .
# The builder has no repository: the commit, and the build time in seconds since 1970, are arguments. Without them the
# programs say "unknown", and the same sources build the same programs.
ARG BUILD_COMMIT=""
ARG SOURCE_DATE_EPOCH=""
# Cargo goes by the time of a file, and the copied ones are older than what was just built of their placeholders.
RUN find . -path ./target -prune -o -name '*.rs' -exec touch {} + \
    && cargo build --release --locked \
        --package dwell --package entry-service --package exit-service --package gateway --package correlator --package summary-api

FROM ${RUNTIME_IMAGE}
# The folders are made and owned before they become volumes: a new named volume takes its owner from here.
RUN mkdir -p /var/lib/dwell /work && chown 10001:10001 /var/lib/dwell /work && chmod 0750 /var/lib/dwell /work
COPY --from=builder \
    /build/target/release/dwell \
    /build/target/release/entry-service \
    /build/target/release/exit-service \
    /build/target/release/gateway \
    /build/target/release/correlator \
    /build/target/release/summary-api \
    /usr/local/bin/
# The authorities that servers' certificates may be of; the slim image has none.
COPY --from=builder /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
# By number, so that a cluster can check that it is not root.
USER 10001:10001
WORKDIR /var/lib/dwell
ENV DWELL_DATA_DIR=/var/lib/dwell
VOLUME ["/var/lib/dwell"]
EXPOSE 5000 8080 50051 2112 2113 2114 2115
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/dwell"]
