"""The vendor's signature check agrees with the published vectors and the vendor's SDK."""

from __future__ import annotations

import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace
from qiniu import QiniuMacAuth
from qiniu.utils import canonical_mime_header_key

from gateway.sandbox.request import Call
from gateway.sandbox.verification import is_authentic, text_to_sign

N = '{"name": "test"}'
K = "name=test&language=go"
U = "upload.qiniup.com"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
OCTETS = "application/octet-stream"
X = {"X-Qiniu-Bbb": "BBB", "X-Qiniu-Aaa": "DDD"}


def call(request_line: str, host: str, content_type: str, body: str, extra: dict[str, str]) -> Call:
    """Return an unsigned call with these parts; an empty content type is omitted."""
    method, _, target = request_line.partition(" ")
    headers = {"host": host, "accept": "*/*"} | {k.lower(): v for k, v in extra.items()}
    if content_type:
        headers["content-type"] = content_type
    return Call(method, target, tuple(headers.items()), body.encode(), "r")


VECTORS = [
    (call("GET ", "", FORM, N, {}), "0i1vKClRDWFyNkcTFzwcE7PzX74="),
    (call("GET ", "", JSON, N, {}), "K1DI0goT05yhGizDFE5FiPJxAj4="),
    (call("POST ", "", JSON, N, {}), "0ujEjW_vLRZxebsveBgqa3JyQ-w="),
    (call("GET ", U, FORM, N, {}), "GShw5NitGmd5TLoo38nDkGUofRw="),
    (call("GET ", U, JSON, N, X), "DhNA1UCaBqSHCsQjMOLRfVn63GQ="),
    (call("GET ", U, FORM, K, X), "KUAhrYh32P9bv0COD8ugZjDCmII="),
    (call("GET /mkfile/sdf.jpg", U, FORM, K, X), "fkRck5_LeyfwdkyyLk-hyNwGKac="),
    (call("GET /mkfile/sdf.jpg?s=er3&df", U, FORM, K, X), "PUFPWsEUIpk_dzUvvxTTmwhp3p4="),
    (call("GET /", U, JSON, N, X), "eOaX4RziJPW9ywnJ02jshmEMfhI="),
    (call("GET /", U, OCTETS, N, X), "GQQrYvDCdN_RaVjyJC7hIkv5TYk="),
    (call("POST /", "rs.qbox.me", JSON, N, {}), "IlW01tHjGQ0pGPXV_3jjR1AdD34="),
]

LETTERS = string.ascii_letters + string.digits
VALUES = st.text(LETTERS + string.punctuation + " ").map(str.strip)
# The SDK's URL parser would cut a path at `;`, `#` and `?`, and it does not percent-decode.
# Its table of header characters lacks the apostrophe.
PATHS = st.text(LETTERS + "-._~!$&'()*+,=:@/").map(lambda path: f"/{path}")
QUERIES = st.just("") | st.text(LETTERS + "-._~!$&'()*+,=:@/?;%").map(lambda query: f"?{query}")
CALLS = st.builds(
    call,
    st.builds("{} {}{}".format, st.text(string.ascii_uppercase, min_size=1), PATHS, QUERIES),
    st.from_regex(r"[a-z0-9.-]{1,20}(:[0-9]{1,5})?", fullmatch=True),
    st.sampled_from(["", FORM, JSON, OCTETS, "application/json; charset=utf-8"]),
    st.text(),
    st.dictionaries(
        st.text(LETTERS + "!#$%&*+.^_`|~-", min_size=1).map(lambda name: f"x-qiniu-{name.lower()}"),
        VALUES,
        max_size=4,
    ),
)


def signed_as(call: Call, authorization: str) -> Call:
    """Return `call` with this Authorization header."""
    return replace(call, headers=(*call.headers, ("authorization", authorization)))


def signed_by_sdk(plain: Call, keys: tuple[str, str] = ("ak", "sk")) -> Call:
    """Return `plain` signed by the vendor's SDK."""
    mac = QiniuMacAuth(*keys)
    headers = {canonical_mime_header_key(name): value for name, value in plain.headers}
    token = mac.token_of_request(
        plain.method,
        headers["Host"],
        f"http://ignored{plain.target}",
        mac.qiniu_headers(headers),
        headers.get("Content-Type"),
        plain.body,
    )
    return signed_as(plain, f"Qiniu {token}")


def with_header(call: Call, name: str, value: str | None) -> Call:
    """Return `call` with the header `name` replaced, added or, for None, removed."""
    headers = [pair for pair in call.headers if pair[0] != name]
    return replace(call, headers=(*headers, *([] if value is None else [(name, value)])))


