"""The simulated vendor, a client signing with the vendor's SDK, and the table of replies."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, get_args

import httpx
import pytest
from qiniu import QiniuMacAuth
from qiniu.utils import canonical_mime_header_key

from gateway.sandbox.vendor import Vendor
from gateway.sandbox.wording import DialectName

AK, SK = "sandbox-ak", "sandbox-sk"
NOW = 1_800_000_000.5
JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"


@dataclass
class Clock:
    """A clock moved by hand, in epoch seconds."""

    now: float = NOW

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@dataclass
class Client:
    """An in-process client of the vendor; `sign` off omits the Authorization header."""

    vendor: Vendor
    clock: Clock

    def send(self, method: str, path: str, *, sign: bool = True, **parts: Any) -> httpx.Response:
        """Send one request and return the whole answer. `parts` are those of httpx.Request."""
        request = httpx.Request(method, f"http://vendor.test:8081{path}", **parts)
        if sign:
            request.headers["authorization"] = signed(request)
        return asyncio.run(self._send(request))

    async def _send(self, request: httpx.Request) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.vendor)) as client:
            return await client.send(request)

    def create(self, **fields: Any) -> httpx.Response:
        """Create a room as alice, changed by `fields`."""
        return self.send("POST", "/server/live", json={"anchor_id": "alice"} | fields)

    def new_room(self, **fields: Any) -> dict[str, Any]:
        """Create a room and return the vendor's data."""
        room: dict[str, Any] = self.create(**fields).json()["data"]
        return room

    def get(self, live_id: str) -> httpx.Response:
        """Read a room."""
        return self.send("GET", f"/server/live/{live_id}")

    def room(self, live_id: str) -> dict[str, Any]:
        """Read a room and return it."""
        room: dict[str, Any] = self.get(live_id).json()["data"]
        return room

    def stop(self, live_id: str) -> httpx.Response:
        """End a room."""
        return self.send("POST", f"/server/live/{live_id}/stop")

    def delete(self, live_id: str) -> httpx.Response:
        """Delete a room."""
        return self.send("DELETE", f"/server/live/{live_id}")


def signed(request: httpx.Request) -> str:
    """Return the Authorization value for `request`, made by the vendor's SDK."""
    mac = QiniuMacAuth(AK, SK)
    headers = {canonical_mime_header_key(name): value for name, value in request.headers.items()}
    token = mac.token_of_request(
        request.method,
        headers["Host"],
        str(request.url),
        mac.qiniu_headers(headers),
        headers.get("Content-Type"),
        request.content,
    )
    return f"Qiniu {token}"


@pytest.fixture(params=get_args(DialectName))
def dialect(request: pytest.FixtureRequest) -> DialectName:
    """Each of the two dialects in turn."""
    name: DialectName = request.param
    return name


@pytest.fixture
def client(dialect: DialectName) -> Client:
    """Return a client of a vendor of each dialect, with alice and bob registered."""
    clock = Clock()
    vendor = Vendor(AK, SK, dialect=dialect, anchors=["alice", "bob"], clock=clock)
    return Client(vendor, clock)


@dataclass(frozen=True)
class Row:
    """One case of the vendor's table: its request and the expected reply."""

    case: str
    operation: tuple[str, str]
    provoke: Callable[[Client], httpx.Response]
    answers: dict[DialectName, tuple[int, int, str | None, str]] = field(repr=False)


@dataclass(frozen=True)
class Played:
    """A row sent to a vendor of one dialect."""

    row: Row
    dialect: DialectName
    response: httpx.Response


EVERYTHING: dict[str, Any] = {
    "title": "Evening \u76f4\u64ad",
    "notice": "hello",
    "cover_url": "https://example.test/cover.png",
    "extends": {"age": "18"},
    "start_at": "2027-01-15 16:30:00",  # 1_800_001_800, half an hour after NOW
    "end_at": "2027-01-15 18:00:00",
    "publish_expire_at": "2027-01-16 16:00:00",  # 1_800_086_400
}

CREATE = ("post", "/server/live")
READ = ("get", "/server/live/{live_id}")
STOP = ("post", "/server/live/{live_id}/stop")
DELETE = ("delete", "/server/live/{live_id}")


