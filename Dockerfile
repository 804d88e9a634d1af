# Builds `levee` with the web sites in it and ships it alone, as a user without rights.
FROM node:22-bookworm-slim AS sites
WORKDIR /src/clients
COPY clients .
RUN npm ci --no-audit --no-fund && npm run build

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
COPY --from=sites /src/clients/dist clients/dist
RUN cargo build --release --locked --bin levee

FROM debian:bookworm-slim
RUN useradd --system --home-dir /var/lib/levee --create-home levee
COPY --from=build /src/target/release/levee /usr/local/bin/levee
USER levee
VOLUME /var/lib/levee
EXPOSE 4000
# io_uring is forbidden by the default seccomp profile of container engines: the service then starts on epoll and says
# so. `docker run --security-opt seccomp=unconfined`, or a profile that allows the io_uring calls, gives it back.
HEALTHCHECK --interval=10s --timeout=2s CMD ["bash", "-c", \
    "exec 3<>/dev/tcp/127.0.0.1/4000 && printf 'GET /health HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q ok <&3"]
ENTRYPOINT ["levee"]
CMD ["serve", "--listen", "0.0.0.0:4000", "--data", "/var/lib/levee"]
