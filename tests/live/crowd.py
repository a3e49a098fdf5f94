"""A crowd of readers and creators at some gateways, which check all that they are told.

`python -m tests.live.crowd` is a crowd in a process of its own: it takes a `Crowd` as JSON on
standard input and prints what was `Seen`.
"""

import asyncio
import random
import sys
import time
from collections import Counter

import msgspec
from msgspec import Struct, field

from tests.bench.client import Answer, Connection, NoAnswer, request
from tests.bench.load import allow_descriptors
from tests.commands import ROOT
from tests.leaks.canaries import token
from tests.live.counting_vendor import PUSH_TOKEN, STANDING

_PULSE = 0.02
"""Seconds between two questions that need neither a room nor a store."""


class Crowd(Struct):
    """So many readers and creators at each port, for so many seconds.

    A reader asks for one of `rooms` standing rooms, numbered from `first`, and pauses; a creator
    sends each create with a key of its own, and pauses as long. Users are called after `name`.
    """

    ports: list[int]
    readers: int
    seconds: float
    rooms: int = 50
    creators: int = 0
    pause: float = 0.5
    first: int = 0
    name: str = "crowd"


class Seen(Struct):
    """What was told: answers by status or code, `lost` for a broken connection; falsehoods.

    `longest` and `pulse` are the longest waits in seconds: for an answer, and for one of the
    gateway's health, which shows what the machine takes. `oldest` is the greatest age of a room
    shown. `made` are the rooms created, by title.
    """

    answers: dict[str, int] = field(default_factory=dict)
    false: list[str] = field(default_factory=list)
    longest: float = 0.0
    pulse: float = 0.0
    oldest: float = 0.0
    made: dict[str, str] = field(default_factory=dict)

    def count(self, name: str) -> None:
        """Count an answer."""
        self.answers[name] = self.answers.get(name, 0) + 1

    def add(self, other: "Seen") -> None:
        """Add what others saw."""
        self.answers = Counter(self.answers) + Counter(other.answers)
        self.false += other.false
        self.longest = max(self.longest, other.longest)
        self.pulse = max(self.pulse, other.pulse)
        self.oldest = max(self.oldest, other.oldest)
        self.made |= other.made

    @property
    def bad(self) -> dict[str, int]:
        """Answers that were no success."""
        return {name: count for name, count in self.answers.items() if name not in {"200", "201"}}


async def visit(crowd: Crowd) -> Seen:
    """Send a crowd from this process."""
    seen = Seen()
    end = time.monotonic() + crowd.seconds
    async with asyncio.TaskGroup() as everyone:
        for place, port in enumerate(crowd.ports):
            everyone.create_task(_feel(port, end, seen))
            for number in range(crowd.readers):
                user = f"{crowd.name}-{place}-{number}"
                everyone.create_task(_read(crowd, port, user, end, seen))
            for number in range(crowd.creators):
                user = f"{crowd.name}-maker-{place}-{number}"
                everyone.create_task(_create(crowd, port, user, end, seen))
    return seen


async def send(crowd: Crowd, processes: int = 1) -> Seen:
    """Send a crowd from processes of its own, which share its readers."""
    shares = [
        msgspec.structs.replace(
            crowd,
            readers=crowd.readers // processes,
            creators=crowd.creators // processes,
            name=f"{crowd.name}-{number}",
        )
        for number in range(processes)
    ]
    seen = Seen()
    for told in await asyncio.gather(*map(_sent, shares)):
        seen.add(told)
    return seen


async def _sent(crowd: Crowd) -> Seen:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.live.crowd"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await process.communicate(msgspec.json.encode(crowd))
    return msgspec.json.decode(told, type=Seen)


async def timed(connection: Connection, seen: Seen, *pieces: bytes) -> Answer | None:
    """Send a request; note how long it took and what it was. None for a broken connection."""
    began = time.monotonic()
    try:
        answer = await connection.ask(*pieces)
    except NoAnswer:
        seen.count("lost")
        await asyncio.sleep(0.05)
        return None
    finally:
        seen.longest = max(seen.longest, time.monotonic() - began)
    seen.count(named(answer))
    return answer


def named(answer: Answer) -> str:
    """Return the status of an answer, and the code of a problem."""
    code = msgspec.json.decode(answer.body)["code"] if answer.status >= 400 else ""
    return f"{answer.status} {code}".strip()


def wrong(answer: Answer, live_id: str, title: str) -> list[str]:
    """Return what is false in a good answer to a viewer."""
    found = []
    told = msgspec.json.decode(answer.body)
    if (told["live_id"], told["title"]) != (live_id, title):
        found.append(f"{live_id} was answered with {told['live_id']}, {told['title']}")
    if "push_url" in told or PUSH_TOKEN.encode() in answer.body:
        found.append(f"a viewer got the push URL of {live_id}")
    return found


async def _read(crowd: Crowd, port: int, user: str, end: float, seen: Seen) -> None:
    connection, bearer = Connection(port), token(user)
    await asyncio.sleep(random.uniform(0, crowd.pause))  # noqa: S311  # they do not come at once
    while time.monotonic() < end:
        number = crowd.first + random.randrange(crowd.rooms)  # noqa: S311  # any will do
        live_id = f"{STANDING}{number}"
        answer = await timed(connection, seen, request("GET", f"/v1/rooms/{live_id}", bearer))
        if answer is not None and answer.status == 200:
            seen.false += wrong(answer, live_id, f"title of {live_id}")
            seen.oldest = max(seen.oldest, _age(answer))
        await asyncio.sleep(crowd.pause)
    connection.drop()


async def _create(crowd: Crowd, port: int, user: str, end: float, seen: Seen) -> None:
    connection, bearer = Connection(port), token(user)
    number = 0
    while time.monotonic() < end:
        number += 1
        title = f"{user}-{number}"
        answer = await timed(connection, seen, create(title, bearer))
        if answer is not None and answer.status == 201:
            told = msgspec.json.decode(answer.body)
            if told["title"] != title:
                seen.false.append(f"{title} was answered with {told['title']}")
            seen.made[title] = told["live_id"]
        await asyncio.sleep(crowd.pause)
    connection.drop()


def create(title: str, bearer: str) -> bytes:
    """Return the bytes of a create whose title is its key as well."""
    body = msgspec.json.encode({"title": title})
    return request("POST", "/v1/rooms", bearer, {"Idempotency-Key": title}, body)


async def _feel(port: int, end: float, seen: Seen) -> None:
    connection = Connection(port)
    while time.monotonic() < end:
        began = time.monotonic()
        try:
            await connection.ask(request("GET", "/healthz", ""))
        except NoAnswer:
            await asyncio.sleep(0.05)
        else:
            seen.pulse = max(seen.pulse, time.monotonic() - began)
        await asyncio.sleep(_PULSE)
    connection.drop()


def _age(answer: Answer) -> float:
    return time.monotonic() - float(msgspec.json.decode(answer.body)["notice"])


def main(told: bytes) -> bytes:
    """Send the crowd that is told as JSON; return what it saw as JSON."""
    crowd = msgspec.json.decode(told, type=Crowd)
    allow_descriptors(len(crowd.ports) * (crowd.readers + crowd.creators) + 500)
    return msgspec.json.encode(asyncio.run(visit(crowd)))


if __name__ == "__main__":
    sys.stdout.buffer.write(main(sys.stdin.buffer.read()))
