"""Whether a port can be listened on.

granian shares a port between processes (SO_REUSEPORT), so one that is already taken would go
unnoticed; `require_free` looks first.
"""

import socket

LOOPBACK = "127.0.0.1"


class PortTaken(Exception):
    """Nothing can listen there; the text says where and why."""


def require_free(host: str, port: int) -> None:
    """Raise PortTaken unless `host`:`port` can be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(f"cannot listen on {host}:{port}: {error.strerror}") from error
