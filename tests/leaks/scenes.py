"""All that is done with a gateway: every route, role and outcome, and whatever can go wrong."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import msgspec

from gateway.callback_url import PATH as CALLBACK
from gateway.keyring import Keyring
from gateway.metrics import Metrics
from gateway.rotation import Rotation
from gateway.settings import load
from tests.leaks.canaries import CANARIES, KEYS, PUSH, TOKENS, VENDOR, push_url
from tests.leaks.telltale import FAULTS, telltale
from tests.leaks.traffic import APP, COOKIE, DEBUG, Client, Scene
from tests.live.fault_server import answering, reply, serving
from tests.live.test_jwks import SigningKey, publishing
from tests.waiting import until

ROLES = ("alice", "bob", "carol", "admin", "expired", "forged", None)
JSON = {"Content-Type": "application/json"}
LAST = {**JSON, "Connection": "close"}
"""Of a request whose connection the server closes, as it leaves some of the body unread."""


async def every_route(scene: Scene) -> None:
    """Ask everything as everyone, by header and by cookie."""
    async with scene.world() as client:
        for user in ROLES:
            for method, path, parts in REQUESTS:
                await client.ask(user, method, path, **parts)
            if user is not None:
                await _tokens_elsewhere(client, user)
                await _by_cookie(client, user)


REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/v1/rooms", {"json": {"title": "t"}}),
    ("POST", "/v1/rooms", {"json": {"title": "t"}, "headers": {"Idempotency-Key": "k"}}),
    ("POST", "/v1/rooms", {"json": {"title": "t"}, "headers": {"Idempotency-Key": "k"}}),
    ("POST", "/v1/rooms", {"json": {"title": "u"}, "headers": {"Idempotency-Key": "k"}}),
    ("POST", "/v1/rooms", {"json": {"title": "t", "anchor_id": "bob"}}),
    ("POST", "/v1/rooms", {"json": {"title": 7, "extends": [], "start_at": "now"}}),
    ("POST", "/v1/rooms", {"content": b"{", "headers": JSON}),
    ("POST", "/v1/rooms", {"content": b"title=t"}),
    ("POST", "/v1/rooms", {"content": b" " * 70_000, "headers": LAST}),
    ("GET", "/v1/rooms/alice_ok_1", {}),
    ("GET", "/v1/rooms/alice_ok_1", {}),
    ("GET", "/v1/rooms/alice_ok_1", {"headers": {"If-None-Match": "*"}}),
    ("HEAD", "/v1/rooms/alice_ok_1", {}),
    ("GET", "/v1/rooms/bob_ok_1", {}),
    ("GET", "/v1/rooms/bob_READ_unknown", {}),
    ("GET", "/v1/rooms?id=alice_ok_1&id=bob_ok_2&id=bob_READ_unknown&id=bob_READ_html", {}),
    ("GET", "/.well-known/oauth-protected-resource", {}),
    ("GET", "/v1/rooms", {}),
    ("GET", "/v1/rooms/a..b", {}),
    ("POST", "/v1/rooms/alice_ok_3/stop", {}),
    ("POST", "/v1/rooms/alice_WRITE_dead/stop", {}),
    ("DELETE", "/v1/rooms/alice_ok_4", {}),
    ("POST", "/v1/rooms/alice_new_5/start", {}),
    ("POST", "/v1/rooms/alice_ok_6/start", {}),
    ("POST", "/v1/rooms/alice_over_7/start", {}),
    ("POST", "/v1/rooms/bob_new_8/start", {}),
    ("POST", "/v1/rooms/alice_ok_6/heartbeat", {}),
    ("POST", "/v1/rooms/alice_over_7/heartbeat", {}),
    ("GET", "/v1/live-rooms", {}),
    ("GET", "/v1/live-rooms?page=1&page_size=20", {"headers": {"If-None-Match": "*"}}),
    ("GET", "/v1/live-rooms?page=0&page_size=x", {}),
    ("OPTIONS", "/v1/rooms/alice_ok_1", {}),
    ("OPTIONS", "/v1/rooms", {"headers": {"Origin": APP, "Access-Control-Request-Method": "POST"}}),
    ("PATCH", "/v1/rooms/alice_ok_1", {}),
    ("GET", "/nowhere", {}),
    ("GET", "/healthz", {}),
    ("GET", "/readyz", {}),
    ("GET", "/openapi.json", {}),
    ("GET", "/docs", {}),
]


async def _tokens_elsewhere(client: Client, user: str) -> None:
    """Send a token where none belongs."""
    token, path = TOKENS[user], "/v1/rooms/alice_ok_1"
    bearer = ("Authorization", f"Bearer {token}")
    for headers in (
        [bearer, bearer],
        [("Authorization", f"Basic {token}")],
        [("Authorization", token)],
        [("X-Request-Id", token)],
        [("Cookie", f"other={token}")],
        [("If-None-Match", token), bearer],
        [("Idempotency-Key", f"{token} again"), bearer],
    ):
        await client.send(user, "GET", path, headers=headers)
        await client.send(user, "POST", "/v1/rooms", headers=headers)
    for target in (f"{path}?access_token={token}", f"/v1/rooms/{token}", f"/{token}"):
        await client.send(user, "GET", target)
        await client.send(user, "GET", target, headers=[bearer])


async def _by_cookie(client: Client, user: str) -> None:
    """Ask as a web app does, and as one that does not mean it."""
    cookie = {"Cookie": f"{COOKIE}={TOKENS[user]}", "Origin": APP}
    meant = {**cookie, "X-Gateway-CSRF": "1"}
    for path in ("/v1/rooms/alice_ok_1", "/v1/rooms/bob_ok_1", "/v1/rooms?id=alice_ok_1"):
        await client.send(user, "GET", path, headers=cookie)
    for headers in (cookie, meant, {**meant, "Idempotency-Key": "by cookie"}, meant):
        await client.send(user, "POST", "/v1/rooms", json={"title": "t"}, headers=headers)


async def every_fault(scene: Scene) -> None:
    """Have the upstream fail in every way at every call, the breaker kept closed by good reads."""
    uncached = {"CACHE_TTL": "0", "CACHE_STALE_WHILE_REVALIDATE": "0"}
    async with scene.world(**uncached) as client:
        for number, name in enumerate([*FAULTS, "silence"]):
            subject = {"headers": {"X-Request-Id": f"fault-{number}"}}
            for user, method, path, parts in (
                ("alice", "GET", f"/v1/rooms/bob_READ_{name}", {}),
                ("bob", "GET", f"/v1/rooms?id=bob_READ_{name}", {}),
                ("alice", "POST", "/v1/rooms", {"json": {"title": f"alice_WRITE_{name}"}}),
                ("alice", "POST", f"/v1/rooms/alice_WRITE_{name}/stop", {}),
                ("admin", "DELETE", f"/v1/rooms/alice_WRITE_{name}", {}),
                ("alice", "POST", f"/v1/rooms/alice_START_{name}/start", {}),
                ("alice", "POST", f"/v1/rooms/alice_BEAT_{name}/heartbeat", {}),
                (f"fault-{name}", "POST", f"/v1/rooms/fault-{name}_new_1/start", {}),
                ("bob", "GET", f"/v1/live-rooms?page={number + 2}", {}),
            ):
                await client.ask(user, method, path, **parts, **subject)
                for _ in range(4):
                    answer = await client.ask("carol", "GET", "/v1/rooms/bob_ok_1")
                    assert answer.status_code == 200


async def too_much(scene: Scene) -> None:
    """Be refused for asking too often, too much at once, and for a create that still runs."""
    one = {"RATE_LIMIT_READS": "1/day", "RATE_LIMIT_WRITES": "1/day"}
    async with scene.world(**one, RATE_LIMIT_FAILED_AUTH="1/day") as client:
        for user in ("alice", "alice", "forged", "forged"):
            await client.ask(user, "GET", "/v1/rooms/alice_ok_1")
            await client.ask(user, "POST", "/v1/rooms", json={"title": "t"})
    async with scene.world(MAX_CONCURRENCY="1") as client:
        silent = client.ask("bob", "GET", "/v1/rooms/alice_READ_silence")
        await asyncio.gather(silent, *(client.ask("alice", "GET", "/docs") for _ in range(3)))
    async with scene.world() as client:
        key, body = {"Idempotency-Key": "k"}, {"title": "alice_WRITE_silence"}
        await asyncio.gather(
            *(client.ask("alice", "POST", "/v1/rooms", json=body, headers=key) for _ in range(2))
        )


async def streams(scene: Scene) -> None:
    """Watch a room as everyone, with a token as the last event's id, until it is deleted."""
    room = "/v1/rooms/alice_ok_5"
    async with scene.world() as client, AsyncExitStack() as opened:
        answers = []
        for user in ROLES:
            token = TOKENS[user or "bob"]
            headers = {"Last-Event-ID": token}
            if user is not None:
                headers["Authorization"] = f"Bearer {token}"
            asked = client.http.stream("GET", f"{room}/events", headers=headers)
            answers.append((user, await opened.enter_async_context(asked)))
        assert (await client.ask("alice", "DELETE", room)).status_code == 204
        for user, answer in answers:
            await answer.aread()
            client.heard.answer(user, answer)
            assert ("event: deleted" in answer.text) == (answer.status_code == 200)
        assert [answer.status_code for _, answer in answers] == [200] * 4 + [401] * 3


async def callbacks(scene: Scene) -> None:
    """Call as the vendor and as others, with a `push_url` wherever there is room for it.

    The vendor tells of a create that it did not answer.
    """
    async with serving(telltale, scripts_users=True) as server:
        async with scene.gateway(server.url, transport=None) as client:
            key, lost = {"Idempotency-Key": "k"}, {"title": "alice_WRITE_silence"}
            await client.ask("alice", "POST", "/v1/rooms", json=lost, headers=key)
            [made] = [each for each in server.received if each.method == "POST"]
            told = {**JSON, "X-Reqid": made.header("x-reqid")}
            for authorization in (f"Basic {VENDOR}", f"Basic {VENDOR[:-1]}", f"Bearer {VENDOR}"):
                headers = {"Authorization": authorization, **told}
                for kind in (*_CALLBACKS, push_url("alice", "1")):
                    for body in _told_by_callbacks(kind):
                        await client.send(None, "POST", CALLBACK, content=body, headers=headers)
            await until(lambda: not _settling())
            await client.ask("alice", "POST", "/v1/rooms", json=lost, headers=key)
        scene.heard.upstream(server)


_CALLBACKS = ("live_created", "live_stopped", "pk_started", "gift_send")


def _told_by_callbacks(kind: str) -> Iterator[bytes]:
    """Yield bodies of callbacks of a type: one like the vendor's, odd ones, and broken ones."""
    url, key = push_url("alice", "1"), PUSH["alice"]
    row = {"live_id": "alice_ok_1", "push_url": url, "title": key, "init_room_id": "bob_ok_1"}
    for body in (row, {**row, "live_id": url}, {**row, "recv_room_id": key}, url, [row]):
        whole = msgspec.json.encode({"type": kind, "body": body})
        yield from (whole, whole[:-1], whole + url.encode())


def _settling() -> bool:
    """Return whether a create is being looked for."""
    tasks = [each.get_coro() for each in asyncio.all_tasks()]
    return any(getattr(each, "__qualname__", "") == "Hints._settle" for each in tasks)


async def an_outage(scene: Scene) -> None:
    """Serve stale rooms and open the breaker."""
    async with serving(telltale, scripts_users=True) as server:
        windows = {"CACHE_TTL": "0", "CACHE_STALE_WHILE_REVALIDATE": "0"}
        async with scene.gateway(server.url, transport=None, **windows) as client:
            await client.ask("bob", "GET", "/v1/rooms/alice_ok_1")
            server.script = answering(b" ".join(each.encode() for each in CANARIES.values()))
            for user in ("alice", "bob") * 3:
                await client.ask(user, "GET", "/v1/rooms/alice_ok_1")
                await client.ask(user, "GET", f"/v1/rooms?id=alice_ok_1&id={user}_ok_2")
            await client.ask("alice", "POST", "/v1/rooms", json={"title": "t"})
            assert (await client.ask(None, "GET", "/readyz")).json()["checks"]["breaker"] == "open"
        scene.heard.upstream(server)


async def an_issuer_in_trouble(scene: Scene) -> None:
    """Believe an issuer that publishes what it should not, and other things than keys."""
    key = SigningKey("a")
    every = " ".join(CANARIES.values())
    wrong: list[Any] = [
        {"kty": "oct", "k": every, "kid": every},
        {**key.jwk, "d": every, "kid": every},
        {**key.jwk, "x": every, "kid": every},
        {**key.jwk, "alg": every, "use": every, "key_ops": every},
        {"kty": every},
        every,
    ]
    answers = [
        reply(every.encode()),
        reply(every.encode(), 500),
        reply(b"", 302, f"Location: https://other.example/{TOKENS['alice']}"),
        reply(msgspec.json.encode(every)),
        reply(msgspec.json.encode({"keys": wrong})),
    ]
    settings = {"JWT_SECRET": "", "JWT_SECRET_PREVIOUS": "", "JWT_JWKS_REFRESH": "1"}
    async with (
        serving(telltale, scripts_users=True) as server,
        serving(answering(answers[0])) as issuer,
    ):
        settings["JWT_JWKS_URL"] = f"{issuer.url}/keys"
        async with scene.gateway(server.url, transport=None, **settings) as client:
            for script in (*map(answering, answers), publishing(key)):
                issuer.script = script
                asked = len(issuer.received)
                while len(issuer.received) == asked:
                    await client.ask("alice", "GET", "/v1/rooms/alice_ok_1")
                    await asyncio.sleep(0.01)
            token = key.token()
            scene.heard.arisen["token of the issuer"] = token.rpartition(".")[2]
            bearer = {"Authorization": f"Bearer {token}"}
            answer = await client.send("bob", "GET", "/v1/rooms/alice_ok_1", headers=bearer)
            assert answer.status_code == 200
        scene.heard.upstream(server)


