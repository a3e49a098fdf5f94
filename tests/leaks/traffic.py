"""Gateways that run at debug level with canaries for keys, and a record of all they say.

The one thing taken out of it is the `push_url` in its own anchor's answer, which must be that
room's.
"""

import io
import json
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry, generate_latest
from structlog.typing import FilteringBoundLogger

from gateway import app
from gateway.metrics import Metrics
from gateway.serving import Application, listening
from gateway.settings import Settings, load
from gateway.telemetry import (
    AccessLog,
    Exposition,
    Telemetry,
    as_event,
    as_json,
    build_logger,
    caller_ids,
)
from gateway.traces import Tracing
from gateway.traces.sdk import open_telemetry
from tests.leaks.canaries import CALLBACK, KEYS, PUSH, TOKENS, push_url, token
from tests.leaks.telltale import signature_in, telltale
from tests.live.fault_server import Server, serving
from tests.live.gateways import no_pause

APP = "https://app.example.com"
COOKIE = "session"
TIMEOUT = 0.3
STYLES = ("json", "console")

DEBUG = {
    "GATEWAY_LOG_LEVEL": "debug",
    "GATEWAY_UPSTREAM_TIMEOUT": str(TIMEOUT),
    "GATEWAY_RATE_LIMIT_READS": "off",
    "GATEWAY_RATE_LIMIT_WRITES": "off",
    "GATEWAY_RATE_LIMIT_FAILED_AUTH": "off",
    "GATEWAY_JWT_COOKIE": COOKIE,
    "GATEWAY_CORS_ORIGINS": APP,
    "GATEWAY_CALLBACK_SECRET": CALLBACK,
    "GATEWAY_VENDOR_APP_ID": "app",
}

_PLAIN_HTTP = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass
class Heard:
    """All output by channel, the codes of all problems, and secrets that arose meanwhile."""

    said: defaultdict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    codes: set[str] = field(default_factory=set)
    arisen: dict[str, str] = field(default_factory=dict)

    def answer(self, user: str | None, answer: httpx.Response) -> None:
        """Note an answer to a user, but for a `push_url` of their own."""
        headers = b"\r\n".join(b"%b: %b" % each for each in answer.headers.raw)
        self.said["headers"].append(headers)
        body = answer.content
        if answer.headers.get("content-type") == "application/problem+json" and body:
            self.codes.add(json.JSONDecoder().raw_decode(body.decode())[0]["code"])
        elif user in PUSH and b'"push_url"' in body and answer.is_success:
            body = _without_push_url(user, body)
        self.said["bodies"].append(body)

    def upstream(self, server: Server) -> None:
        """Note the signatures of all calls."""
        for each in server.received:
            if each.target.startswith("/client/"):
                continue  # has a token, all of which are known
            signature = signature_in(each)
            self.arisen[f"signature {signature[:3]}"] = signature


def _without_push_url(user: str, body: bytes) -> bytes:
    text = body.decode()
    room, end = json.JSONDecoder().raw_decode(text)
    if "push_url" in room:
        assert room["anchor_info"]["user_id"] == user
        assert room.pop("push_url") == push_url(user, room["live_id"])
    return f"{json.dumps(room)}{text[end:]}".encode()


@dataclass(frozen=True)
class Client:
    """A client of a gateway, whose answers are heard."""

    http: httpx.AsyncClient
    heard: Heard

    async def ask(self, user: str | None, method: str, path: str, **parts: Any) -> httpx.Response:
        """Send a request with a user's token, or with none."""
        headers = [*parts.pop("headers", {}).items()]
        if user is not None:
            text = TOKENS[user] if user in TOKENS else token(user)
            headers.append(("Authorization", f"Bearer {text}"))
        return await self.send(user, method, path, headers=headers, **parts)

    async def send(self, user: str | None, method: str, path: str, **parts: Any) -> httpx.Response:
        """Send a request as it is, whose answer is for this user."""
        answer = await self.http.request(method, path, **parts)
        self.heard.answer(user, answer)
        return answer


