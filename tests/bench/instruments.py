"""The cost of metrics in a cached read: `python -m tests.bench.instruments`.

Prints microseconds for the calls on instruments that one read makes, repeated alone, and for the
whole read, both in this process.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from io import BytesIO
from typing import Any, cast

import httpx
import jwt
from litestar.types import ASGIApp

from gateway import app
from gateway.metrics import Metrics
from gateway.sandbox import Vendor
from gateway.settings import load
from gateway.telemetry import Telemetry, build_logger

_SECRET = "a-secret-for-this-measurement-only-"
_READS, _ROUNDS = 5_000, 21


class _Recording:
    """Metrics that record their calls in `done`, to be repeated."""

    def __init__(self) -> None:
        self._metrics = Metrics()
        self.done: list[Callable[[], None]] = []

    def __getattr__(self, name: str) -> "_Instrument":
        return _Instrument(getattr(self._metrics, name), self.done)


class _Instrument:
    def __init__(self, instrument: object, done: list[Callable[[], None]]) -> None:
        self._instrument = instrument
        self._done = done

    def __getattr__(self, name: str) -> Callable[..., Any]:
        act = getattr(self._instrument, name)
        if name == "bound":
            return lambda *labels: self._noting(act(*labels))
        return self._noting(act)

    def _noting(self, act: Callable[..., None]) -> Callable[..., None]:
        def noting(*given: object) -> None:
            self._done.append(partial(act, *given))

        return noting


class _Gateway:
    """A gateway and a read of a cached room."""

    def __init__(self, vendor: Vendor, metrics: Metrics) -> None:
        settings = load(
            {
                "GATEWAY_ACCESS_KEY": "ak",
                "GATEWAY_SECRET_KEY": "sk",
                "GATEWAY_JWT_SECRET": _SECRET,
                "GATEWAY_UPSTREAM_URL": "http://vendor.invalid",
                "GATEWAY_CACHE_TTL": "3600",
                "GATEWAY_RATE_LIMIT_READS": "999999999/minute",
            }
        )
        telemetry = Telemetry(build_logger("error", "json", BytesIO()), None)
        self._app: ASGIApp = app.build(
            settings, telemetry, metrics, transport=httpx.ASGITransport(cast("Any", vendor))
        )

    async def ask(self, method: str, path: str, user: str, body: bytes = b"") -> Any:
        """Return the messages of an answer."""
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(cast("Any", _scope(method, path, user)), receive, send)
        return sent

    async def seconds(self, path: str) -> float:
        """Return the mean duration of a read of the room at `path`."""
        scopes = [cast("Any", dict(_scope("GET", path, "bob"))) for _ in range(_READS)]
        began = time.perf_counter()
        for scope in scopes:
            await self._app(scope, _never, _nothing)
        return (time.perf_counter() - began) / _READS


def _scope(method: str, path: str, user: str) -> Mapping[str, Any]:
    token = jwt.encode({"sub": user, "exp": 4_000_000_000}, _SECRET, algorithm="HS256")
    headers = [
        (b"host", b"gateway.invalid"),
        (b"authorization", f"Bearer {token}".encode()),
        (b"content-type", b"application/json"),
    ]
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "client": ("127.0.0.1", 1),
        "headers": headers,
    }


async def _never() -> Any:
    await asyncio.Event().wait()


async def _nothing(_: Any) -> None:
    """Send nothing."""


async def _measure() -> tuple[float, float]:
    vendor = Vendor("ak", "sk", anchors=["alice"])
    recording = _Recording()
    noted = _Gateway(vendor, cast("Metrics", recording))
    counting = _Gateway(vendor, Metrics())
    start, *_ = await counting.ask("POST", "/v1/rooms", "alice", b'{"title":"t"}')
    path = dict(start["headers"])[b"location"].decode()
    for each in (counting, noted):
        await each.ask("GET", path, "bob")
    recording.done.clear()
    await noted.ask("GET", path, "bob")
    rounds = [(_again(recording.done), await counting.seconds(path)) for _ in range(_ROUNDS)]
    metrics, whole = (statistics.median(each) for each in zip(*rounds, strict=True))
    return metrics, whole


def _again(acts: Sequence[Callable[[], None]]) -> float:
    began = time.perf_counter()
    for _ in range(_READS):
        for act in acts:
            act()
    return (time.perf_counter() - began) / _READS


if __name__ == "__main__":
    print("{:.3f} {:.3f}".format(*(seconds * 1e6 for seconds in asyncio.run(_measure()))))
