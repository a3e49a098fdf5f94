"""The listening socket of a port, which no other process shares.

granian would share a port between processes (SO_REUSEPORT), and not notice that it is taken. This
socket is bound before there are workers, and all of them accept from it: a connection waits for any
worker, and none is lost with one.
"""

import errno
import socket

from .limits import BACKLOG, bound_unread

LOOPBACK = "127.0.0.1"

_NO_SUCH_ADDRESS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""Errors after which another address of the same name is tried."""


class PortTaken(Exception):
    """The port cannot be used; the text says which and why, the cause is the system's error."""


def authority(host: str, port: int) -> str:
    """Return host and port as in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host`:`port`, any free port for 0. Raises PortTaken.

    `host` is an address or a name. Of a name's addresses the first that this machine has is used,
    IPv4 before IPv6. Connections wait until they are accepted.
    """
    listener = reserve(host, port)
    try:
        listener.listen(BACKLOG)  # only now is the port taken: two may be bound to it
    except OSError as error:
        listener.close()
        raise _port_taken(host, port, error) from error
    return listener


def reserve(host: str, port: int) -> socket.socket:
    """Return a socket bound like that of `bind`, which does not listen. Raises PortTaken.

    Others may still bind the port and listen: this is a check.
    """
    try:
        return _first(_addresses(host, port))
    except OSError as error:
        raise _port_taken(host, port, error) from error


def _port_taken(host: str, port: int, error: OSError) -> PortTaken:
    return PortTaken(f"cannot listen on {authority(host, port)}: {error.strerror}")


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[object, ...]]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except UnicodeError as error:  # no name by the rules of IDNA
        raise OSError(errno.EINVAL, "not a host name") from error
    ipv4_first = sorted(found, key=lambda each: each[0] != socket.AF_INET)
    return [(family, address) for family, _, _, _, address in ipv4_first]


def _first(addresses: list[tuple[socket.AddressFamily, tuple[object, ...]]]) -> socket.socket:
    *others, last = addresses
    for each in others:
        try:
            return _bound(*each)
        except OSError as error:
            if error.errno not in _NO_SUCH_ADDRESS:
                raise
    return _bound(*last)


def _bound(family: socket.AddressFamily, address: tuple[object, ...]) -> socket.socket:
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted ones inherit it
        bound_unread(listener)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener
