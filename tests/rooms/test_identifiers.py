"""The patterns of ids."""

import json
import re

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.rooms import USER_ID, is_user_id


@given(st.text(max_size=140))
@example("a" * 128)
@example("a" * 129)
@example("\u180e")
def test_user_ids(text: str) -> None:
    """A user id is 1 to 128 printable characters without white space, and the pattern fits it."""
    good = 0 < len(text) <= 128 and text.isprintable() and not re.search(r"\s", text)
    assert is_user_id(text) == good
    assert not good or re.fullmatch(USER_ID, text)


@given(st.text(st.characters(categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"])))
def test_nothing_invisible(text: str) -> None:
    """No control, invisible or unassigned character, space or half of a character is in one."""
    assert not is_user_id(text)
    assert not is_user_id(f"a{text}b") or not text


@given(st.text(min_size=1, max_size=128).filter(is_user_id))
def test_user_ids_are_text_everywhere(text: str) -> None:
    """A user id keeps its form as UTF-8 and as JSON, and in a line of its own."""
    assert text.encode().decode() == text == json.loads(json.dumps(text))
    assert text.splitlines() == [text] == text.split()
