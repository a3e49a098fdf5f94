# syntax=docker/dockerfile:1
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /build && python -m venv /opt/gateway

# Every wheel the lock names is fetched and checked against its hash; nothing else is at hand below.
COPY requirements.lock ./
RUN /build/bin/pip download --require-hashes --only-binary :all: -r requirements.lock -d /wheels -q

COPY pyproject.toml README.md ./
COPY gateway gateway
RUN /build/bin/pip install -q --no-index --find-links /wheels hatchling \
 && /build/bin/pip wheel -q --no-index --no-deps --no-build-isolation -w /dist . \
 && /opt/gateway/bin/pip install -q --no-index --find-links /wheels /dist/*.whl \
 && /opt/gateway/bin/pip uninstall -q -y setuptools pip

FROM python:3.11-slim-bookworm
COPY --from=build /opt/gateway /opt/gateway
RUN useradd --system --uid 10001 --no-create-home gateway
USER 10001
ENV PATH=/opt/gateway/bin:$PATH PYTHONUNBUFFERED=1 GATEWAY_HOST=0.0.0.0
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import os, urllib.request; \
urllib.request.urlopen(f\"http://127.0.0.1:{os.environ.get('GATEWAY_PORT', '8080')}/healthz\", timeout=2)"]
ENTRYPOINT ["gateway"]
CMD ["serve"]
