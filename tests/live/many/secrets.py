"""A look at all that a store holds and is sent."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import msgspec

from gateway.callback_url import PATH
from tests.bench.client import Connection, NoAnswer, request
from tests.leaks.canaries import TOKENS, VENDOR
from tests.leaks.scan import Finding, scan
from tests.live.counting_vendor import PUSH_TOKEN, push_url
from tests.live.crowd import create
from tests.live.replicas import ADMIN, ALICE, BOB, SECRETS, Replica
from tests.live.stores import Store
from tests.waiting import until

_END = "the end of what is heard"


@asynccontextmanager
async def overheard(store: Store) -> AsyncIterator[bytearray]:
    """Collect every command that the store gets meanwhile, those of its scripts included."""
    heard = bytearray()
    reader, writer = await asyncio.open_connection("127.0.0.1", store.port)
    writer.write(b"MONITOR\r\n")
    await reader.readuntil(b"\r\n")

    async def listen() -> None:
        while data := await reader.read(65536):
            heard.extend(data)

    listening = asyncio.create_task(listen())
    try:
        yield heard
        await asyncio.to_thread(store.ask, "ECHO", _END)
        await until(lambda: _END.encode() in heard)
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
        writer.transport.abort()


def contents(store: Store) -> bytes:
    """Return all that a store holds, as text."""
    return "\n".join(f"{key!r} {kind!r} {content!r}" for key, kind, content in store).encode()


def secrets_in(text: bytes) -> list[Finding]:
    """Return the secrets in a text; a look that finds nothing at all fails."""
    planted = f"{text.decode('latin-1')} {PUSH_TOKEN}".encode("latin-1")
    found = scan(planted, SECRETS)
    assert found, "the scan is blind"
    return scan(text, SECRETS)


async def everything_once(replicas: Sequence[Replica]) -> None:
    """Send every kind of request, good and bad, to every gateway."""
    for place, each in enumerate(replicas):
        connection = Connection(each.port)

        async def ask(pieces: bytes, connection: Connection = connection) -> bytes:
            with suppress(NoAnswer):
                return (await connection.ask(pieces)).body
            return b""

        room, gone = f"/v1/rooms/room-told-{place}", f"/v1/rooms/room-gone-{place}"
        for bearer in (ALICE, BOB, ADMIN, TOKENS["expired"], TOKENS["forged"]):
            await ask(request("GET", room, bearer))
            await ask(request("GET", f"/v1/rooms?id=room-1&id=room-told-{place}", bearer))
        made = await ask(create(f"told-{place}", ALICE))
        live_id = msgspec.json.decode(made)["live_id"]
        assert PUSH_TOKEN.encode() in made
        assert PUSH_TOKEN.encode() in await ask(request("GET", f"/v1/rooms/{live_id}", ALICE))
        await ask(create(f"told-{place}", ALICE))
        await ask(create(f"told-{place}", BOB))
        await ask(request("GET", f"/v1/rooms/{live_id}", BOB))
        await ask(request("POST", f"/v1/rooms/{live_id}/stop", ALICE))
        await ask(request("DELETE", gone, ALICE))
        row = {"live_id": live_id, "push_url": push_url(live_id), "title": PUSH_TOKEN}
        event = msgspec.json.encode({"type": "live_created", "body": row})
        for credentials in (VENDOR, VENDOR[:-1]):
            vendors = {"Authorization": f"Basic {credentials}", "X-Reqid": "id-1"}
            await ask(request("POST", PATH, "", vendors, event))
        await ask(request("GET", gone, BOB))
        connection.drop()
