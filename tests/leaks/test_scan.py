"""The scan finds a canary in whatever it is wrapped, and nothing where there is none."""

import base64
import html
import json
import pickle
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.leaks.canaries import CANARIES
from tests.leaks.scan import PART, Finding, patterns, scan

ENCODERS: dict[str, Callable[[str], bytes]] = {
    "raw": str.encode,
    "URL": lambda text: quote(text, safe="").encode(),
    "URL with slashes": lambda text: quote(text).encode(),
    "form": lambda text: quote_plus(text).encode(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "URL-safe base64": lambda text: base64.urlsafe_b64encode(text.encode()),
    "base64 without padding": lambda text: base64.b64encode(text.encode()).rstrip(b"="),
    "hex": lambda text: text.encode().hex().encode(),
    "HEX": lambda text: text.encode().hex().upper().encode(),
    "JSON": lambda text: json.dumps(text).encode(),
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False).encode(),
    "repr of text": lambda text: repr(text).encode(),
    "repr of bytes": lambda text: repr(text.encode()).encode(),
    "pickle": lambda text: pickle.dumps(text, 0),
    "HTML": lambda text: html.escape(text).encode(),
}

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SECRETS = st.text(
    st.characters(
        min_codepoint=0x21,
        max_codepoint=0xFFFF,
        exclude_categories=["Cs", "Cc", "Zs"],
        exclude_characters="'",  # repr escapes it, but only beside a double quote
    ),
    min_size=PART,
    max_size=40,
)


@pytest.mark.parametrize("encoder", ENCODERS)
@given(secret=SECRETS | st.sampled_from(sorted(CANARIES.values())), before=TEXT, after=TEXT)
def test_it_finds_a_secret_in_any_encoding(
    encoder: str, secret: str, before: str, after: str
) -> None:
    """Wherever it stands in a text, and whatever is around it."""
    said = ENCODERS[encoder](before + secret + after)
    assert scan(b"noise" + said + b"noise", {"it": secret})


@pytest.mark.parametrize("encoder", ENCODERS)
@given(
    secret=st.sampled_from(sorted(CANARIES.values())),
    before=TEXT,
    after=TEXT,
    part=st.sampled_from([slice(PART), slice(-PART, None)]),
)
def test_it_finds_the_ends_of_a_secret(
    encoder: str, secret: str, before: str, after: str, part: slice
) -> None:
    """Either end alone tells too much."""
    assert scan(ENCODERS[encoder](before + secret[part] + after), {"it": secret})


@given(st.binary(max_size=4000))
def test_it_finds_nothing_in_noise(noise: bytes) -> None:
    """Random bytes have no canary in them, and no encoding of one."""
    for said in (noise, base64.b64encode(noise), noise.hex().encode(), repr(noise).encode()):
        assert scan(said, CANARIES) == []


def test_it_says_which_and_how() -> None:
    """A finding names the canary, not its text."""
    hidden = base64.b64encode(b"x" + CANARIES["SK"].encode())
    assert set(scan(hidden, CANARIES)) == {Finding("SK", "base64")}


def test_canaries_are_told_apart() -> None:
    """No pattern is short, or one of two canaries."""
    seen = [pattern for secret in CANARIES.values() for pattern in patterns(secret)]
    assert len(seen) == len(set(seen))
    assert min(map(len, seen)) >= PART
    with pytest.raises(ValueError, match="too short"):
        patterns("short")
