"""Whether a port can be listened on.

granian shares a port between processes (SO_REUSEPORT), so one that is already taken would go
unnoticed; `require_free` looks first.
"""

import socket

LOOPBACK = "127.0.0.1"


class PortTaken(Exception):
    """Nothing can listen there; the text says where and why."""


def authority(host: str, port: int) -> str:
    """Return the two as URLs have them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def require_free(host: str, port: int) -> None:
    """Raise PortTaken, from what the system says, unless `host`:`port` can be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        where = authority(host, port)
        raise PortTaken(f"cannot listen on {where}: {error.strerror}") from error
