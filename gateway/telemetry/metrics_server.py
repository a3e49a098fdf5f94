"""The private listener: a thread of the supervisor that answers scrapes.

It uses prometheus-client's handler, which answers GET only, but not its server. That one resolves
the machine's name as it starts, for seconds without a resolver. It waits for ever for a silent
client, and shows its library versions.
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

_TIMEOUT = 5.0
"""Seconds for one read from a client, or one write to it."""

_POLL = 0.1
"""Seconds between two checks for the shutdown."""


@contextmanager
def metrics_at(host: str, port: int, collector: Collector) -> Iterator[int]:
    """Answer scrapes until the block is left; yield the port. Raises OSError."""
    registry = CollectorRegistry()
    registry.register(collector)
    with _Server(host, port, _Scrape.factory(registry)) as server:
        os.register_at_fork(after_in_child=server.socket.close)  # a worker must not hold the port
        thread = Thread(target=server.serve_forever, args=(_POLL,), name="metrics")
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class _Scrape(MetricsHandler):
    timeout = _TIMEOUT
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