class Exported(SpanExporter):
    """Notes every span as it would be sent to a collector."""

    def __init__(self, said: list[bytes]) -> None:
        self._said = said

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Note spans."""
        self._said.append(encode_spans(spans).SerializeToString())
        return SpanExportResult.SUCCESS


class Both:
    """A log that writes every event to several."""

    def __init__(self, logs: Sequence[FilteringBoundLogger]) -> None:
        self._logs = logs

    def __getattr__(self, name: str) -> Callable[..., None]:
        def write(*event: object, **more: object) -> None:
            for each in self._logs:
                getattr(each, name)(*event, **more)

        return write


@dataclass(frozen=True)
class Scene:
    """A record for several gateways, and a wrapper around each of them."""

    heard: Heard
    around: Callable[[Application], Application] = lambda app: app
    bound: Mapping[str, str] = field(default_factory=dict)

    @asynccontextmanager
    async def gateway(
        self,
        upstream_url: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        **environ: str,
    ) -> AsyncIterator[Client]:
        """Run a gateway; `environ` are settings without their prefix, empty for unset."""
        changes = {f"GATEWAY_{name}": text for name, text in environ.items()}
        settings = load({**KEYS, **DEBUG, "GATEWAY_UPSTREAM_URL": upstream_url, **changes})
        metrics = Metrics()
        with self.log() as log, self.telemetry(settings, log, metrics) as telemetry:
            application = self.around(
                app.build(
                    settings,
                    telemetry,
                    metrics,
                    transport=transport,
                    tracing=self.tracing(),
                    sleep=no_pause,
                )
            )
            async with (
                listening(application, 0) as port,
                httpx.AsyncClient(
                    base_url=f"http://127.0.0.1:{port}",
                    trust_env=False,
                    timeout=20,
                    verify=_PLAIN_HTTP,
                    headers={"Accept-Encoding": "identity"},  # what is planted must be seen
                ) as http,
            ):
                yield Client(http, self.heard)

    @contextmanager
    def telemetry(
        self, settings: Settings, log: FilteringBoundLogger, metrics: Metrics
    ) -> Iterator[Telemetry]:
        """Yield the logs of a gateway, and record them and its `metrics`."""
        metrics.shared.begin()
        lines, people = io.BytesIO(), io.BytesIO()
        caller_id = caller_ids(settings.secret_key.reveal().encode())
        emits = (as_json(lines), as_event(build_logger("debug", "console", people)))
        access_log = AccessLog(
            lambda line: [emit(line) for emit in emits],
            caller_id=caller_id,
            trace_id=lambda: self.bound.get("planted"),
        )
        yield Telemetry(log, access_log, caller_id)
        self.heard.said["json log"].append(lines.getvalue())
        self.heard.said["console log"].append(people.getvalue())
        registry = CollectorRegistry()
        registry.register(Exposition([metrics.shared], self.bound.get("planted", "1")))
        self.heard.said["metrics"].append(generate_latest(registry))

    def tracing(self) -> Tracing:
        """Give traces, which are heard."""
        provider = TracerProvider(resource=Resource(dict(self.bound)), shutdown_on_exit=False)
        exporter = Exported(self.heard.said["traces"])
        return open_telemetry(provider, lambda: SimpleSpanProcessor(exporter))

    @contextmanager
    def log(self) -> Iterator[FilteringBoundLogger]:
        """Give a log that is heard, in both of its styles."""
        streams = {style: io.BytesIO() for style in STYLES}
        logs = [build_logger("debug", style, stream) for style, stream in streams.items()]
        yield cast("FilteringBoundLogger", Both([each.bind(**self.bound) for each in logs]))
        for style, stream in streams.items():
            self.heard.said[f"{style} log"].append(stream.getvalue())

    @asynccontextmanager
    async def world(self, **environ: str) -> AsyncIterator[Client]:
        """Run a gateway in front of the upstream that tells everything."""
        async with serving(telltale, scripts_users=True) as server:
            async with self.gateway(server.url, transport=None, **environ) as client:
                yield client
            self.heard.upstream(server)
