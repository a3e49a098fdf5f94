"""One of everything in the gateway that holds a secret, as it is while it runs."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from types import MappingProxyType
from typing import TypeVar
from zoneinfo import ZoneInfo

import httpx
import msgspec

from gateway import keyring
from gateway.cache import Lifetimes, LocalRoomCache, UpstreamRooms
from gateway.edge import (
    ClientAddress,
    InFlight,
    RateLimits,
    TokenRefusals,
    answers,
    encode_room,
)
from gateway.edge.callback_handlers import CallbackHandlers
from gateway.edge.exchange import Exchange
from gateway.edge.outgoing import Outgoing
from gateway.events import Watch
from gateway.events.reader import Reader
from gateway.identity import CachingVerifier, StaticKeys, TokenVerifier, hmac_key
from gateway.identity.jwk import KeySet, NamedKey
from gateway.metrics import Metrics
from gateway.rooms import (
    AnchorRoom,
    CachedRoom,
    Caller,
    Creation,
    FreshRoom,
    GatewayError,
    Lagging,
    LookupResult,
    NewRoom,
    RecentWrites,
)
from gateway.secret import Secret
from gateway.settings import Settings, SettingsError, load
from gateway.stores import LocalIdempotencyStore
from gateway.telemetry import build_logger
from gateway.upstream import (
    Call,
    QiniuSigner,
    QliveClient,
    QliveClientApi,
    Reply,
    deadline_in,
    over_httpx,
    transmit,
)
from gateway.upstream.faults import Broken
from gateway.upstream.live_list import decode_listing
from gateway.upstream.transport import Request
from gateway.upstream.vendor_tokens import VendorToken, VendorTokens, decode_token
from gateway.upstream.wire import RoomData, decode_room
from tests.fakes.rooms import creator_of, share_for_all
from tests.leaks.canaries import CALLBACK, CANARIES, KEYS, TOKENS, VENDOR_TOKENS, push_url
from tests.leaks.telltale import FAULTS, fine, made_for
from tests.live.fault_server import room as a_room

T = TypeVar("T")

ALICE = Caller("alice")
NOW = datetime(2026, 11, 22, tzinfo=UTC)
EVERY = " ".join(CANARIES.values())
KEY = (CANARIES["SK"] * 3).encode()


def run(work: Awaitable[T]) -> T:
    """Return what this comes to."""

    async def done() -> T:
        return await work

    return asyncio.run(done())


def settings() -> Settings:
    """Return settings whose every secret is one."""
    more = {
        "GATEWAY_REDIS_URL": f"redis://:{CANARIES['SK']}@redis.example",
        "GATEWAY_CALLBACK_SECRET": CALLBACK,
    }
    return load({**KEYS, **more})


def signer() -> QiniuSigner:
    """Return the signer of the vendor's calls."""
    return keyring.qiniu_signer(settings())


class Transport:
    """Answers every request with the same bytes, and keeps the last."""

    request: Request

    def __init__(self, answer: bytes) -> None:
        head, _, self._body = answer.partition(b"\r\n\r\n")
        self._status = int(head.split(b" ")[1])

    async def send(self, request: Request, _: float) -> Reply:
        """Answer."""
        self.request = request
        return Reply(self._status, {"content-type": "application/json"}, self._body)

    def renew(self) -> None:
        """Do nothing."""

    async def aclose(self) -> None:
        """Do nothing."""


def client(transport: Transport) -> QliveClient:
    """Return a client that signs."""
    metrics = Metrics()
    return QliveClient(
        transmit(transport, signer(), "http://up.example"),
        timeout=1,
        zone=ZoneInfo("UTC"),
        log=build_logger("critical", "json", BytesIO()),
        calls=metrics.upstream_calls,
        duration=metrics.upstream_duration,
        repeats=metrics.push_url_repeats,
    )


ROOM = fine(EVERY, made_for("alice", "1"))


def signed_request() -> Request:
    """Return a create as it was sent."""
    transport = Transport(ROOM)
    run(client(transport).create(NewRoom(anchor_id="alice", title="t"), "req-1"))
    assert CANARIES["AK"] in dict(transport.request.headers)["Authorization"]
    return transport.request


def signed_read() -> Request:
    """Return a read as it was sent."""
    transport = Transport(ROOM)
    run(client(transport).read("1"))
    assert CANARIES["AK"] in dict(transport.request.headers)["Authorization"]
    return transport.request


def read_over_httpx() -> httpx.Request:
    """Return a read as a transport of httpx gets it."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200)

    run(over_httpx(httpx.MockTransport(answer)).send(signed_read(), 1))
    return requests[0]


def room() -> AnchorRoom:
    """Return a room as it was read."""
    return run(client(Transport(ROOM)).read("1"))


def room_data() -> RoomData:
    """Return a room as it was decoded, with its key in `push_url` alone: it is not searched yet."""
    data = msgspec.json.encode({**a_room("1"), "push_url": push_url("alice", "1")})
    return msgspec.json.decode(data, type=RoomData, dec_hook=lambda _, text: Secret(text))


def a_reply() -> Reply:
    """Return a whole reply."""

    async def read() -> Reply:
        send = transmit(Transport(ROOM), signer(), "http://up.example")
        return await send(Call("GET", "/server/live/1", deadline_in(1)))

    return run(read())


def fetched() -> FreshRoom:
    """Return a room in both shapes."""
    whole = room()
    return FreshRoom(whole, CachedRoom(encode_room(whole.for_viewers()), LookupResult.MISS, 2))


async def _cache() -> LocalRoomCache:
    async def read(live_id: str, on_sent: Callable[[], None]) -> AnchorRoom:
        on_sent()
        return await client(Transport(ROOM)).read(live_id)

    metrics = Metrics()
    cache = LocalRoomCache(
        UpstreamRooms(read, encode_room, 2),
        size=10,
        max_bytes=1 << 20,
        lifetimes=Lifetimes(fresh=2, revalidate=2, error=2, missing=2),
        share=share_for_all(),
        seconds=60,
        clock=time.monotonic,
        report=metrics.lookups.inc,
        evictions=metrics.evictions,
    )
    await cache.get("1")
    return cache


async def recent_writes(made: AnchorRoom) -> RecentWrites:
    """Return a memory of a created and a stopped room."""
    recent = RecentWrites(60, clock=time.monotonic)
    await recent.created(made.for_viewers())
    await recent.stopped("1")
    return recent


async def _outcomes() -> LocalIdempotencyStore:
    outcomes = LocalIdempotencyStore(time.monotonic, lambda: None)
    creator = creator_of(client(Transport(ROOM)), outcomes)
    await creator.create(ALICE, NewRoom(anchor_id="alice", title="t"), now=NOW, key="k")
    return outcomes


async def _verifier() -> CachingVerifier:
    keys = StaticKeys(keyring.verification_keys(settings()))
    verifier = TokenVerifier(keys, keyring.claim_rules(settings()))
    remembering = CachingVerifier(
        verifier,
        leeway=10,
        clock=time.time,
        size=10,
        scopes=frozenset(),
        verifications=Metrics().verifications,
    )
    await remembering.verify(TOKENS["alice"])
    return remembering


def credentials() -> keyring.Keyring:
    """Return the keys in use."""
    metrics = Metrics()
    return keyring.Keyring(
        settings(),
        build_logger("info", "json", BytesIO()),
        refreshes=metrics.key_refreshes,
        verifications=metrics.verifications,
    )


def callbacks() -> CallbackHandlers:
    """Return the handlers of callbacks."""
    metrics = Metrics()
    log = build_logger("info", "json", BytesIO())
    limits = RateLimits(None, None, None, ClientAddress(()), metrics.rate_limited)
    refusals = TokenRefusals(metrics.token_refusals, log, lambda _: None, time.monotonic)
    return CallbackHandlers(Secret(CALLBACK), lambda _: None, limits, refusals)


TOKEN = fine(EVERY, {"access_token": VENDOR_TOKENS["alice"], "expires_at": 2**33})


def signed_start() -> Request:
    """Return a start as it was sent, with a client token."""
    transport = Transport(TOKEN)
    api = QliveClientApi(
        client(transport),
        "app",
        skew=lambda: 0.0,
        log=build_logger("critical", "json", BytesIO()),
        clock=time.monotonic,
    )
    run(api.start("1", "alice"))
    assert dict(transport.request.headers)["Authorization"] == VENDOR_TOKENS["alice"]
    return transport.request


def vendor_token() -> VendorToken:
    """Return a token as it was decoded."""
    return decode_token(msgspec.Raw(b'{"access_token":%b}' % _quoted(VENDOR_TOKENS["alice"])))


def _quoted(text: str) -> bytes:
    return msgspec.json.encode(text)


async def _vendor_tokens() -> VendorTokens:
    async def ask(_user_id: str, on_sent: Callable[[], None]) -> VendorToken:
        on_sent()
        return VendorToken(Secret(VENDOR_TOKENS["alice"]), 2**33)

    tokens = VendorTokens(ask, clock=time.monotonic, vendors_now=lambda: 0.0)
    await tokens.of("alice")
    return tokens


def a_page() -> object:
    """Return a page of living rooms as it was decoded."""
    rooms = [made_for("alice", "alice_ok_1"), made_for("bob", "bob_ok_1")]
    data = msgspec.json.encode({"total_count": 2, "list": rooms})
    return decode_listing(1, 20, msgspec.Raw(data)).as_page(1)


def a_call() -> Call:
    """Return a call with a client token."""
    return Call("PUT", "/client/live/room/1", 0.0, token=Secret(VENDOR_TOKENS["alice"]))


async def _unsent(_: object) -> None:
    """Send nothing."""


def exchange() -> Exchange:
    """Return the exchange of an anchor's read."""
    made = Exchange("r", "GET", _unsent, InFlight(1), Outgoing())
    run(made.answer(answers.found(room(), None)))
    return made


