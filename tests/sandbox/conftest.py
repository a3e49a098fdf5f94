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
from tests.fakes.clock import Clock

AK, SK = "sandbox-ak", "sandbox-sk"
NOW = 1_800_000_000.5
JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"


@dataclass
class Pauses:
    """Pauses of a vendor whose calls hang; they take no time. `begun` is set by each."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, _: float) -> None:
        """Let others run."""
        self.begun.set()
        await asyncio.sleep(0)


@dataclass
class Client:
    """An in-process client of the vendor; `sign` off omits the Authorization header."""

    vendor: Vendor
    clock: Clock
    pauses: Pauses

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

    def living_room(self, **fields: Any) -> str:
        """Create a room, let it go live and return its id."""
        live_id: str = self.new_room(**fields)["live_id"]
        assert self.go_live(live_id).status_code == 200
        return live_id

    def go_live(self, live_id: str) -> httpx.Response:
        """Let a room go live, by the vendor's control route."""
        return self.send("POST", f"/sandbox/rooms/{live_id}/live", sign=False)

    def censor(self, live_id: str) -> httpx.Response:
        """End a room as an administrator, by the vendor's control route."""
        return self.send("POST", f"/sandbox/rooms/{live_id}/censor", sign=False)

    def switch(self, **faults: object) -> None:
        """Set switches, by the vendor's control route."""
        assert self.send("PUT", "/sandbox/faults", sign=False, json=faults).status_code == 200

    def register(self, user_id: str, **fields: Any) -> httpx.Response:
        """Register a user."""
        return self.send("POST", "/server/user/register", json={"user_id": user_id} | fields)

    def token(self, user_id: str = "alice", expires_at: int = 0) -> str:
        """Ask for a client token, and return it."""
        query = f"app_id=a&user_id={user_id}&device_id=d&expires_at={expires_at}"
        text: str = self.send("GET", f"/server/auth/token?{query}").json()["data"]["access_token"]
        return text

    def client_call(
        self, method: str, path: str, user_id: str = "alice", token: str | None = None
    ) -> httpx.Response:
        """Make a call of the client API in a user's name, or with another `token`."""
        headers = {"Authorization": self.token(user_id) if token is None else token}
        path = f"/client/live/room/{path}"
        return self.send(method, path, sign=False, headers=headers)

    def start(self, live_id: str, user_id: str = "alice") -> httpx.Response:
        """Let a room go live, as its anchor's app does."""
        return self.client_call("PUT", live_id, user_id)

    def join(self, live_id: str, user_id: str = "alice") -> httpx.Response:
        """Put a user into a room."""
        return self.client_call("POST", f"user/{live_id}", user_id)

    def beat(self, live_id: str, user_id: str = "alice") -> httpx.Response:
        """Send a heartbeat."""
        return self.client_call("GET", f"heartbeat/{live_id}", user_id)

    def infos(self, *user_ids: str) -> httpx.Response:
        """Look users up."""
        query = str(httpx.QueryParams({"user_ids": user_ids}))
        return self.send("GET", "/server/user/infos" + (f"?{query}" if query else ""))


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
    clock, pauses = Clock(NOW), Pauses()
    anchors = ["alice", "bob"]
    vendor = Vendor(AK, SK, dialect=dialect, anchors=anchors, clock=clock, pause=pauses)
    return Client(vendor, clock, pauses)


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
REGISTER = ("post", "/server/user/register")
INFOS = ("get", "/server/user/infos")
INFO = ("get", "/server/user/info/{user_id}")
TOKEN = ("get", "/server/auth/token")
START = ("put", "/client/live/room/{live_id}")
JOIN = ("post", "/client/live/room/user/{live_id}")
BEAT = ("get", "/client/live/room/heartbeat/{live_id}")
LIST = ("get", "/client/live/room/list")


def _answers(
    documented: tuple[int, int, str | None],
    legacy: tuple[int, int, str | None],
    legacy_type: str = JSON,
    documented_type: str = JSON,
) -> dict[DialectName, tuple[int, int, str | None, str]]:
    return {"documented": (*documented, documented_type), "legacy": (*legacy, legacy_type)}


