"""Media types of strangers, parsed strictly and within bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media_type import MediaType, parse_media_type

JSON = "application/json"


@pytest.mark.parametrize(
    ("text", "essence", "charset"),
    [
        (JSON, JSON, None),
        ("Application/VND.x+JSON", "application/vnd.x+json", None),
        (f"{JSON}; charset=UTF-8", JSON, "utf-8"),
        (f'{JSON};CharSet="utf8"', JSON, "utf8"),
        (f'{JSON}\t; charset="u\\tf\\-8"\t', JSON, "utf-8"),
        (f'{JSON}; x="a;b\\"c;charset=gbk"; charset=utf-8; y=1', JSON, "utf-8"),
        (f"{JSON};;; ; charset=utf-8;", JSON, "utf-8"),
        (f"{JSON}; charset*=utf-16''x; charset*0=a", JSON, None),
        (f'{JSON}; charset=""', JSON, ""),
        (f'{JSON}; x="\xe9"', JSON, None),
    ],
)
def test_well_formed(text: str, essence: str, charset: str | None) -> None:
    """Type and charset come without case, quotes and escapes; other parameters are passed over."""
    assert parse_media_type(text) == MediaType(essence, charset)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "json", "application", "/json", "application/", "application//json", f" {JSON}"),
        *(
            f"{JSON}, {JSON}",
            f"{JSON} x",
            f"{JSON}; x",
            f"{JSON}; x=",
            f"{JSON}; =x",
            f"{JSON};x =1",
        ),
        *(f'{JSON}; x="', f'{JSON}; x="\\"', f'{JSON}; x="a"b', f"{JSON}; x=a b", f"{JSON}; x=a\0"),
        *(f"{JSON}; charset=utf-8; charset=utf-8", f"{JSON}\n", f"{JSON}; x=\xe9", f"{JSON}\u2003"),
        *(f'{JSON};x="{";" * 15_000}', f"{JSON}{';' * 17}", f"{JSON}; x={'a' * 256}"),
    ],
)
def test_not_well_formed(text: str) -> None:
    """Anything else is no media type, and neither are too long a text and too many parameters."""
    assert parse_media_type(text) is None


@pytest.mark.parametrize(
    ("charset", "is_utf8"),
    [
        (None, True),
        ("utf-8", True),
        ("utf8", True),
        ("us-ascii", True),
        ("", False),
        ("gbk", False),
    ],
)
def test_names_of_utf8(charset: str | None, is_utf8: bool) -> None:  # noqa: FBT001  # a row
    """UTF-8 has two names, and is what no charset means; ASCII is a part of it."""
    assert MediaType(JSON, charset).is_utf8 is is_utf8


PIECES = st.sampled_from(
    [JSON, "text/plain", ";", " ", "\t", "charset", "=", '"', "\\", "utf-8", "*", "9" * 20, "\xff"]
)


@given(st.text() | st.lists(PIECES).map("".join))
def test_any_text_is_decided(text: str) -> None:
    """Any text is a media type or none, never an exception."""
    found = parse_media_type(text)
    assert found is None or text.lower().startswith(found.essence)


@given(st.text(), st.text())
def test_a_quoted_value_comes_back(before: str, charset: str) -> None:
    """A quoted charset is read as it was meant, whatever stands in the parameter before it."""

    def quoted(text: str) -> str:
        plain = text.encode("latin-1", "ignore").decode("latin-1")[:20]
        kept = "".join(each for each in plain if each.isprintable() or each == "\t")
        return kept.replace("\\", "\\\\").replace('"', '\\"')

    found = parse_media_type(f'{JSON}; x="{quoted(before)}"; charset="{quoted(charset)}"')
    assert found is not None
    assert found.charset is not None
    escaped = found.charset.replace("\\", "\\\\").replace('"', '\\"')
    assert escaped == quoted(charset).lower()
