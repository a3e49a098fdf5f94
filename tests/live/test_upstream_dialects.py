"""Every row of the vendor's table, through the gateway's routes."""

import time

import pytest

from gateway.edge import PROBLEMS
from gateway.rooms import GatewayError
from gateway.sandbox import DialectName
from gateway.upstream import Operation
from tests.live.fault_server import Exchange, Script, enveloped, reply, room, rooms, serving
from tests.live.faults import ASKED
from tests.live.gateways import OPERATIONS, Gateway, assert_told, gateway_at
from tests.upstream.dialect_table import BESIDES, DOCUMENTED, LEGACY

TABLES = {"documented": DOCUMENTED, "legacy": LEGACY, "besides": BESIDES}
DONE = {"read": 200, "create": 201, "stop": 204, "delete": 204}
TEXT = "text/plain; charset=utf-8"


def saying(operation: Operation, body: bytes, status: int, content_type: str) -> Script:
    """Return a script that answers one operation like this, and reads besides it well."""

    async def answer(exchange: Exchange) -> None:
        if operation is not Operation.READ and exchange.method == "GET":
            await rooms(exchange)
        else:
            await exchange.write(reply(body, status, f"Content-Type: {content_type}"))

    return answer


async def outcome(gateway: Gateway, operation: Operation, number: int) -> tuple[int, str | None]:
    """Return the status of a call about room `number`, and the code of its problem if it is one."""
    if operation is Operation.READ:
        answer = await gateway.read(str(number))
    else:
        answer = await gateway.write(operation.value, str(number))
    if answer.is_success:
        return answer.status_code, None
    code = answer.json()["code"]
    assert_told(answer, code)
    return answer.status_code, code


@pytest.mark.parametrize("table", TABLES)
async def test_every_row(table: str) -> None:
    """Each row is told as what it means, on one gateway, whose breaker stays closed."""
    differences = {}
    async with serving(rooms) as server, gateway_at(server.url) as gateway:
        for number, (operation, status, code, message, error) in enumerate(TABLES[table]):
            body = enveloped(room(str(number)), code=code, message=message)
            refused_as_text = table == "legacy" and status == 400
            content_type = TEXT if refused_as_text else "application/json; charset=utf-8"
            server.script = saying(operation, body, status, content_type)
            told = await outcome(gateway, operation, number)
            if told != expected(operation, error):
                differences[operation, status, code, message] = told
        assert differences == {}
        assert await gateway.breaker() == "closed"


def expected(operation: Operation, error: object) -> tuple[int, str | None]:
    """Return the status and code of a row's last column."""
    if error is None:
        return DONE[operation.value], None
    assert isinstance(error, type)
    assert issubclass(error, GatewayError)
    return PROBLEMS[error.code].status, error.code


UNKNOWN = {
    "documented": (500, 500, "record not found"),
    "legacy": (200, 500, "create live failed"),
}
UNKNOWN_TO_WRITES = {
    "documented": (500, 500, "record not found"),
    "legacy": (200, 501, "record not found"),
}


@pytest.mark.parametrize("dialect", UNKNOWN)
async def test_unknown_rooms_never_open_the_breaker(dialect: DialectName) -> None:
    """A hundred reads of unknown rooms and fifty writes all reach it and are all 404.

    With `legacy` the database is looked at as well, once a second.
    """
    look_ups = 0

    async def knows_none(exchange: Exchange) -> None:
        nonlocal look_ups
        if exchange.user_ids:
            look_ups += 1
            return await exchange.write(reply(enveloped([])))
        table = UNKNOWN if exchange.method == "GET" else UNKNOWN_TO_WRITES
        status, code, message = table[dialect]
        return await exchange.write(reply(enveloped(code=code, message=message), status))

    began = time.monotonic()
    async with serving(knows_none, scripts_users=True) as server, gateway_at(server.url) as gateway:
        for number in range(100):
            assert_told(await gateway.read(f"unknown-{number}"), "room_not_found")
        assert len(server.received) - look_ups == 100
        for operation in OPERATIONS[1:]:
            for number in range(25):
                assert_told(await gateway.write(operation, f"x-{number}"), "room_not_found")
        assert len(server.received) - look_ups == 150
        most = 0 if dialect == "documented" else 1 + time.monotonic() - began
        assert (look_ups > 0) == (dialect == "legacy")
        assert look_ups <= most
        assert await gateway.breaker() == "closed"


async def test_refusals_never_open_the_breaker() -> None:
    """Unknown anchors and rooms that are not live never open the breaker."""

    async def refusing(exchange: Exchange) -> None:
        if exchange.method == "GET":
            await rooms(exchange)
        elif exchange.target == "/server/live":
            await exchange.write(reply(enveloped(code=404, message="Not Found"), 404))
        else:
            await exchange.write(reply(enveloped(code=501, message="live status error"), 500))

    async with serving(refusing) as server, gateway_at(server.url) as gateway:
        for _ in range(30):
            assert_told(await gateway.write("create"), "anchor_not_registered")
        for _ in range(30):
            assert_told(await gateway.write("stop", ASKED), "room_not_live")
        assert await gateway.breaker() == "closed"
