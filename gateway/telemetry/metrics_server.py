"""The private listener: a thread of the supervisor that answers scrapes.

prometheus-client's own server asks the resolver for this machine's name as it starts, which takes
seconds where there is none, waits for ever for a client that sends nothing, and tells the versions
of what it is made of. Its handler is used here; anything but a GET is not for it.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Thread

from prometheus_client import CollectorRegistry, MetricsHandler
from prometheus_client.registry import Collector

_PATIENCE = 5.0
"""Seconds in which a client must go on sending, or taking."""

_POLL = 0.1
"""Seconds after which the end is noticed."""


@contextmanager
def metrics_at(host: str, port: int, collector: Collector) -> Iterator[int]:
    """Answer scrapes there until the block is left; give the port. Raises OSError."""
    registry = CollectorRegistry()
    registry.register(collector)
    with _Server(host, port, _Scrape.factory(registry)) as server:
        os.register_at_fork(after_in_child=server.socket.close)  # or a worker would keep the port
        thread = Thread(target=server.serve_forever, args=(_POLL,), name="metrics")
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class _Scrape(MetricsHandler):
    timeout = _PATIENCE
    server_version = "gateway"
    sys_version = ""


class _Server(ThreadingHTTPServer):
    block_on_close = False

    def __init__(self, host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), handler)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "gateway", self.socket.getsockname()[1]
