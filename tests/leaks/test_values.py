"""No way to show a value shows a secret that it holds."""

import dataclasses
import traceback
from collections.abc import Iterator

import msgspec
import pytest

from gateway.upstream.wire import decode_envelope
from tests.leaks.canaries import CANARIES
from tests.leaks.holders import ERRORS, HOLDERS
from tests.leaks.reachable import texts_in
from tests.leaks.scan import scan
from tests.leaks.shown import WAYS, show
from tests.leaks.telltale import made_for


@pytest.mark.parametrize("holder", HOLDERS)
def test_no_value_shows_its_secret(holder: str) -> None:
    """Printed, converted, pickled, logged, and as a local variable in a traceback."""
    found = {way: scan(show(way, HOLDERS[holder]()), CANARIES) for way in WAYS}
    assert {way: each for way, each in found.items() if each} == {}


@pytest.mark.parametrize("way", [way for way in WAYS if "log" in way or "locals" in way])
def test_what_is_logged_is_not_taken_apart(way: str) -> None:
    """An envelope has its data as it came, and a log shows it as it shows itself: without."""
    data = msgspec.json.encode(made_for("alice", "1"))
    said = show(way, decode_envelope(b'{"code":0,"data":%b}' % data))
    assert b"Envelope(" in said
    assert scan(said, CANARIES) == []


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Return an error and what is shown with it, as far as tracebacks go."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize("kind", ERRORS)
def test_no_error_shows_a_secret(kind: str) -> None:
    """Nor does what caused it, nor their traceback."""
    error = ERRORS[kind]()
    told = "".join(traceback.format_exception(error)).encode()
    assert scan(told, CANARIES) == []
    for each in chain(error):
        found = {way: scan(show(way, each), CANARIES) for way in WAYS if "locals" not in way}
        assert {way: seen for way, seen in found.items() if seen} == {}


@dataclasses.dataclass
class Data:
    """Settings with a plain text instead of a secret."""

    field: str


class Structure(msgspec.Struct):
    """A room with a plain text instead of a secret."""

    field: str


class Plain:
    """A value that prints all of itself."""

    def __init__(self, field: str) -> None:
        self.field = field

    def __repr__(self) -> str:
        return self.field


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["AK", "SK", "token secret", "alice's push_url"])
def test_every_way_would_show_one(way: str, name: str) -> None:
    """Positive control: a plain text in a value of some kind is found."""
    secret = CANARIES[name]
    said = [show(way, value) for value in (Data(secret), Structure(secret), Plain(secret))]
    assert any(scan(each, CANARIES) for each in said)


NOT_INSIDE = {
    *("rooms remembered", "writes remembered", "creates remembered", "an exchange"),
    "a page as it was read",
}
"""Through these a secret has passed."""

IN_CODE = {"a client", "an anchor's answer"}
"""These have theirs in functions, or can be called themselves: the walk leaves those out."""


@pytest.mark.parametrize("holder", HOLDERS)
def test_every_holder_holds_one(holder: str) -> None:
    """Every holder that is tried has a secret inside, where a look into it finds it."""
    said = "\n".join(texts_in(HOLDERS[holder]())).encode(errors="surrogatepass")
    assert bool(scan(said, CANARIES)) is (holder not in NOT_INSIDE | IN_CODE)