async def keys_that_change(scene: Scene, folder: Path) -> None:
    """Read key files again, good ones and bad ones."""
    files = {name: folder / name for name in KEYS}
    for name, file in files.items():
        file.write_text(KEYS[name])
    environ = {**DEBUG, **{f"{name}_FILE": str(file) for name, file in files.items()}}
    with scene.log() as log:
        metrics = Metrics()
        keys = Keyring(
            load(environ),
            log,
            refreshes=metrics.key_refreshes,
            verifications=metrics.verifications,
        )
        rotation = Rotation(environ, keys.adopt, log, metrics.key_refreshes)
        for text in (*KEYS.values(), "", *(f"{secret}\n{secret}" for secret in KEYS.values())):
            for file in files.values():
                file.write_text(text)
                rotation.request_reload()
                await rotation.check()
        files["GATEWAY_SECRET_KEY"].unlink()
        rotation.request_reload()
        await rotation.check()


class Panicking(httpx.AsyncBaseTransport):
    """A transport with a bug, amid secrets."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Fail as nobody foresaw."""
        secrets = [request.headers["Authorization"], *CANARIES.values()]
        raise ZeroDivisionError(len(secrets))


async def a_bug(scene: Scene) -> None:
    """Fail in the middle of every kind of call, twice as who is known goes another way."""
    async with scene.gateway("http://127.0.0.1:9", transport=Panicking()) as client:
        for user in ("alice", "bob", "admin") * 2:
            for method, path in (
                ("GET", "/v1/rooms/alice_ok_1"),
                ("GET", "/v1/rooms?id=alice_ok_1&id=bob_ok_1"),
                ("POST", "/v1/rooms/alice_ok_1/stop"),
                ("DELETE", "/v1/rooms/alice_ok_1"),
            ):
                assert (await client.ask(user, method, path)).status_code == 500
            for headers in ({}, {"Idempotency-Key": "k"}):
                await client.ask(user, "POST", "/v1/rooms", json={"title": "t"}, headers=headers)


SCENES = MappingProxyType(
    {
        each.__name__: each
        for each in (
            *(
                every_route,
                every_fault,
                too_much,
                streams,
                callbacks,
                an_outage,
                an_issuer_in_trouble,
            ),
            a_bug,
        )
    }
)
"""All but `keys_that_change`, which needs a folder."""
