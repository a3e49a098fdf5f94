"""Texts that break programs, in every field of a create: kept as they are, or refused."""

import json
from typing import Any

import httpx
import pytest

from gateway.sandbox import Sandbox
from tests.conftest import signed_in

NAUGHTY = [
    "",
    " ",
    "\t\r\n",
    "\x00",
    "a\x00b",
    "\x01\x02\x7f\x80\x9f",
    "\x1b[31mred\x1b[0m",
    "\u202egnp.exe",
    "\u2066\u2069\u200f",
    "\ufeffBOM",
    "\u200b\u200c\u200d\u2060",
    "e\u0301 \u00e9 \u212b",
    "Z\u0351\u036b\u0343a\u0329\u032bl\u0321g\u0321o\u0322",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
    "\U0001f3f3\ufe0f\u200d\U0001f308\U0001f1fa\U0001f1f3",
    "\U0010ffff\ufffe\uffff\ufdd0",
    "直播间公告\uff0c测试",
    "مرحبا بالعالم",
    "ﷺ ﷽",
    "\uff46\uff55\uff4c\uff4c\u3000\uff57\uff49\uff44\uff54\uff48",
    "İıſß",
    "'; DROP TABLE rooms; --",
    "1' OR '1'='1",
    '" or ""="',
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "]]><!--",
    "&amp;&#x0;",
    "%s%s%n%x",
    "{0}{title}{{}}",
    "${7*7}#{7*7}{{7*7}}",
    "${jndi:ldap://gateway.invalid/a}",
    "$(touch x)`id`|;&",
    "../../../../etc/passwd",
    "C:\\con\\nul",
    "http://127.0.0.1:1/",
    "https://user:secret@example.com:8080/?q=1#f",
    "javascript:alert(1)",
    "a\r\nX-Injected: 1",
    "null",
    "undefined",
    "NaN",
    "-1e400",
    "0x7fffffffffffffff",
    "true",
    '","anchor_id":"bob',
    "\\u0000\\",
    "x" * 128,
    "x" * 60_000,
    "\U0001f600" * 255,
]

FIELDS = ["title", "notice", "cover_url", "extends", "key", "anchor_id"]
FIELDS += ["start_at", "end_at", "publish_expire_at", "unknown"]

SURROGATES = [r"\ud800", r"\udc00\ud800", r"a\udfffb", r"\ud83d"]


def body_with(field: str, text: str) -> dict[str, Any]:
    """Return a create whose `field` is `text`; `key` is the name of an extension."""
    match field:
        case "extends":
            return {"title": "t", "extends": {"k": text}}
        case "key":
            return {"title": "t", "extends": {text: "v"}}
        case "unknown":
            return {"title": "t", text: "v"}
        case _:
            return {"title": "t", field: text}


@pytest.mark.parametrize("field", FIELDS)
def test_any_text_is_kept_or_refused(client: httpx.Client, sandbox: Sandbox, field: str) -> None:
    """Never a 5xx; what is accepted comes back unchanged, also to whoever reads it next."""
    alice = signed_in(sandbox, "alice")
    kept = 0
    for text in NAUGHTY:
        body = body_with(field, text)
        response = client.post("/v1/rooms", json=body, headers=alice)
        assert "x-injected" not in response.headers
        if response.status_code != 201:
            code = response.json()["code"]
            assert (response.status_code, code) in {
                (400, "invalid_request"),
                (403, "missing_scope"),
                (413, "body_too_large"),
            }
            continue
        kept += 1
        read = client.get(response.headers["Location"], headers=signed_in(sandbox, "bob"))
        for name in body.keys() - {"anchor_id"}:
            assert response.json()[name] == body[name] == read.json()[name]
    assert (kept > 40) == (field in {"title", "notice", "extends", "key"})


@pytest.mark.parametrize("text", SURROGATES)
@pytest.mark.parametrize("field", FIELDS)
def test_half_a_character_is_refused(
    client: httpx.Client, sandbox: Sandbox, field: str, text: str
) -> None:
    """An escaped lone surrogate is no text that could be passed on."""
    body = json.dumps(body_with(field, "@")).replace("@", text)
    headers = {**signed_in(sandbox, "alice"), "Content-Type": "application/json"}
    response = client.post("/v1/rooms", content=body, headers=headers)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("text", [text for text in NAUGHTY if "\r" not in text and text.isascii()])
def test_queries_and_cookies_do_not_matter(
    client: httpx.Client, sandbox: Sandbox, text: str
) -> None:
    """A stray query is ignored, whatever is in it."""
    response = client.get(
        "/v1/rooms/room-1", params={"x": text[:2000]}, headers=signed_in(sandbox, "alice")
    )
    assert (response.status_code, response.json()["code"]) == (404, "room_not_found")
