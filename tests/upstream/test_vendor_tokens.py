"""The vendor's client tokens: how long they are remembered, for how many, and by one call."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from gateway.rooms import UpstreamError
from gateway.secret import Secret
from gateway.upstream.faults import Broken
from gateway.upstream.vendor_tokens import VendorToken, VendorTokens, ask_for_token, decode_token
from tests.fakes.clock import Clock
from tests.fakes.tasks import settle

VENDORS_NOW = 1_800_000_000.0


class Vendor:
    """A vendor whose tokens live for so many seconds; a call waits until it may be `answered`."""

    def __init__(self, seconds: float = 3600, size: int = 10) -> None:
        self.clock = Clock()
        self.seconds = seconds
        self.asked: list[str] = []
        self.answered = asyncio.Event()
        self.answered.set()
        self.error: Exception | None = None
        self.tokens = VendorTokens(
            self._ask, clock=self.clock, vendors_now=self._vendors_now, size=size
        )

    def _vendors_now(self) -> float:
        return VENDORS_NOW + self.clock.now

    async def _ask(self, user_id: str, on_sent: Callable[[], None]) -> VendorToken:
        on_sent()
        self.asked.append(user_id)
        number = len(self.asked)
        await self.answered.wait()
        if self.error is not None:
            raise self.error
        expires_at = int(self._vendors_now() + self.seconds)
        return VendorToken(Secret(f"token-{number}"), expires_at)

    async def token(self, user_id: str = "alice") -> str:
        """Return the text of a user's token."""
        return (await self.tokens.of(user_id)).reveal()


async def test_a_token_is_remembered_until_a_minute_before_it_expires() -> None:
    """Then another is asked for."""
    vendor = Vendor()
    assert await vendor.token() == "token-1"
    vendor.clock.now += 3539
    assert await vendor.token() == "token-1"
    vendor.clock.now += 2
    assert await vendor.token() == "token-2"


async def test_a_token_is_remembered_for_an_hour_at_most() -> None:
    """A vendor that gives tokens for a week is asked each hour all the same."""
    vendor = Vendor(seconds=7 * 86400)
    await vendor.token()
    vendor.clock.now += 3541
    assert await vendor.token() == "token-2"


@pytest.mark.parametrize("seconds", [-100, 0, 60])
async def test_a_token_about_to_expire_is_used_once(seconds: float) -> None:
    """Its next user asks for another."""
    vendor = Vendor(seconds=seconds)
    assert [await vendor.token(), await vendor.token()] == ["token-1", "token-2"]


async def test_all_who_wait_share_a_call() -> None:
    """One call for each user, also if some of those who wait go away."""
    vendor = Vendor()
    vendor.answered.clear()
    waiting = [asyncio.create_task(vendor.token(user)) for user in ("alice", "bob") * 20]
    await settle()
    waiting[0].cancel()
    vendor.answered.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1:] == ["token-2", *["token-1", "token-2"] * 19]
    assert vendor.asked == ["alice", "bob"]


async def test_a_refused_token_is_asked_for_once_by_all() -> None:
    """A token is dropped only while it is the one that was refused."""
    vendor = Vendor()
    refused = await vendor.tokens.of("alice")
    for _ in range(3):
        vendor.tokens.drop("alice", refused)
        assert await vendor.token() == "token-2"
    vendor.tokens.drop("nobody", refused)


async def test_an_error_is_not_remembered() -> None:
    """The next call asks again."""
    vendor = Vendor()
    vendor.error = UpstreamError("x")
    with pytest.raises(UpstreamError):
        await vendor.token()
    vendor.error = None
    assert await vendor.token() == "token-2"


async def test_the_memory_is_bounded() -> None:
    """The user whose token was used longest ago is forgotten."""
    vendor = Vendor(size=2)
    for user in ("alice", "bob", "alice", "carol", "alice"):
        await vendor.token(user)
    assert vendor.asked == ["alice", "bob", "carol"]


def test_what_is_asked() -> None:
    """Ids with any characters are encoded, for the vendor signs the query as it is sent."""
    assert ask_for_token("my app", "auth0|5f&7c", 5) == (
        "/server/auth/token?app_id=my+app&user_id=auth0%7C5f%267c"
        "&device_id=live-room-gateway&expires_at=5"
    )


@pytest.mark.parametrize(
    "data",
    [
        *(b"null", b"[]", b'{"access_token":null}', b'{"access_token":7}', b"{", b"\xff"),
        *(b'{"access_token":""}', b'{"access_token":"a b"}', b'{"access_token":"a\\r\\nX: y"}'),
        *(b'{"access_token":"a\\n"}', '{"access_token":"é"}'.encode()),
        b'{"access_token":"a","expires_at":-1}',
        b'{"access_token":"%b"}' % (b"a" * 4097),
    ],
)
def test_a_token_that_cannot_be_sent(data: bytes) -> None:
    """A token that does not fit into a header is none."""
    with pytest.raises(Broken):
        decode_token(msgspec.Raw(data))


def test_a_token_without_an_end() -> None:
    """It counts as expired, and so is used once."""
    token = decode_token(msgspec.Raw(b'{"access_token":"a.b-c_d~"}'))
    assert (token.text.reveal(), token.expires_at) == ("a.b-c_d~", 0)
