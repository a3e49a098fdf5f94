"""The signer against the vendor's published vectors, its SDK and the sandbox's own verifier."""

import hmac
import string
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sandbox.request import Call
from gateway.sandbox.verification import is_authentic
from gateway.upstream import QiniuSigner
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
    """A vector that can be a request gets its Authorization from QiniuSigner."""
    method, target, host, content_type, body, extra, expected = vector
    headers = {"Content-Type": content_type, **extra}
    signer = QiniuSigner("ak", "sk")
    value = signer.authorization(method, target, host, headers.items(), body)
    assert value == f"Qiniu ak:{expected}"


@dataclass(frozen=True)
class Request:
    """A request to sign."""

    method: str
    target: str
    host: str
    headers: list[tuple[str, str]]
    body: bytes

    def signed(self, keys: tuple[str, str]) -> str:
        """Return its Authorization value."""
        signer = QiniuSigner(*keys)
        return signer.authorization(self.method, self.target, self.host, self.headers, self.body)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Draw any request; header names come in any case and order."""
    headers = draw(QINIU_HEADERS)
    content_type = draw(TYPES)
    if content_type is not None:
        headers["Content-Type"] = content_type
    shuffled = draw(st.permutations(list(headers.items())))
    recased = [
        (draw(st.sampled_from([name, name.lower(), name.upper()])), v) for name, v in shuffled
    ]
    target = f"{draw(PATHS)}{draw(QUERIES)}"
    return Request(draw(METHODS), target, draw(HOSTS), recased, draw(st.text()).encode())


@given(requests(), KEYS)
def test_agrees_with_the_vendors_sdk(request: Request, keys: tuple[str, str]) -> None:
    """Any request gets the signature that the vendor's SDK gives it."""
    headers = {"Host": request.host, **dict(request.headers)}
    expected = sdk_authorization(request.method, request.target, headers, request.body, keys)
    assert request.signed(keys) == expected


@given(requests(), KEYS)
def test_the_sandbox_accepts_it(request: Request, keys: tuple[str, str]) -> None:
    """The independent verifier accepts the signature, and no other pair of keys."""
    headers = [("host", request.host), ("authorization", request.signed(keys))]
    headers += [(name.lower(), value) for name, value in request.headers]
    call = Call(request.method, request.target, tuple(headers), request.body, "r")
    assert is_authentic(call, *keys)
    assert not is_authentic(call, keys[0], f"{keys[1]}2")


def test_another_pair_of_keys() -> None:
    """After `use` everything is signed with the new keys."""
    request = Request("GET", "/server/live/1", "u.test", [], b"")
    signer = QiniuSigner("ak-1", "sk-1")
    signer.use("ak-2", "sk-2")
    value = signer.authorization("GET", request.target, request.host, [], b"")
    assert value == request.signed(("ak-2", "sk-2"))