def _answers(
    documented: tuple[int, int, str | None],
    legacy: tuple[int, int, str | None],
    legacy_type: str = JSON,
) -> dict[DialectName, tuple[int, int, str | None, str]]:
    return {"documented": (*documented, JSON), "legacy": (*legacy, legacy_type)}


SUCCESS = _answers((200, 0, "success"), (200, 200, "success"))
BAD_SIGNATURE = _answers(
    (401, 401, "Unauthorized"), (401, 401, "Your authorization token is invalid")
)
BAD_REQUEST = _answers((400, 400, None), (400, 400, "invalid request"), TEXT)
READ_UNKNOWN = _answers((500, 500, "record not found"), (200, 500, "create live failed"))
WRITE_UNKNOWN = _answers((500, 500, "record not found"), (200, 501, "record not found"))
NOT_LIVING = _answers((500, 501, "live status error"), (500, 501, "live status error"))


def _fail_create(client: Client) -> httpx.Response:
    client.vendor.failing_creates = True
    return client.create()


def _unsigned(method: str, path: str) -> Callable[[Client], httpx.Response]:
    return lambda client: client.send(method.upper(), path.format(live_id="1"), sign=False)


def _after(
    change: Callable[[Client, str], httpx.Response],
    act: Callable[[Client, str], httpx.Response],
) -> Callable[[Client], httpx.Response]:
    """Return a step that makes a room, changes it, then acts on it."""

    def provoke(client: Client) -> httpx.Response:
        live_id = client.new_room()["live_id"]
        assert change(client, live_id).status_code == 200
        return act(client, live_id)

    return provoke


ROWS = [
    Row("created", CREATE, Client.create, SUCCESS),
    Row("created with everything", CREATE, lambda c: c.create(**EVERYTHING), SUCCESS),
    Row("read living", READ, lambda c: c.get(c.new_room()["live_id"]), SUCCESS),
    Row("read scheduled", READ, lambda c: c.get(c.new_room(**EVERYTHING)["live_id"]), SUCCESS),
    Row("read ended", READ, _after(Client.stop, Client.get), SUCCESS),
    Row("stopped", STOP, lambda c: c.stop(c.new_room()["live_id"]), SUCCESS),
    Row("deleted", DELETE, lambda c: c.delete(c.new_room()["live_id"]), SUCCESS),
    Row("deleted ended", DELETE, _after(Client.stop, Client.delete), SUCCESS),
    *(
        Row(
            f"bad signature {method}",
            (method, path),
            _unsigned(method, path),
            BAD_SIGNATURE,
        )
        for method, path in (CREATE, READ, STOP, DELETE)
    ),
    Row("bad json", CREATE, lambda c: c.send("POST", "/server/live", content=b"{"), BAD_REQUEST),
    Row("bad type", CREATE, lambda c: c.create(title=1), BAD_REQUEST),
    Row(
        "anchor not registered",
        CREATE,
        lambda c: c.create(anchor_id="nobody"),
        _answers((404, 404, "Not Found"), (200, 404, "Not found")),
    ),
    Row(
        "storage failure",
        CREATE,
        _fail_create,
        _answers((500, 500, None), (200, 500, "create live failed")),
    ),
    Row("read unknown", READ, lambda c: c.get("1"), READ_UNKNOWN),
    Row("read deleted", READ, _after(Client.delete, Client.get), READ_UNKNOWN),
    Row("stop unknown", STOP, lambda c: c.stop("1"), WRITE_UNKNOWN),
    Row("stop deleted", STOP, _after(Client.delete, Client.stop), WRITE_UNKNOWN),
    Row("delete unknown", DELETE, lambda c: c.delete("1"), WRITE_UNKNOWN),
    Row("delete deleted", DELETE, _after(Client.delete, Client.delete), WRITE_UNKNOWN),
    Row("stop ended", STOP, _after(Client.stop, Client.stop), NOT_LIVING),
    Row("stop scheduled", STOP, lambda c: c.stop(c.new_room(**EVERYTHING)["live_id"]), NOT_LIVING),
]


@pytest.fixture(params=ROWS, ids=lambda row: row.case.replace(" ", "-"))
def played(request: pytest.FixtureRequest, client: Client, dialect: DialectName) -> Played:
    """Each row of the table, in each dialect."""
    row: Row = request.param
    return Played(row, dialect, row.provoke(client))
