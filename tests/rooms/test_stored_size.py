"""The size of `extends` in the vendor's column."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rooms import stored_size

SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
ESCAPED = {*"<>&\u2028\u2029", *map(chr, range(0x20))}


def as_go_writes(text: str) -> str:
    """Return a string as Go's encoder before 1.22 writes it, character by character."""
    return "".join(
        SHORT.get(each) or (f"\\u{ord(each):04x}" if each in ESCAPED else each) for each in text
    )


_characters = st.characters(exclude_categories=["Cs"]) | st.sampled_from([*ESCAPED, *SHORT, "\x7f"])
_texts = st.text(_characters, max_size=40)


@given(st.dictionaries(_texts, _texts, max_size=5))
def test_the_size_is_gos(extends: dict[str, str]) -> None:
    """For any keys and values the size is that of the JSON that Go writes, in UTF-8."""
    pairs = (f'"{as_go_writes(key)}":"{as_go_writes(each)}"' for key, each in extends.items())
    assert stored_size(extends) == len(f"{{{','.join(pairs)}}}".encode())


@pytest.mark.parametrize("character", ["<", ">", "&", "\u2028", "\u2029", "\x00", "\b", "\f"])
def test_some_characters_take_six_bytes(character: str) -> None:
    """The characters that Go escapes by number take six bytes, in a key as in a value."""
    assert stored_size({"k": character}) == stored_size({"k": ""}) + 6
    assert stored_size({character: ""}) == stored_size({"": ""}) + 6