SUCCESS = _answers((200, 0, ""), (200, 200, "success"))
USER_SUCCESS = _answers((200, 0, ""), (200, 0, "success"))
BAD_SIGNATURE = _answers(
    (401, 401, "Unauthorized"), (401, 401, "Your authorization token is invalid")
)
BAD_REQUEST = _answers((400, 400, None), (400, 400, "invalid request"), TEXT, TEXT)
CREATE_FAILED = (200, 500, "create live failed")
READ_UNKNOWN = _answers((500, 500, "record not found"), CREATE_FAILED)
WRITE_UNKNOWN = _answers((500, 500, "record not found"), (200, 501, "record not found"))
NOT_LIVING = _answers((500, 500, "live status error"), (500, 501, "live status error"))
UNREACHABLE = "dial tcp 127.0.0.1:3306: connect: connection refused"
WRITE_DOWN = _answers((500, 500, UNREACHABLE), (200, 501, UNREACHABLE))
BROKEN_OFF = (500, 500, "invalid connection")
NO_COMMIT = _answers(BROKEN_OFF, CREATE_FAILED)
TOO_LONG = (500, 500, "Error 1406: Data too long for column 'title' at row 1")
INTERNAL = (500, 500, "Internal Server Error")
USERS_DOWN = _answers(INTERNAL, (404, 500, "Internal error"))
BAD_ARGUMENTS = (400, 400, "The arguments you provide is invalid.")
REGISTER_FAILED = _answers(INTERNAL, (500, 500, "Internal error"))
NOT_RIGHT = (400, 400, "page num or page size is not right")
NO_NUMBER = (400, 400, "page num is not int")
EXPIRED = _answers((401, 499, "Your token is expired"), (401, 499, "Your token is expired"))
CLIENTS_DOWN = _answers((401, 401, "Unauthorized"), (401, 602, "Database error"))


def _failed(documented: str | None, legacy: str) -> dict[DialectName, Any]:
    """Return the answers to a failed call of the client API, of which legacy says less."""
    return _answers((500, 500, documented), (500, 500, legacy))


def _unsigned(method: str, path: str) -> Callable[[Client], httpx.Response]:
    return lambda client: client.send(
        method.upper(), path.format(live_id="1", user_id="alice"), sign=False
    )


def _after(
    change: Callable[[Client, str], httpx.Response],
    act: Callable[[Client, str], httpx.Response],
) -> Callable[[Client], httpx.Response]:
    """Return a step that makes a living room, changes it, then acts on it."""

    def provoke(client: Client) -> httpx.Response:
        live_id = client.living_room()
        assert change(client, live_id).status_code == 200
        return act(client, live_id)

    return provoke


def _during(
    act: Callable[[Client, str], httpx.Response], **faults: object
) -> Callable[[Client], httpx.Response]:
    """Return a step that makes a living room and acts on it under these faults."""

    def provoke(client: Client) -> httpx.Response:
        live_id = client.living_room()
        client.switch(**faults)
        return act(client, live_id)

    return provoke


def _create(client: Client, _: str) -> httpx.Response:
    return client.create()


def _infos(client: Client, _: str) -> httpx.Response:
    return client.infos("alice")


def _info(client: Client, _: str) -> httpx.Response:
    return client.send("GET", "/server/user/info/alice")


def _with_token(method: str, path: str, fault: str) -> Callable[[Client], httpx.Response]:
    """Return a call with a `bad` token, a `late` one, or an `unread` one: the database is down."""

    def provoke(client: Client) -> httpx.Response:
        token = "x.y.z" if fault == "bad" else client.token(expires_at=int(NOW) + 60)
        if fault == "late":
            client.clock.now += 60
        if fault == "unread":
            client.switch(database="down")
        return client.client_call(method.upper(), path, token=token)

    return provoke


def _beat_later(client: Client, seconds: float) -> httpx.Response:
    live_id = client.new_room()["live_id"]
    client.start(live_id)
    client.clock.now += seconds
    return client.beat(live_id)


def _register(client: Client, _: str) -> httpx.Response:
    return client.register("carol")


