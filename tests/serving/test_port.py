"""The listening socket: it is taken once, and refused with the system's reason."""

import errno
import socket
from contextlib import closing

import pytest

from gateway.serving import LOOPBACK, PortTaken, bind


def test_a_port_is_taken_once() -> None:
    """A second socket on the port is refused, although nobody accepts from the first yet."""
    with closing(bind(LOOPBACK, 0)) as first:
        port = first.getsockname()[1]
        with pytest.raises(PortTaken, match=f"cannot listen on 127.0.0.1:{port}: Address") as told:
            bind(LOOPBACK, port)
        assert isinstance(told.value.__cause__, OSError)
        assert told.value.__cause__.errno == errno.EADDRINUSE
    with closing(bind(LOOPBACK, port)):
        pass


def test_connections_wait() -> None:
    """A client that comes before the first worker is connected, and accepted later."""
    with closing(bind(LOOPBACK, 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        client.sendall(b"x")
        with closing(client), closing(listener.accept()[0]) as accepted:
            assert accepted.recv(1) == b"x"
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_can_be_taken_again_at_once() -> None:
    """A closed connection that the system still remembers does not keep the port."""
    listener = bind(LOOPBACK, 0)
    address = listener.getsockname()
    with closing(socket.create_connection(address)):
        listener.accept()[0].close()  # this side closes first: TIME_WAIT
    listener.close()
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
    with closing(bind(LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))
            for host in (LOOPBACK, "127.0.0.2")
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with pytest.raises(PortTaken, match="Address already in use"):
            bind("a-name", port)
