"""The repeats of a room's `push_url` in its other fields, found by value.

Viewers get those fields, so an upstream that copies the `push_url`, or the value of its `token`
parameter, into one of them hands every viewer the key. Such a text becomes empty.

- Keys and texts are compared as they are and percent-decoded, texts up to three times.
- A key under four characters is not searched for: it is no secret, and titles hold it by chance.
- Without a readable `push_url` every token parameter in the reply counts as its token.
- The search is bounded, far beyond what the vendor can store. Beyond that, no text passes
  unsearched: one with a percent sign becomes empty, and a longer `push_url` is refused.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter
from urllib.parse import unquote_to_bytes

from msgspec import structs

from gateway.rooms import Anchor, AnchorRoom

from .faults import Broken

_TOKENS = re.compile(r"[?&]token=([^&#]*)")
_ANY_TOKENS = re.compile(r"(?:[?&]|\\u0026)token=([^&#\"\\]*)")
_SHORTEST_KEY = 4
_LONGEST_URL = 4096
_MOST_TOKENS = 8
_MOST_ESCAPES = 5_000
_DECODINGS = 3

Holds = Callable[[str], bool]
"""True for a text with a key in it."""


def _texts_of(shape: type[Anchor | AnchorRoom]) -> tuple[str, ...]:
    return tuple(each.name for each in structs.fields(shape) if each.type is str)


_ROOM = _texts_of(AnchorRoom)
_ANCHOR = _texts_of(Anchor)
_texts = attrgetter(*_ROOM, *(f"anchor_info.{name}" for name in _ANCHOR))


def without_repeats(room: AnchorRoom, push_url: str) -> tuple[AnchorRoom, tuple[str, ...]]:
    """Return `room` with the repeats of `push_url` emptied, and the names of their fields.

    A pair of `extends` with a repeat in its key is dropped. Raises Broken for a repeat in an id.
    """
    own, anchors = room.extends, room.anchor_info.extends
    texts = "\n".join((*_texts(room), *own, *own.values(), *anchors, *anchors.values()))
    if _surely_none(push_url, texts):
        return room, ()
    decodings = _DECODINGS if texts.count("%") <= _MOST_ESCAPES else 0
    holds = partial(_hold, _keys(push_url), decodings)
    return _emptied(room, holds) if holds(texts) else (room, ())


def stand_in(data: bytes) -> str:
    """Return a text with all token parameters of a reply, in place of an unreadable `push_url`."""
    tokens = dict.fromkeys(_ANY_TOKENS.findall(data.decode(errors="ignore")))
    return "?token=" + "&token=".join(tokens)


def _surely_none(push_url: str, texts: str) -> bool:
    """Return True for a usual room without repeats, in a microsecond; False decides nothing.

    With one token, in its own spelling, any repeat has this token in it.
    """
    _, _, rest = push_url.partition("token=")
    token = rest.partition("&")[0]
    return (
        token not in texts
        and "%" not in texts
        and "token=" not in rest
        and "%" not in push_url
        and "+" not in push_url
        and "#" not in rest
        and len(push_url) <= _LONGEST_URL
    )


def _keys(push_url: str) -> tuple[bytes, ...]:
    """Return the keys to search for: tokens, or without any the `push_url`, which has them."""
    if len(push_url) > _LONGEST_URL:
        raise Broken("the push_url is too long to be searched for")
    keys = [each.encode() for each in _TOKENS.findall(push_url) if len(each) >= _SHORTEST_KEY]
    if len(keys) > _MOST_TOKENS:
        raise Broken("the push_url has too many tokens to be searched for")
    if not keys and len(push_url) >= _SHORTEST_KEY:
        keys = [push_url.encode()]
    if "%" not in push_url and "+" not in push_url:
        return tuple(keys)
    decoded = [unquote_to_bytes(form) for key in keys for form in (key, key.replace(b"+", b" "))]
    return tuple(key for key in (*keys, *decoded) if len(key) >= _SHORTEST_KEY)


def _hold(keys: tuple[bytes, ...], decodings: int, text: str) -> bool:
    """Return True for a text with a key in it; one that must not be decoded counts as such."""
    if not keys:
        return False
    form = text.encode()
    for _ in range(decodings):
        if any(key in form for key in keys):
            return True
        if b"%" not in form:
            return False
        form = unquote_to_bytes(form)
    return any(key in form for key in keys) or (not decodings and b"%" in form)


def _emptied(room: AnchorRoom, holds: Holds) -> tuple[AnchorRoom, tuple[str, ...]]:
    anchor = room.anchor_info
    if holds(room.live_id) or holds(anchor.user_id):
        raise Broken("an id in the reply repeats the push_url")
    of_room, of_anchor = _repeats(room, _ROOM, holds), _repeats(anchor, _ANCHOR, holds)
    emptied = structs.replace(room, **of_room, anchor_info=structs.replace(anchor, **of_anchor))
    return emptied, (*of_room, *(f"anchor_info.{name}" for name in of_anchor))


def _repeats(shape: Anchor | AnchorRoom, texts: tuple[str, ...], holds: Holds) -> dict[str, object]:
    """Return the fields with a repeat, by name, as they are without it."""
    changed: dict[str, object] = {name: "" for name in texts if holds(getattr(shape, name))}
    extends = _pairs(shape.extends, holds)
    return changed if extends == shape.extends else changed | {"extends": extends}


def _pairs(extends: Mapping[str, str], holds: Holds) -> dict[str, str]:
    return {key: "" if holds(value) else value for key, value in extends.items() if not holds(key)}
