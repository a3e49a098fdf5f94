"""Valid and invalid `Idempotency-Key` headers."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.room_handlers import idempotency_key_in
from gateway.rooms import InvalidRequest

NAME = b"idempotency-key"
VISIBLE = string.ascii_letters + string.digits + string.punctuation


@given(st.text(VISIBLE, min_size=1, max_size=128))
def test_visible_ascii_is_a_key(key: str) -> None:
    """1 to 128 visible characters must be accepted as they are, quotes and commas included."""
    assert idempotency_key_in([(b"host", b"x"), (NAME, key.encode())]) == key


@given(st.lists(st.sampled_from([b"host", b"x-idempotency-key", b"idempotency-keys"])))
def test_no_header_is_no_key(names: list[bytes]) -> None:
    """A create without the header must have no key."""
    assert idempotency_key_in([(name, b"key") for name in names]) is None


@pytest.mark.parametrize(
    "values",
    [
        [b""],
        [b"a" * 129],
        [b"a b"],
        [b" a"],
        [b"a\t"],
        [b"a\n"],
        [b"\x7f"],
        [b"\x00"],
        ["é".encode()],
        ["é".encode("latin-1")],
        [b"a", b"b"],
        [b"a", b"a"],
        [b"", b"a"],
    ],
)
def test_anything_else_is_refused_by_name(values: list[bytes]) -> None:
    """A header that is empty, too long, not visible ASCII, or sent twice must be refused."""
    with pytest.raises(InvalidRequest) as caught:
        idempotency_key_in([(NAME, value) for value in values])
    assert [problem.field for problem in caught.value.problems] == ["Idempotency-Key"]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_key_or_refused(value: bytes) -> None:
    """Any bytes must be a key or be refused, without another exception."""
    good = 1 <= len(value) <= 128 and all(0x21 <= byte <= 0x7E for byte in value)
    if good:
        assert idempotency_key_in([(NAME, value)]) == value.decode()
    else:
        with pytest.raises(InvalidRequest):
            idempotency_key_in([(NAME, value)])