async def _reader() -> Reader:
    return Reader(Secret(TOKENS["alice"]), None)


async def _lagging(made: AnchorRoom) -> AnchorRoom:
    return await (await recent_writes(made)).judge("1", made)


HOLDERS: MappingProxyType[str, Callable[[], object]] = MappingProxyType(
    {
        "settings": settings,
        "a Secret": lambda: Secret(CANARIES["SK"]),
        "a key": lambda: hmac_key(KEY),
        "a named key": lambda: NamedKey("k", hmac_key(KEY)),
        "a set of keys": lambda: KeySet((NamedKey("k", hmac_key(KEY)),), ()),
        "keys": lambda: StaticKeys([hmac_key(KEY)]),
        "a signer": signer,
        "a signed request": signed_request,
        "a signed read": signed_read,
        "a signed read over httpx": read_over_httpx,
        "credentials": credentials,
        "tokens remembered": lambda: run(_verifier()),
        "an anchor's room": room,
        "a room as decoded": room_data,
        "a reply": a_reply,
        "a room in both shapes": fetched,
        "a create": lambda: Creation(room()),
        "rooms remembered": lambda: run(_cache()),
        "writes remembered": lambda: run(recent_writes(room())),
        "creates remembered": lambda: run(_outcomes()),
        "an anchor's answer": lambda: answers.found(room(), None),
        "an exchange": exchange,
        "callbacks": callbacks,
        "a wish to watch": lambda: Watch(ALICE, "1", Secret(TOKENS["alice"]), None),
        "a reader of events": lambda: run(_reader()),
        "a client": lambda: client(Transport(ROOM)),
        "a call with a token": a_call,
        "a start as it was sent": signed_start,
        "a vendor token": vendor_token,
        "vendor tokens remembered": lambda: run(_vendor_tokens()),
        "a page as it was read": a_page,
    }
)
"""By a name; each is made anew."""


def _caught(*kinds: type[Exception], by: Callable[[], object]) -> Exception:
    try:
        by()
    except kinds as error:
        return error
    raise AssertionError("nothing was raised")


def _failed_read(fault: str) -> Exception:
    def read() -> object:
        return run(client(Transport(FAULTS[fault](EVERY, made_for("alice", "1")))).read("1"))

    return _caught(GatewayError, by=read)


def _refused_token(token: str) -> Exception:
    async def verify() -> object:
        return await (await _verifier()).verify(token)

    return _caught(GatewayError, by=lambda: run(verify()))


def _every() -> bytes:
    return _quoted(EVERY)[1:-1]


_READ = ("credentials", "unknown", "storage", "html", "other-JSON", "cut-JSON")
_DECODED = ("a-URL-for-an-anchor", "a-URL-for-an-id", "another-room")
_PAYLOAD = TOKENS["alice"].split(".")[1]
_TOKENS = {
    "forged": TOKENS["forged"],
    "expired": TOKENS["expired"],
    "padded": f"{TOKENS['alice']}=",
    "longer": f"{TOKENS['alice']}x",
    "of four parts": f"{_PAYLOAD}.{TOKENS['alice']}",
    "of payloads": f"{_PAYLOAD}.{_PAYLOAD}.{_PAYLOAD}",
}

ERRORS: MappingProxyType[str, Callable[[], Exception]] = MappingProxyType(
    {
        **{f"upstream: {name}": partial(_failed_read, name) for name in _READ + _DECODED},
        **{f"token: {name}": partial(_refused_token, text) for name, text in _TOKENS.items()},
        "data that is no UTF-8": lambda: _caught(
            Broken, by=lambda: decode_room(msgspec.Raw(b'{"push_url":"\xff' + EVERY.encode()))
        ),
        "a token that is none": lambda: _caught(
            Broken, by=lambda: decode_token(msgspec.Raw(b'{"access_token":["%b"]}' % _every()))
        ),
        "a token with a break": lambda: _caught(
            Broken, by=lambda: decode_token(msgspec.Raw(b'{"access_token":"%b\\n"}' % _every()))
        ),
        "a list that is none": lambda: _caught(
            Broken, by=lambda: decode_listing(1, 20, msgspec.Raw(b'{"list":"%b' % _every()))
        ),
        "a read that lags": lambda: _caught(Lagging, by=lambda: run(_lagging(room()))),
        "settings": lambda: _caught(
            SettingsError,
            by=lambda: load({name: f"{text}\n" for name, text in KEYS.items()}),
        ),
        "settings in the wrong place": lambda: _caught(
            SettingsError,
            by=lambda: load(dict.fromkeys(("GATEWAY_PORT", "GATEWAY_UPSTREAM_URL"), EVERY)),
        ),
        "a short secret": lambda: _caught(ValueError, by=lambda: hmac_key(CANARIES["AK"].encode())),
    }
)
"""Errors amid secrets, by how they come about."""
