"""A check that a port is free.

granian shares a port between processes (SO_REUSEPORT) and would not notice that it is taken.
"""

import socket

LOOPBACK = "127.0.0.1"


class PortTaken(Exception):
    """The port cannot be used; the text says which and why."""


def authority(host: str, port: int) -> str:
    """Return host and port as in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def require_free(host: str, port: int) -> None:
    """Raise PortTaken, from the system's error, unless `host`:`port` can be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        where = authority(host, port)
        raise PortTaken(f"cannot listen on {where}: {error.strerror}") from error
