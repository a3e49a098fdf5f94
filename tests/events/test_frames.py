"""Server-sent events as bytes, and merge patches."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.events.frames import comment, event, retry
from gateway.events.merge_patch import merge_patch
from tests.events.patches import applied, without_nulls

NAMES = st.sampled_from(["a", "b", "c"])
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
OBJECTS = st.recursive(
    st.dictionaries(NAMES, SCALARS | st.lists(SCALARS, max_size=2), max_size=3),
    lambda inner: st.dictionaries(NAMES, SCALARS | inner, max_size=3),
    max_leaves=8,
)


def test_an_event_has_its_lines_in_order() -> None:
    """Id and retry come first, an empty line last."""
    assert event("deleted") == b"event: deleted\ndata: {}\n\n"
    assert event("room", b'{"a":1}', etag=b'"x"') == b'id: "x"\nevent: room\ndata: {"a":1}\n\n'
    assert event("reconnect", retry=1500) == b"retry: 1500\nevent: reconnect\ndata: {}\n\n"


def test_what_no_client_shows() -> None:
    """A retry alone and a comment make no event."""
    assert retry(700) == b"retry: 700\n\n"
    assert comment("a b") == b": a b\n\n"


@given(OBJECTS, OBJECTS)
def test_a_patch_makes_the_new_state_of_the_old(before: Any, after: Any) -> None:
    """But for members that are null."""
    made = applied(before, merge_patch(before, after))
    assert without_nulls(made) == without_nulls(after)


@given(OBJECTS)
def test_nothing_changed_is_nothing(state: Any) -> None:
    """The patch of a state to itself is empty."""
    assert merge_patch(state, state) == {}


def test_a_member_that_became_null_is_null_in_the_patch() -> None:
    """A client hears of it; one that is new and null, too."""
    assert merge_patch({"a": 1, "b": 2}, {"a": None, "b": 2}) == {"a": None}
    assert merge_patch({}, {"a": None}) == {"a": None}