SIGNED = signed_by_sdk(call("POST /server/live?a=1", "h:8081", JSON, N, X))


@pytest.mark.parametrize(("plain", "sign"), VECTORS)
def test_published_vectors(plain: Call, sign: str) -> None:
    """Every published vector is accepted; with a cut or altered sign it is refused."""
    assert is_authentic(signed_as(plain, f"Qiniu ak:{sign}"), "ak", "sk")
    assert not is_authentic(signed_as(plain, f"Qiniu ak:{sign[:-1]}"), "ak", "sk")
    assert not is_authentic(signed_as(plain, f"Qiniu ak:{sign.swapcase()}"), "ak", "sk")


@given(CALLS)
def test_agrees_with_the_vendors_sdk(plain: Call) -> None:
    """Every signature made by the vendor's SDK is accepted."""
    assert is_authentic(signed_by_sdk(plain), "ak", "sk")


@pytest.mark.parametrize(
    "changed",
    [
        replace(SIGNED, method="PUT"),
        replace(SIGNED, target="/server/live2?a=1"),
        replace(SIGNED, target="/server/live?a=2"),
        replace(SIGNED, target="/server/live?a=%31"),
        replace(SIGNED, target="/server/live"),
        replace(SIGNED, body=SIGNED.body + b" "),
        replace(SIGNED, body=b""),
        with_header(SIGNED, "host", "h"),
        with_header(SIGNED, "host", None),
        with_header(SIGNED, "content-type", f"{JSON}; charset=utf-8"),
        with_header(SIGNED, "content-type", None),
        with_header(SIGNED, "x-qiniu-aaa", "ddd"),
        with_header(SIGNED, "x-qiniu-aaa", None),
        with_header(SIGNED, "x-qiniu-ccc", "added"),
        with_header(SIGNED, "authorization", None),
        *(
            replace(SIGNED, headers=(*SIGNED.headers, (name, SIGNED.values(name)[0])))
            for name in ("authorization", "host", "content-type", "x-qiniu-aaa")
        ),
    ],
)
def test_any_single_change_is_refused(changed: Call) -> None:
    """A change to any signed part makes the signature wrong."""
    assert is_authentic(SIGNED, "ak", "sk")
    assert not is_authentic(changed, "ak", "sk")


@given(body=st.text(), other=st.text())
def test_any_other_body_is_refused(body: str, other: str) -> None:
    """A signature is valid for its own body only."""
    assume(body != other)
    signed = signed_by_sdk(call("POST /", "h", JSON, body, {}))
    assert not is_authentic(replace(signed, body=other.encode()), "ak", "sk")


@pytest.mark.parametrize("keys", [("ak2", "sk"), ("ak", "sk2"), ("", "sk")])
def test_other_keys_are_refused(keys: tuple[str, str]) -> None:
    """A signature with another AK or SK is refused."""
    assert not is_authentic(SIGNED, *keys)


@pytest.mark.parametrize("scheme", ["QBox", "qiniu", "Bearer", ""])
def test_other_schemes_are_refused(scheme: str) -> None:
    """A correct sign under another scheme's name is refused."""
    token = SIGNED.values("authorization")[0].removeprefix("Qiniu ")
    assert not is_authentic(with_header(SIGNED, "authorization", f"{scheme} {token}"), "ak", "sk")


@pytest.mark.parametrize("content_type", ["", OCTETS])
def test_an_uncovered_body_may_change(content_type: str) -> None:
    """A body without a content type, or as octets, is not signed."""
    signed = signed_by_sdk(call("POST /", "h", content_type, N, {}))
    assert is_authentic(replace(signed, body=b"another"), "ak", "sk")


def test_the_path_is_signed_decoded_and_the_query_raw() -> None:
    """The path is signed percent-decoded and the query raw."""
    text = text_to_sign(call("GET /a%20b/%E7%9B%B4?c=%20", "h", "", "", {}))
    assert text == b"GET /a b/\xe7\x9b\xb4?c=%20\nHost: h\n\n"


def test_qiniu_headers_are_canonical_and_sorted_by_name() -> None:
    """Signed headers are sorted by canonical name; a bare prefix is not signed."""
    headers = {"x-qiniu-b-c": "1", "x-qiniu-b": "2", "x-qiniu-a": "3", "x-qiniu-": "4"}
    text = text_to_sign(call("GET /", "h", "", "", headers))
    assert text == b"GET /\nHost: h\nX-Qiniu-A: 3\nX-Qiniu-B: 2\nX-Qiniu-B-C: 1\n\n"
