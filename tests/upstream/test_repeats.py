"""A `push_url` repeated in other fields reaches no viewer."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from gateway.rooms import AnchorRoom
from gateway.secret import Secret
from gateway.upstream.faults import Broken
from gateway.upstream.wire import decode_room
from tests.live.fault_server import ANCHOR, ROOM

TEXTS = ("title", "notice", "cover_url", "pk_id", "hls_url", "rtmp_url", "flv_url")
PLACES = (
    *TEXTS,
    *("nick", "avatar", "extends key", "extends value", "anchor's key", "anchor's value"),
)
CLEAN = st.text('abcdefgh 直播%&?=\n\\"/', max_size=20)
TOKENS = st.text("TUVWXYZ:_-", min_size=4, max_size=40)
AS_SENT: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "encoded": lambda text: quote(text, safe=""),
    "encoded twice": lambda text: quote(quote(text, safe=""), safe=""),
    "wholly encoded": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
}


def made(push_url: str, texts: dict[str, str]) -> dict[str, Any]:
    """Return a room as sent, with a text in each of PLACES."""
    own = {texts["extends key"]: "v", "k": texts["extends value"]}
    anchors = {texts["anchor's key"]: "v", "k": texts["anchor's value"]}
    anchor = ANCHOR | {name: texts[name] for name in ("nick", "avatar")} | {"extends": anchors}
    room = ROOM | {name: texts[name] for name in TEXTS}
    return room | {"push_url": push_url, "extends": own, "anchor_info": anchor}


def decoded(room: dict[str, Any]) -> tuple[AnchorRoom, tuple[str, ...]]:
    """Return a room decoded, and the fields with a repeat."""
    result = decode_room(Raw(msgspec.json.encode(room)))
    assert result.repaired == ()
    return result.room, result.repeated


@given(
    st.fixed_dictionaries(dict.fromkeys(PLACES, CLEAN)),
    st.sets(st.sampled_from(PLACES), min_size=1),
    TOKENS,
    st.sampled_from(["as it is", "encoded", "wholly encoded"]),
    st.sampled_from(sorted(AS_SENT)),
    st.booleans(),
    st.booleans(),
)
def test_no_viewer_sees_a_planted_key(
    texts: dict[str, str],
    places: set[str],
    token: str,
    in_url: str,
    in_texts: str,
    whole: bool,  # noqa: FBT001  # drawn
    alone: bool,  # noqa: FBT001  # drawn
) -> None:
    """Token or `push_url`, alone or in other text, in any encoding: only those fields lose it."""
    push_url = f"rtmp://push.test/live/1?e=17&token={AS_SENT[in_url](token)}"
    plant = AS_SENT[in_texts](push_url if whole else token)
    planted = {place: plant if alone else f"{texts[place]}{plant}z" for place in places}
    room, repeated = decoded(made(push_url, texts | planted))
    shown = msgspec.json.encode(room.for_viewers()).decode()
    assert token not in shown
    assert plant not in shown
    assert push_url not in shown
    assert room.push_url.reveal() == push_url
    assert len(repeated) == len(
        {place.removesuffix(" key").removesuffix(" value") for place in places}
    )
    for place in (*TEXTS, "nick", "avatar"):
        holder = room if place in TEXTS else room.anchor_info
        assert getattr(holder, place) == ("" if place in places else texts[place])
    for name, extends in (("extends", room.extends), ("anchor's", room.anchor_info.extends)):
        key, value = texts[f"{name} key"], texts[f"{name} value"]
        expected = {} if f"{name} key" in places else {key: "v"}
        assert extends == expected | {"k": "" if f"{name} value" in places else value}


@given(st.fixed_dictionaries(dict.fromkeys(PLACES, CLEAN)), TOKENS, st.booleans())
def test_rooms_without_a_plant_are_untouched(
    texts: dict[str, str],
    token: str,
    with_token: bool,  # noqa: FBT001  # drawn
) -> None:
    """A room that repeats nothing is as it was sent."""
    push_url = f"rtmp://push.test/live/1?token={token}" if with_token else f"rtmp://{token}/live/1"
    sent = made(push_url, texts)
    room, repeated = decoded(sent)
    assert repeated == ()
    shown = msgspec.to_builtins(room, enc_hook=Secret.reveal)
    assert shown == sent | {"start_time": None, "end_time": None}


FOUND = [
    ("rtmp://p.test/1", "see rtmp://p.test/1 now"),
    ("rtmp://p.test/1?sign=abcd", "rtmp://p.test/1?sign=abcd"),
    ("rtmp://p.test/1?token=abcd", "abcd"),
    ("rtmp://p.test/1?token=abcd&e=1", "xabcdx"),
    ("rtmp://p.test/1?e=1&token=abcd#f", "abcd"),
    ("rtmp://p.test/1?token=no&token=abcd", "abcd"),
    ("rtmp://p.test/1?token=ab%2Bcd", "ab+cd"),
    ("rtmp://p.test/1?token=ab%2Bcd", "ab%2bcd"),
    ("rtmp://p.test/1?token=ab+cd", "ab cd"),
    ("rtmp://p.test/1?token=ab+cd", "ab%2Bcd"),
    ("rtmp://p.test/1?token=钥匙钥匙", "钥匙钥匙"),
    ("rtmp://p.test/1?token=钥匙钥匙", quote("钥匙钥匙")),
    (f"rtmp://p.test/1?token={quote('钥匙钥匙')}", "钥匙钥匙"),
    ("rtmp://p.test/1?token=abcd", "%25%36%31bcd"),
    ("rtmp://p.test/1?token=ab", "rtmp://p.test/1?token=ab"),
    ("rtmp://p.test/1?my-token=abcd", "rtmp://p.test/1?my-token=abcd"),
]


@pytest.mark.parametrize(("push_url", "text"), FOUND)
def test_repeats(push_url: str, text: str) -> None:
    """Each of these texts repeats this `push_url`."""
    room, repeated = decoded(ROOM | {"push_url": push_url, "title": text})
    assert (room.title, repeated) == ("", ("title",))


NOT_FOUND = [
    ("", "anything"),
    ("abc", "abc"),
    ("rtmp://p.test/1?token=ab", "abc"),
    ("rtmp://p.test/1?token=", "title"),
    ("rtmp://p.test/1?token=abcd", "ABCD"),
    ("rtmp://p.test/1?my-token=abcd", "abcd"),
    ("rtmp://push.test/live/1", "rtmp://play.test/live/1"),
]


@pytest.mark.parametrize(("push_url", "text"), NOT_FOUND)
def test_what_repeats_nothing(push_url: str, text: str) -> None:
    """None of these texts repeats this `push_url`; keys under four characters are not sought."""
    room, repeated = decoded(ROOM | {"push_url": push_url, "title": text})
    assert (room.title, repeated) == (text, ())


@pytest.mark.parametrize(
    "changes", [{"live_id": "1-TOKEN"}, {"anchor_info": ANCHOR | {"user_id": "TOKEN"}}]
)
def test_an_id_is_no_place_for_a_key(changes: dict[str, Any]) -> None:
    """A room with its key in an id is refused, as an id cannot be emptied."""
    with pytest.raises(Broken):
        decoded(ROOM | {"push_url": "rtmp://p.test/1?token=TOKEN"} | changes)


def test_a_pair_with_the_key_as_its_key_is_dropped() -> None:
    """In `extends` a repeat as a value becomes empty, and one in a key takes its pair along."""
    extends = {"a": "TOKEN", "TOKEN": "b", "c": "d"}
    room, repeated = decoded(ROOM | {"push_url": "rtmp://p.test/1?token=TOKEN", "extends": extends})
    assert (room.extends, repeated) == ({"a": "", "c": "d"}, ("extends",))


def test_more_escapes_than_are_decoded() -> None:
    """In a room with thousands of percent signs every text with one counts as a repeat."""
    many = {str(number): "%41" for number in range(6000)}
    changes = {"push_url": "rtmp://p.test/1?token=TOKEN", "extends": many, "title": "100 %"}
    room, repeated = decoded(ROOM | changes | {"notice": "plain"})
    assert (room.title, room.notice, set(room.extends.values())) == ("", "plain", {""})
    assert repeated == ("title", "extends")


@pytest.mark.parametrize(
    "push_url",
    ['["r://p?e=1&token=TOKEN"]', '{"x":"r?token=TOKEN"}', r'"r?\ud83d\u0026token=TOKEN"'],
)
def test_an_unreadable_push_url(push_url: str) -> None:
    """Where `push_url` cannot be read, all token parameters of the reply are searched for."""
    texts = {
        "title": "TOKEN",
        "hls_url": "https://h.test/?token=other",
        "pk_id": "other",
        "notice": "n",
    }
    sent = msgspec.json.encode(ROOM | texts | {"push_url": None}).decode()
    result = decode_room(Raw(sent.replace('"push_url":null', f'"push_url":{push_url}').encode()))
    room = result.room
    assert (room.title, room.hls_url, room.pk_id, room.notice) == ("", "", "", "n")
    assert result.repaired == ("push_url",)


@pytest.mark.parametrize("push_url", ["r" * 5000, "r://p?x=1" + "&token=abcd" * 9])
def test_a_push_url_that_cannot_be_searched_for(push_url: str) -> None:
    """A `push_url` of thousands of characters, or with many tokens, makes a room unusable."""
    with pytest.raises(Broken):
        decoded(ROOM | {"push_url": push_url})
