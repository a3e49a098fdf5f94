"""A port is reserved once, and refused with the system's reason."""

import errno
import selectors
import socket
from contextlib import closing

import pytest

from gateway.serving import LOOPBACK, PortTaken, bind
from tests.commands import free_port


@pytest.mark.parametrize("listening", [False, True])
def test_a_port_is_reserved_once(*, listening: bool) -> None:
    """A second reservation is refused, whether somebody listens already or not."""
    with bind(LOOPBACK, free_port()) as first, first.listener() as listener:
        if listening:
            listener.listen()
        port = first.getsockname()[1]
        with pytest.raises(PortTaken, match=f"cannot listen on 127.0.0.1:{port}: Address") as told:
            bind(LOOPBACK, port)
        assert isinstance(told.value.__cause__, OSError)
        assert told.value.__cause__.errno == errno.EADDRINUSE
    bind(LOOPBACK, port).close()


def test_another_program_has_the_port() -> None:
    """A port on which another program listens is refused, even if it would share it."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind((LOOPBACK, 0))
        other.listen()
        with pytest.raises(PortTaken, match="Address already in use"):
            bind(*other.getsockname())


def test_listeners_share_a_port() -> None:
    """Each listener of a reservation accepts connections, without a delay for small packets."""
    with bind(LOOPBACK, 0) as reserved, reserved.listener() as one, reserved.listener() as two:
        accepted: set[socket.socket] = set()
        for listener in (one, two):
            listener.listen()
        while len(accepted) < 2:
            with socket.create_connection(reserved.getsockname()):
                ((ready, _), *_) = readable(one, two)
                with ready.accept()[0] as connection:
                    accepted.add(ready)
                    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def readable(*listeners: socket.socket) -> list[tuple[socket.socket, int]]:
    """Return the sockets that have a connection to accept."""
    with selectors.DefaultSelector() as selector:
        for each in listeners:
            selector.register(each, selectors.EVENT_READ, each)
        return [(key.data, events) for key, events in selector.select(60)]


def test_a_port_can_be_taken_again_at_once() -> None:
    """A closed connection that the system still remembers does not keep the port."""
    with bind(LOOPBACK, 0) as reserved, reserved.listener() as listener:
        address = reserved.getsockname()
        listener.listen()
        with socket.create_connection(address):
            listener.accept()[0].close()  # this side closes first: TIME_WAIT
    bind(*address).close()


@pytest.mark.parametrize(
    ("host", "families"),
    [
        ("localhost", {socket.AF_INET}),
        ("0.0.0.0", {socket.AF_INET}),  # noqa: S104  # it is closed at once
        ("::1", {socket.AF_INET6}),
        (socket.gethostname(), {socket.AF_INET, socket.AF_INET6}),
    ],
)
def test_hosts(host: str, families: set[int]) -> None:
    """An address or a name can be listened on; of localhost's addresses the IPv4 one."""
    try:
        listener = bind(host, 0)
    except PortTaken as error:
        pytest.skip(f"not on this machine: {error}")
    with closing(listener):
        assert listener.family in families


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "a" * 70, ".", "a b"])
def test_hosts_that_are_not_there(host: str) -> None:
    """A name that does not resolve, or an address of another machine, is told in one line."""
    with pytest.raises(PortTaken) as told:
        bind(host, 1)
    assert str(told.value).startswith(f"cannot listen on {host}:1: ")
    assert len(str(told.value).splitlines()) == 1


def resolved(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[socket.AddressFamily, str]) -> None:
    """Have every name resolve to these addresses."""
    found = [(family, socket.SOCK_STREAM, 6, "", (host, 0)) for family, host in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def test_the_first_address_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a name's addresses the first that this machine has is used."""
    resolved(monkeypatch, (socket.AF_INET, "192.0.2.1"), (socket.AF_INET, LOOPBACK))
    with closing(bind("a-name", 0)) as listener:
        assert listener.getsockname()[0] == LOOPBACK


def test_a_taken_address_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name whose first address is taken is refused: the next one would be another's."""
    port = free_port()
    with bind(LOOPBACK, port):
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))
            for host in (LOOPBACK, "127.0.0.2")
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with pytest.raises(PortTaken, match="Address already in use"):
            bind("a-name", port)
