"""Bad tokens over real sockets, with a public key of every kind.

tests/identity has the reason for each refusal. Here each is a 401 without a call to anyone, and the
gateway still serves. test_jwks has keys that an issuer publishes.
"""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.edge import PROBLEMS
from gateway.sandbox import Sandbox
from tests import clients
from tests.conftest import running_sandbox
from tests.live.bad_tokens import Issuer, Row, bad_headers, bad_payloads, bad_signatures

ISSUER, AUDIENCE = "https://accounts.example", "live-app"
ROWS = [
    "algorithm",
    "confused key",
    "key id",
    "key in the header",
    "crit",
    "another kind",
    "times",
    "issuer or audience",
    "subject",
    "encoding",
    "length",
    "nesting",
    "signature",
]
CODES = {"token_invalid", "token_expired"}


@dataclass(frozen=True)
class Tried:
    """A gateway that knows only the issuer's public key, and a client of it."""

    issuer: Issuer
    sandbox: Sandbox
    client: httpx.Client

    def read(self, *headers: tuple[str, str], query: str = "") -> httpx.Response:
        """Read a room that is not there."""
        return self.client.get(f"/v1/rooms/room-1{query}", headers=list(headers))

    def is_well(self) -> bool:
        """Return True if the next good token is accepted."""
        answer = self.read(("Authorization", f"Bearer {self.issuer.with_header(kid='any')}"))
        return (answer.status_code, answer.json()["code"]) == (404, "room_not_found")


@pytest.fixture(scope="module", params=["RS256", "ES256", "EdDSA"])
def tried(request: pytest.FixtureRequest) -> Iterator[Tried]:
    """Run such a gateway for each kind of key."""
    now = time.time()
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 600}
    issuer = Issuer.of(request.param, claims)
    environ = {
        "GATEWAY_JWT_PUBLIC_KEY": issuer.public(Encoding.PEM).decode(),
        "GATEWAY_JWT_ISSUER": ISSUER,
        "GATEWAY_JWT_AUDIENCE": AUDIENCE,
    }
    with running_sandbox(environ=environ) as box, clients.client(box.url) as client:
        yield Tried(issuer, box, client)


@pytest.fixture
def elsewhere() -> Iterator[socket.socket]:
    """Listen where nobody may connect."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.settimeout(0)
        yield listening


def rows(issuer: Issuer, url: str) -> list[Row]:
    """Return every bad token."""
    return [*bad_headers(issuer, url), *bad_payloads(issuer, time.time()), *bad_signatures(issuer)]


@pytest.mark.parametrize("threat", ROWS)
def test_bad_token(tried: Tried, elsewhere: socket.socket, threat: str) -> None:
    """A bad token is a 401 with a challenge for reads and writes, without any call."""
    assert tried.is_well()
    tried.sandbox.vendor.calls.clear()
    url = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/jwks.json"
    tokens = [token for row, token in rows(tried.issuer, url) if row == threat]
    assert tokens
    for token in tokens:
        bearer = ("Authorization", f"Bearer {token}")
        created = tried.client.post("/v1/rooms", json={"title": "t"}, headers=[bearer])
        for answer in (tried.read(bearer), created):
            assert_refused(answer)
            assert token not in answer.text + str(answer.headers)
    assert not tried.sandbox.vendor.calls
    with pytest.raises(BlockingIOError):
        elsewhere.accept()
    assert tried.is_well()


def test_every_row_is_tried(tried: Tried) -> None:
    """Every row has tokens."""
    assert sorted({row for row, _ in rows(tried.issuer, "")}) == sorted(ROWS)


def test_misplaced_token(tried: Tried) -> None:
    """Two headers, another scheme, no token or one in the query do not sign in."""
    good = tried.issuer.with_header()
    bearer = ("Authorization", f"Bearer {good}")
    tried.sandbox.vendor.calls.clear()
    for code, answer in (
        ("token_invalid", tried.read(bearer, bearer)),
        ("token_invalid", tried.read(bearer, ("Authorization", "Basic eDp5"))),
        ("token_invalid", tried.read(("Authorization", f"Bearer {good}, Bearer {good}"))),
        ("token_invalid", tried.read(("Authorization", "Bearer"))),
        ("token_missing", tried.read(("Authorization", f"Basic {good}"))),
        ("token_missing", tried.read(("Authorization", good))),
        ("token_missing", tried.read(("Cookie", f"token={good}; access_token={good}"))),
        ("token_missing", tried.read(query=f"?access_token={good}")),
    ):
        assert_refused(answer, code)
    assert not tried.sandbox.vendor.calls
    assert tried.is_well()


def test_nesting_100k(tried: Tried) -> None:
    """A token with 100,000 levels is a head too large, and the gateway serves on."""
    token = tried.issuer.with_payload(b"[" * 100_000)
    try:
        answer = tried.read(("Authorization", f"Bearer {token}"))
    except httpx.TransportError:
        pass  # the connection was closed before all of it was read
    else:
        assert 400 <= answer.status_code < 500
    assert tried.is_well()


def assert_refused(answer: httpx.Response, *codes: str) -> None:
    """Check that an answer is a whole 401."""
    assert answer.status_code == 401
    problem = answer.json()
    assert problem["code"] in (codes or CODES)
    assert PROBLEMS[problem["code"]].status == problem["status"] == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith('Bearer realm="gateway"')
    assert answer.headers["cache-control"] == "no-store"
