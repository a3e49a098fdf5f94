"""Checks of the listeners: this machine has their addresses, and nothing else listens there.

A gateway that already listens there does not fail the check, which is also run beside one.
"""

import errno
import secrets
import socket
from collections.abc import Iterator
from contextlib import suppress
from types import MappingProxyType

from msgspec import Struct

from gateway import serving
from gateway.settings import Settings

from .finding import Finding, Severity

_PATIENCE = 2.0
"""Seconds for the answer of a process that listens there."""

_ANSWER_SIZE = 4096

_ADVICE = MappingProxyType(
    {
        errno.EADDRINUSE: "stop the process that listens there, or ",
        errno.EACCES: "ports below 1024 need CAP_NET_BIND_SERVICE; grant it, or ",
        errno.EADDRNOTAVAIL: "this machine has no such address; ",
        errno.EAFNOSUPPORT: "this machine has no IPv6; ",
        socket.EAI_NONAME: "no resolver knows the name; ",
        socket.EAI_AGAIN: "no resolver answered; ",
    }
)
_OF_PORT = frozenset({errno.EADDRINUSE, errno.EACCES})


class Listener(Struct, frozen=True):
    """A listener: `name` begins its variables, `path` is one that a gateway answers there."""

    host: str
    port: int
    name: str
    path: str
    note: str = ""

    def refusal(self, error: serving.PortTaken) -> str:
        """Return why it cannot listen, with advice."""
        advice = _ADVICE.get(_number(error), "")
        others = f"{self.name}HOST and {self.name}PORT{self.note}"
        return f"{error}; {advice}choose others with {others}"


def listeners(settings: Settings) -> Iterator[Listener]:
    """Yield the public listener, and the private one if it is on."""
    yield Listener(settings.host, settings.port, "GATEWAY_", "/healthz")
    if settings.metrics_port:
        host, port = settings.metrics_host, settings.metrics_port
        yield Listener(host, port, "GATEWAY_METRICS_", "/metrics", " (0: none)")


def listener_findings(settings: Settings) -> Iterator[Finding]:
    """Try each listener's address, without listening."""
    taken = set()
    for each in listeners(settings):
        try:
            with serving.bind(each.host, each.port) as reserved:
                address = reserved.getsockname()
        except serving.PortTaken as error:
            yield _judged(each, error)
            continue
        where = serving.authority(each.host, each.port)
        if address in taken:
            message = f"{where} is the public listener's address too; choose another"
            yield Finding(Severity.FAILED, f"{each.name}PORT", message)
        else:
            yield Finding(Severity.OK, "listener", f"{where} is free")
        taken.add(address)


def _judged(listener: Listener, error: serving.PortTaken) -> Finding:
    number = _number(error)
    if number == errno.EADDRINUSE and _is_gateway(listener):
        where = serving.authority(listener.host, listener.port)
        return Finding(
            Severity.INFO, f"{listener.name}PORT", f"a gateway listens on {where} already"
        )
    variable = f"{listener.name}{'PORT' if number in _OF_PORT else 'HOST'}"
    return Finding(Severity.FAILED, variable, listener.refusal(error))


def _is_gateway(listener: Listener) -> bool:
    """Ask the process that listens there; a gateway answers with its name or the request's id."""
    request_id = secrets.token_hex(8)
    request = f"GET {listener.path} HTTP/1.1\r\nHost: gateway\r\nX-Request-Id: {request_id}\r\n\r\n"
    with suppress(OSError):
        address = (listener.host, listener.port)
        with socket.create_connection(address, timeout=_PATIENCE) as client:
            client.sendall(request.encode())
            answer = client.recv(_ANSWER_SIZE).lower()
            return b"server: gateway" in answer or request_id.encode() in answer
    return False


def _number(error: serving.PortTaken) -> int:
    cause = error.__cause__
    return (cause.errno or 0) if isinstance(cause, OSError) else 0
