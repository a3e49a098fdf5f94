"""Switches of the simulated vendor: faults of its parts, and variants between builds.

Tests set the attributes of `Vendor.faults`; people send them to `PUT /sandbox/faults`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

_Count = Annotated[int, Meta(ge=0)]
Part = Literal["up", "fail", "hang"]

_UNREACHABLE = "dial tcp 127.0.0.1:3306: connect: connection refused"
_BROKEN_OFF = "invalid connection"


class DatabaseError(Exception):
    """The database could not be asked, or refused. The text is the driver's."""


class Faults(Struct, kw_only=True, forbid_unknown_fields=True):
    """All switches in their healthy position.

    `database`: `hang` freezes it; calls go on where they were once it is `up` again.
    `lost_commits`: so many writes take effect and are answered as failed.
    `failed_commits`: so many writes take no effect and are answered as failed.
    `lag`: seconds until reads, also those inside a stop or delete, see a write.
    `sql_mode`: refuse values too long for their column, or cut them in silence.
    `chat`: the chat service, asked by a create before the row is written.
    `censor`: the censor, asked by a create and a stop after the row was written. Its failure is
    an error in legacy builds only.
    `panic`: creates break off after the row was written.
    `hanging_rooms`: reads of these rooms hang, also those inside a stop or delete.
    `refuse`: 429 or 503 for every call, with `retry_after` as its header if not empty.
    `html`: every call is answered by a page in place of JSON.
    `callback_url`: told about rooms; may hold user and password. Empty: none is told. A reset
    leaves it as it is.
    `callback_first`: the callback is answered before the call that caused it.
    `timezone`: zone of times in calls; builds before 2023 used UTC.
    `anchor_status`: spelling of that field; v0.2.0 has `AnchorStatus`.
    """

    database: Literal["up", "down", "hang"] = "up"
    lost_commits: _Count = 0
    failed_commits: _Count = 0
    lag: Annotated[float, Meta(ge=0)] = 0
    sql_mode: Literal["strict", "lax"] = "strict"
    chat: Part = "up"
    censor: Part = "up"
    panic: bool = False
    hanging_rooms: list[str] = msgspec.field(default_factory=list)
    refuse: Literal[0, 429, 503] = 0
    retry_after: str = ""
    html: bool = False
    callback_url: str = ""
    callback_first: bool = False
    timezone: Literal["UTC+8", "UTC"] = "UTC+8"
    anchor_status: Literal["anchor_status", "AnchorStatus"] = "anchor_status"

    def change(self, body: bytes) -> None:
        """Set the switches named in a JSON object; raise ValueError and change none if invalid."""
        given = msgspec.json.decode(body, type=dict[str, object])
        self._become(msgspec.convert(msgspec.to_builtins(self) | given, type=Faults))

    def reset(self) -> None:
        """Set every switch to its healthy position; who is told about rooms is no fault."""
        self._become(Faults(callback_url=self.callback_url))

    def connect(self) -> None:
        """Reach the database; raise DatabaseError if it is down."""
        if self.database == "down":
            raise DatabaseError(_UNREACHABLE)

    def _become(self, other: "Faults") -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(other, name))

    @contextmanager
    def commit(self) -> Iterator[None]:
        """Run a write; raise DatabaseError for the commits that are lost or fail."""
        self.connect()
        if self.failed_commits:
            self.failed_commits -= 1
            raise DatabaseError(_BROKEN_OFF)
        yield
        if self.lost_commits:
            self.lost_commits -= 1
            raise DatabaseError(_BROKEN_OFF)

    def fit(self, column: str, text: str, limit: int) -> str:
        """Return `text` as stored in a column of `limit` characters; raise DatabaseError."""
        if len(text) > limit and self.sql_mode == "strict":
            raise DatabaseError(f"Error 1406: Data too long for column '{column}' at row 1")
        return text[:limit]