ROWS = [
    Row("created", CREATE, Client.create, SUCCESS),
    Row("created with everything", CREATE, lambda c: c.create(**EVERYTHING), SUCCESS),
    Row("read created", READ, lambda c: c.get(c.new_room()["live_id"]), SUCCESS),
    Row("read living", READ, lambda c: c.get(c.living_room()), SUCCESS),
    Row("read scheduled", READ, lambda c: c.get(c.new_room(**EVERYTHING)["live_id"]), SUCCESS),
    Row("read ended", READ, _after(Client.stop, Client.get), SUCCESS),
    Row("read censored", READ, _after(Client.censor, Client.get), SUCCESS),
    Row("stopped", STOP, lambda c: c.stop(c.living_room()), SUCCESS),
    Row("deleted", DELETE, lambda c: c.delete(c.new_room()["live_id"]), SUCCESS),
    Row("deleted living", DELETE, lambda c: c.delete(c.living_room()), SUCCESS),
    Row("deleted ended", DELETE, _after(Client.stop, Client.delete), SUCCESS),
    *(
        Row(
            f"bad signature {method} {path}",
            (method, path),
            _unsigned(method, path),
            BAD_SIGNATURE,
        )
        for method, path in (CREATE, READ, STOP, DELETE, REGISTER, INFOS, INFO, TOKEN)
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
        "create with database down",
        CREATE,
        _during(_create, database="down"),
        _answers(INTERNAL, (200, 602, "Database error")),
    ),
    Row("create with lost commit", CREATE, _during(_create, lost_commits=1), NO_COMMIT),
    Row("create with failed commit", CREATE, _during(_create, failed_commits=1), NO_COMMIT),
    Row(
        "create with chat down",
        CREATE,
        _during(_create, chat="fail"),
        _answers((500, 500, None), CREATE_FAILED),
    ),
    Row(
        "create with censor down",
        CREATE,
        _during(_create, censor="fail"),
        _answers((200, 0, ""), CREATE_FAILED),
    ),
    Row(
        "title too long",
        CREATE,
        lambda c: c.create(title="t" * 129),
        _answers(TOO_LONG, CREATE_FAILED),
    ),
    Row("read unknown", READ, lambda c: c.get("1"), READ_UNKNOWN),
    Row("read deleted", READ, _after(Client.delete, Client.get), READ_UNKNOWN),
    Row(
        "read with database down",
        READ,
        _during(Client.get, database="down"),
        _answers((500, 500, UNREACHABLE), CREATE_FAILED),
    ),
    Row("stop unknown", STOP, lambda c: c.stop("1"), WRITE_UNKNOWN),
    Row("stop deleted", STOP, _after(Client.delete, Client.stop), WRITE_UNKNOWN),
    Row("stop with database down", STOP, _during(Client.stop, database="down"), WRITE_DOWN),
    Row(
        "stop with lost commit",
        STOP,
        _during(Client.stop, lost_commits=1),
        _answers(BROKEN_OFF, (200, 200, "success")),
    ),
    Row(
        "stop with censor down",
        STOP,
        _during(Client.stop, censor="fail"),
        _answers((200, 0, ""), (500, 501, None)),
    ),
    Row("stop created", STOP, lambda c: c.stop(c.new_room()["live_id"]), NOT_LIVING),
    Row("stop ended", STOP, _after(Client.stop, Client.stop), NOT_LIVING),
    Row("delete unknown", DELETE, lambda c: c.delete("1"), WRITE_UNKNOWN),
    Row("delete deleted", DELETE, _after(Client.delete, Client.delete), WRITE_UNKNOWN),
    Row("delete with database down", DELETE, _during(Client.delete, database="down"), WRITE_DOWN),
    Row(
        "delete with lost commit",
        DELETE,
        _during(Client.delete, lost_commits=1),
        _answers(BROKEN_OFF, (500, 500, "delete live failed")),
    ),
    Row("registered", REGISTER, lambda c: c.register("carol"), USER_SUCCESS),
    Row(
        "registered already",
        REGISTER,
        lambda c: c.register("ALICE"),
        _answers((400, 10001, "Already existed"), (500, 500, "Internal error")),
    ),
    Row(
        "register bad json",
        REGISTER,
        lambda c: c.send("POST", "/server/user/register", content=b"{"),
        _answers((400, 400, None), BAD_ARGUMENTS, TEXT, TEXT),
    ),
    Row(
        "register nobody",
        REGISTER,
        lambda c: c.register(""),
        _answers((400, 400, "empty user_id"), BAD_ARGUMENTS),
    ),
    Row("register long nick", REGISTER, lambda c: c.register("x", nick="n" * 65), REGISTER_FAILED),
    Row(
        "register with database down",
        REGISTER,
        _during(_register, database="down"),
        REGISTER_FAILED,
    ),
    Row("register with lost commit", REGISTER, _during(_register, lost_commits=1), REGISTER_FAILED),
    Row("infos", INFOS, lambda c: c.infos("alice", "nobody"), USER_SUCCESS),
    Row("infos of nobody", INFOS, lambda c: c.infos("nobody"), USER_SUCCESS),
    Row(
        "infos without ids",
        INFOS,
        lambda c: c.infos(),
        _answers((400, 400, "ids cant be empty, or more than 200"), BAD_ARGUMENTS),
    ),
    Row("infos with database down", INFOS, _during(_infos, database="down"), USERS_DOWN),
    Row("info", INFO, lambda c: c.send("GET", "/server/user/info/alice"), USER_SUCCESS),
    Row(
        "info of nobody",
        INFO,
        lambda c: c.send("GET", "/server/user/info/nobody"),
        _answers((404, 404, "Not Found"), (404, 500, "Internal error")),
    ),
    Row("info with database down", INFO, _during(_info, database="down"), USERS_DOWN),
    Row(
        "token",
        TOKEN,
        lambda c: c.send("GET", "/server/auth/token?app_id=a&user_id=nobody"),
        USER_SUCCESS,
    ),
    Row(
        "token without a user",
        TOKEN,
        lambda c: c.send("GET", "/server/auth/token?app_id=a"),
        _answers((400, 400, "Bad Request"), BAD_ARGUMENTS),
    ),
    Row(
        "token with database down",
        TOKEN,
        _during(
            lambda c, _: c.send("GET", "/server/auth/token?app_id=a&user_id=alice"),
            database="down",
        ),
        REGISTER_FAILED,
    ),
    *(
        Row(
            f"{fault} token {method} {path}",
            (method, path),
            _with_token(method, called, fault),
            told,
        )
        for (method, path), called in (
            (START, "1"),
            (JOIN, "user/1"),
            (BEAT, "heartbeat/1"),
            (LIST, "list"),
        )
        for fault, told in (("bad", BAD_SIGNATURE), ("late", EXPIRED), ("unread", CLIENTS_DOWN))
    ),
    Row("started", START, lambda c: c.start(c.new_room()["live_id"]), SUCCESS),
    Row("started again", START, lambda c: c.start(c.living_room()), SUCCESS),
    Row(
        "start ended",
        START,
        _after(Client.stop, Client.start),
        _failed("live status error", "start live failed"),
    ),
    Row(
        "start of another's",
        START,
        lambda c: c.start(c.new_room()["live_id"], "bob"),
        _failed("user not anchor", "start live failed"),
    ),
    Row(
        "start unknown",
        START,
        lambda c: c.start("1"),
        _failed("record not found", "start live failed"),
    ),
    Row(
        "start with lost commit",
        START,
        _during(Client.start, lost_commits=1),
        _failed("invalid connection", "start live failed"),
    ),
    Row("joined", JOIN, lambda c: c.join(c.living_room(), "bob"), SUCCESS),
    Row(
        "join unknown",
        JOIN,
        lambda c: c.join("1"),
        _failed("record not found", "get live info failed"),
    ),
    Row("heartbeat", BEAT, lambda c: _beat_later(c, 20), SUCCESS),
    Row(
        "heartbeat too late",
        BEAT,
        lambda c: _beat_later(c, 20.1),
        _failed("user not in live room", "heartbeat failed"),
    ),
    Row(
        "heartbeat of who never came",
        BEAT,
        lambda c: c.beat(c.living_room()),
        _failed("user not in live room", "heartbeat failed"),
    ),
    Row("list of none", LIST, lambda c: c.client_call("GET", "list"), SUCCESS),
    Row(
        "list",
        LIST,
        _during(lambda c, _: c.client_call("GET", "list?page_num=1&page_size=1&live_status=1")),
        SUCCESS,
    ),
    Row(
        "list of page zero",
        LIST,
        lambda c: c.client_call("GET", "list?page_num=0"),
        _answers(NOT_RIGHT, NOT_RIGHT),
    ),
    Row(
        "list of no number",
        LIST,
        lambda c: c.client_call("GET", "list?page_num=x"),
        _answers(NO_NUMBER, NO_NUMBER),
    ),
]


@pytest.fixture(params=ROWS, ids=lambda row: row.case.replace(" ", "-"))
def played(request: pytest.FixtureRequest, client: Client, dialect: DialectName) -> Played:
    """Each row of the table, in each dialect."""
    row: Row = request.param
    return Played(row, dialect, row.provoke(client))
