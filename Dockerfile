FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /build && python -m venv --without-pip /opt/gateway

# Every wheel the lock names is fetched and checked against its hash; nothing else is at hand below.
# An index of your own: `docker build --secret id=pip,src=pip.conf`, and `id=ca` for its authority.
COPY requirements.lock ./
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca,target=/etc/pip.pem \
    /build/bin/pip download -q --require-hashes --only-binary :all: -r requirements.lock -d /wheels

COPY pyproject.toml README.md ./
COPY gateway gateway
ENV PIP_QUIET=1 PIP_NO_CACHE_DIR=1 PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels
RUN /build/bin/pip install hatchling \
 && /build/bin/pip wheel --no-deps --no-build-isolation -w /wheels . \
 && /build/bin/pip --python /opt/gateway/bin/python install 'live-room-gateway[otel]'

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="Live room gateway" \
      org.opencontainers.image.version="0.1.0"
RUN useradd --uid 10001 --user-group --home-dir / --shell /usr/sbin/nologin --no-log-init gateway
COPY --from=build /opt/gateway /opt/gateway
USER 10001:10001
ENV PATH=/opt/gateway/bin:$PATH PYTHONUNBUFFERED=1 GATEWAY_HOST=0.0.0.0 GATEWAY_METRICS_HOST=0.0.0.0
EXPOSE 8080 9090
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-ISc", "import os, sys; from http.client import HTTPConnection as Http; \
to = Http(os.environ['GATEWAY_HOST'], os.environ.get('GATEWAY_PORT', 8080), timeout=2); \
to.request('GET', '/healthz'); sys.exit(to.getresponse().status != 200)"]
ENTRYPOINT ["gateway"]
CMD ["serve"]
