"""The vendor's client tokens, each for one user; a token is a secret and never leaves the server.

A token is asked for by a signed call, lives for an hour if the vendor obliges, and is remembered
until a minute before it expires. All who wait for one user's token share a call. A token that was
refused is dropped, so that the next call asks for another.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated, Final
from urllib.parse import urlencode

import msgspec
from cachetools import TLRUCache
from msgspec import Meta, Raw, Struct

from gateway.secret import Secret
from gateway.single_flight import SingleFlight

from .faults import Broken

LIFETIME: Final = 3600
"""Seconds for which a token is asked for; the vendor's own default is a week."""

_MARGIN = 60.0
_SIZE = 10_000
_DEVICE = "live-room-gateway"
_Epoch = Annotated[int, Meta(ge=0, le=2**53)]
_Text = Annotated[str, Meta(pattern=r"\A[!-~]{1,4096}\Z")]


class VendorToken(Struct, frozen=True):
    """A client token, and the epoch second at which it expires by the vendor's clock."""

    text: Secret
    expires_at: int


class _TokenData(Struct, frozen=True):
    access_token: _Text
    expires_at: _Epoch = 0

    def __repr__(self) -> str:
        return "_TokenData(…)"


_tokens = msgspec.json.Decoder(_TokenData)


def ask_for_token(app_id: str, user_id: str, expires_at: int) -> str:
    """Return the path and query of a call for a token that expires at an epoch second."""
    asked = {"app_id": app_id, "user_id": user_id, "device_id": _DEVICE, "expires_at": expires_at}
    return f"/server/auth/token?{urlencode(asked)}"


def decode_token(data: Raw) -> VendorToken:
    """Return the token in an envelope's `data`; raise Broken if it cannot be read."""
    try:
        sent = _tokens.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        sent = None
    if sent is None:  # outside of `except`: an error in there would carry the data in its context
        raise Broken("the token in the reply cannot be read")
    return VendorToken(Secret(sent.access_token), sent.expires_at)


class VendorTokens:
    """The tokens of at most `size` users, the least recently used first out.

    `ask` gets a token for a user and reports when it is sent. `clock` is monotonic, in seconds, and
    `vendors_now` gives epoch seconds by the vendor's clock.
    """

    def __init__(
        self,
        ask: Callable[[str, Callable[[], None]], Awaitable[VendorToken]],
        *,
        clock: Callable[[], float],
        vendors_now: Callable[[], float],
        size: int = _SIZE,
    ) -> None:
        self._ask = ask
        self._vendors_now = vendors_now
        self._kept: TLRUCache[str, VendorToken] = TLRUCache(size, self._until, clock)
        self._asking: SingleFlight[Secret] = SingleFlight()

    async def of(self, user_id: str) -> Secret:
        """Return a user's token. Raises UpstreamFailure."""
        kept = self._kept.get(user_id)
        if kept is not None:
            return kept.text

        async def ask(on_sent: Callable[[], None]) -> Secret:
            token = self._kept[user_id] = await self._ask(user_id, on_sent)
            return token.text

        return await self._asking.join(user_id, ask)

    def drop(self, user_id: str, refused: Secret) -> None:
        """Forget a user's token if it is still the one that was refused."""
        kept = self._kept.get(user_id)
        if kept is not None and kept.text == refused:
            with suppress(KeyError):  # it has expired this moment
                del self._kept[user_id]

    async def aclose(self) -> None:
        """Wait for the calls in flight, which the upstream's deadline bounds."""
        await self._asking.aclose()

    def _until(self, _user_id: str, token: VendorToken, now: float) -> float:
        """Return the time on the clock until which a token is remembered."""
        return now + min(token.expires_at - self._vendors_now(), LIFETIME) - _MARGIN
