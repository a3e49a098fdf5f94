"""The signer against the vendor's published vectors, its SDK and the sandbox's own verifier."""

import hmac
import string

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sandbox.request import Call
from gateway.sandbox.verification import is_authentic
from gateway.upstream import QiniuAuth
from gateway.upstream.signature import canonical, sign, signing_text
from tests.upstream.scripted import sdk_authorization

N = b'{"name": "test"}'
K = b"name=test&language=go"
U = "upload.qiniup.com"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
OCTETS = "application/octet-stream"
X = {"X-Qiniu-Bbb": "BBB", "X-Qiniu-Aaa": "DDD"}

VECTORS = [
    ("GET", "", "", FORM, N, {}, "0i1vKClRDWFyNkcTFzwcE7PzX74="),
    ("GET", "", "", JSON, N, {}, "K1DI0goT05yhGizDFE5FiPJxAj4="),
    ("POST", "", "", JSON, N, {}, "0ujEjW_vLRZxebsveBgqa3JyQ-w="),
    ("GET", "", U, FORM, N, {}, "GShw5NitGmd5TLoo38nDkGUofRw="),
    ("GET", "", U, JSON, N, X, "DhNA1UCaBqSHCsQjMOLRfVn63GQ="),
    ("GET", "", U, FORM, K, X, "KUAhrYh32P9bv0COD8ugZjDCmII="),
    ("GET", "/mkfile/sdf.jpg", U, FORM, K, X, "fkRck5_LeyfwdkyyLk-hyNwGKac="),
    ("GET", "/mkfile/sdf.jpg?s=er3&df", U, FORM, K, X, "PUFPWsEUIpk_dzUvvxTTmwhp3p4="),
    ("GET", "/", U, JSON, N, X, "eOaX4RziJPW9ywnJ02jshmEMfhI="),
    ("GET", "/", U, OCTETS, N, X, "GQQrYvDCdN_RaVjyJC7hIkv5TYk="),
    ("POST", "/", "rs.qbox.me", JSON, N, {}, "IlW01tHjGQ0pGPXV_3jjR1AdD34="),
]
WHOLE = [vector for vector in VECTORS if vector[1] and vector[2]]

Vector = tuple[str, str, str, str, bytes, dict[str, str], str]

LETTERS = string.ascii_letters + string.digits
METHODS = st.text(string.ascii_uppercase, min_size=1, max_size=8)
# The SDK does not percent-decode the path, and its URL parser cuts it at `;`, `#` and `?`.
PATHS = st.text(LETTERS + "-._~!$&()*+,=:@/").map(lambda path: f"/x{path}")
QUERIES = st.just("") | st.text(LETTERS + "-._~!$&()*+,=:@/?;%", min_size=1).map("?{}".format)
HOSTS = st.from_regex(r"[a-z][a-z0-9-]{0,9}\.test(:[1-9][0-9]{1,3})?", fullmatch=True)
TYPES = st.sampled_from([None, FORM, JSON, OCTETS, "application/json; charset=utf-8"])
# The SDK's table of header characters lacks the apostrophe.
NAMES = st.text(LETTERS + "!#$%&*+.^_`|~-")  # the bare prefix is not signed
VALUES = st.text(LETTERS + string.punctuation + " ").map(str.strip)
QINIU_HEADERS = st.dictionaries(NAMES.map("x-QiNiU-{}".format).map(canonical), VALUES, max_size=4)
KEYS = st.tuples(*[st.text(LETTERS, min_size=1)] * 2)


@pytest.mark.parametrize("vector", VECTORS)
def test_published_vectors(vector: Vector) -> None:
    """The text of every published vector, absent host and path included, has its sign."""
    method, target, host, content_type, body, extra, expected = vector
    headers = {"Content-Type": content_type, "Accept": "*/*", **extra}
    key = hmac.new(b"sk", digestmod="sha1")
    assert sign(key, signing_text(method, target, host, headers.items(), body)) == expected


@pytest.mark.parametrize("vector", WHOLE)
def test_published_vectors_as_requests(vector: Vector) -> None:
    """A vector that can be a request gets its Authorization from QiniuAuth."""
    method, target, host, content_type, body, extra, expected = vector
    headers = {"Content-Type": content_type, **extra}
    request = httpx.Request(method, f"https://{host}{target}", headers=headers, content=body)
    assert signed(request, ("ak", "sk")).headers["Authorization"] == f"Qiniu ak:{expected}"


def signed(request: httpx.Request, keys: tuple[str, str]) -> httpx.Request:
    """Return `request` after the only step of QiniuAuth."""
    (sent,) = QiniuAuth(*keys).auth_flow(request)
    return sent


@st.composite
def requests(draw: st.DrawFn) -> httpx.Request:
    """Draw any request; header names come in any case and order."""
    headers = draw(QINIU_HEADERS)
    content_type = draw(TYPES)
    if content_type is not None:
        headers["Content-Type"] = content_type
    shuffled = draw(st.permutations(list(headers.items())))
    recased = [
        (draw(st.sampled_from([name, name.lower(), name.upper()])), v) for name, v in shuffled
    ]
    url = f"http://{draw(HOSTS)}{draw(PATHS)}{draw(QUERIES)}"
    return httpx.Request(draw(METHODS), url, headers=recased, content=draw(st.text()).encode())


@given(requests(), KEYS)
def test_agrees_with_the_vendors_sdk(request: httpx.Request, keys: tuple[str, str]) -> None:
    """Any request gets the signature that the vendor's SDK gives it."""
    target = str(request.url).partition("://")[2].partition("/")[2]
    expected = sdk_authorization(
        request.method, f"/{target}", dict(request.headers), request.content, keys
    )
    assert signed(request, keys).headers["Authorization"] == expected


@given(requests(), KEYS)
def test_the_sandbox_accepts_it(request: httpx.Request, keys: tuple[str, str]) -> None:
    """The independent verifier accepts what QiniuAuth signs, and no other pair of keys."""
    sent = signed(request, keys)
    target = sent.url.raw_path.decode()
    call = Call(sent.method, target, tuple(sent.headers.multi_items()), sent.content, "r")
    assert is_authentic(call, *keys)
    assert not is_authentic(call, keys[0], f"{keys[1]}2")


@given(requests(), KEYS)
def test_signing_adds_one_header(request: httpx.Request, keys: tuple[str, str]) -> None:
    """Nothing but Authorization is added or changed."""
    before = (request.method, str(request.url), request.headers.multi_items(), request.content)
    sent = signed(request, keys)
    assert sent.headers.pop("Authorization").startswith(f"Qiniu {keys[0]}:")
    after = (sent.method, str(sent.url), sent.headers.multi_items(), sent.content)
    assert after == before
