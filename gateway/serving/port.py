"""A port that no other gateway has, and the sockets that listen on it.

Each worker listens on a socket of its own (SO_REUSEPORT), so the system spreads connections evenly.
From one socket for all, one worker took 63 of 64 connections that came at once, before the other
was awake. But sockets of another process could share the port the same way, unnoticed.
"""

import errno
import socket
import sys
from contextlib import closing

from .limits import bound_unread

LOOPBACK = "127.0.0.1"

_Address = tuple[socket.AddressFamily, tuple[object, ...]]

_NO_SUCH_ADDRESS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""Errors after which another address of the same name is tried."""


class PortTaken(Exception):
    """The port cannot be used; the text says which and why, the cause is the system's error."""


class ReservedPort(socket.socket):
    """A bound socket that never listens: it keeps the port for this process and its workers."""

    def __init__(self, address: _Address, lock: socket.socket) -> None:
        family, self._address = address
        super().__init__(family)
        self._lock = lock
        _bind_shared(self, self._address)

    def listener(self) -> socket.socket:
        """Return another socket bound to this port, for a worker to listen on. Raises OSError."""
        listener = socket.socket(self.family)
        try:
            _bind_shared(listener, self.getsockname())
        except OSError:
            listener.close()
            raise
        return listener

    def close(self) -> None:
        """Leave the port to others."""
        self._lock.close()
        super().close()


def authority(host: str, port: int) -> str:
    """Return host and port as in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def bind_alone(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address, for this process alone to listen on. Raises PortTaken.

    On Windows SO_REUSEADDR would let other processes have the port too.
    """
    listener = socket.socket()
    try:
        alone = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
        listener.setsockopt(socket.SOL_SOCKET, alone, 1)
        _bind(listener, (host, port))
    except OSError as error:
        listener.close()
        raise _taken(host, port, error) from error
    return listener


def bind(host: str, port: int) -> ReservedPort:
    """Reserve `host`:`port`, any free port for 0. Raises PortTaken.

    `host` is an address or a name. Of a name's addresses the first that this machine has is used,
    IPv4 before IPv6.
    """
    try:
        return _first(_addresses(host, port))
    except OSError as error:
        raise _taken(host, port, error) from error


def _taken(host: str, port: int, error: OSError) -> PortTaken:
    return PortTaken(f"cannot listen on {authority(host, port)}: {error.strerror}")


def _addresses(host: str, port: int) -> list[_Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except UnicodeError as error:  # no name by the rules of IDNA
        raise OSError(errno.EINVAL, "not a host name") from error
    ipv4_first = sorted(found, key=lambda each: each[0] != socket.AF_INET)
    return [(family, address) for family, _, _, _, address in ipv4_first]


def _first(addresses: list[_Address]) -> ReservedPort:
    *others, last = addresses
    for each in others:
        try:
            return _reserved(each)
        except OSError as error:
            if error.errno not in _NO_SUCH_ADDRESS:
                raise
    return _reserved(last)


def _reserved(address: _Address) -> ReservedPort:
    lock = _lock(address)
    try:
        _require_free(address)
        return ReservedPort(address, lock)
    except OSError:
        lock.close()
        raise


def _require_free(address: _Address) -> None:
    """Raise OSError if another process has the port, shared or not."""
    family, where = address
    with closing(socket.socket(family)) as alone:
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        alone.bind(where)


def _lock(address: _Address) -> socket.socket:
    """Return a socket whose name this process alone has, until it ends. Raises OSError.

    Two gateways that begin at once would both find the port free. The name is one of Linux'
    abstract ones, which belong to a network namespace as ports do.
    """
    _, (host, port, *_) = address
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if sys.platform == "linux" and port:
        try:
            lock.bind(f"\0live-room-gateway on {host} {port}")
        except OSError:
            lock.close()
            raise
    return lock


def _bind_shared(listener: socket.socket, address: tuple[object, ...]) -> None:
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        listener.setsockopt(socket.SOL_SOCKET, option, 1)
    _bind(listener, address)


def _bind(listener: socket.socket, address: tuple[object, ...]) -> None:
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted ones inherit it
    bound_unread(listener)
    listener.bind(address)
