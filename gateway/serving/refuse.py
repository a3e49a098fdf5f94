"""Closing granian's listening socket while it goes on with its connections.

granian can only do both at once, and then also closes connections on which the first request is
still on its way. So the socket is taken from under it: its descriptor becomes that of one that
listens too, but where nobody asks.
"""

import os
import socket
from pathlib import Path

from .port import LOOPBACK

_DESCRIPTORS = Path("/dev/fd")


def refuse_connections(port: int) -> None:
    """Have the system refuse connections to this process's `port` from now on."""
    for descriptor in sorted(int(each.name) for each in _DESCRIPTORS.iterdir()):
        if _listens(descriptor, port):
            with socket.create_server((LOOPBACK, 0)) as nowhere:
                nowhere.settimeout(0)  # granian takes a refusal to wait for an error
                os.dup2(nowhere.fileno(), descriptor, inheritable=False)
            return


def _listens(descriptor: int, port: int) -> bool:
    try:
        probe = socket.socket(fileno=descriptor)
    except OSError:  # not a socket, or closed meanwhile
        return False
    try:
        if not probe.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return False
        return probe.family != socket.AF_UNIX and probe.getsockname()[1] == port
    finally:
        probe.detach()
