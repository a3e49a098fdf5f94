"""The runner for outside vectors: in this process, and where that matters as one of its own."""

import io
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.identity.verify import main
from tests.commands import CRASH, environment
from tests.identity.published import SECRET, Jwk, as_set, jwk_of, text_of

Jwks = Mapping[str, Jwk]
Sign = Callable[[str, Any, Any], str]
Judge = Callable[..., Sequence[str]]

RUNNER = [sys.executable, "-m", "gateway.identity.verify", "--jwk"]

COMPACT = "reject token is not in compact form"
NO_KEY = "reject no key for this alg and kid"
SIGNATURE = "reject signature does not match"


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Return a function that judges lines by a key, or by the bytes of a key's file."""

    def judged(key: Jwk | bytes, *lines: str | bytes) -> Sequence[str]:
        file = tmp_path / "key.json"
        file.write_bytes(key if isinstance(key, bytes) else json.dumps(key).encode())
        sent = b"".join(
            (each if isinstance(each, bytes) else each.encode()) + b"\n" for each in lines
        )
        return judged_here(file, sent).decode("ascii").splitlines()

    return judged


def judged_here(file: Path, sent: bytes) -> bytes:
    """Run the runner in this process; return its verdicts. It must not print errors."""
    given, said, errors = (io.TextIOWrapper(io.BytesIO(each)) for each in (sent, b"", b""))
    with (
        patch.object(sys, "argv", ["verify", "--jwk", str(file)]),
        patch.multiple(sys, stdin=given, stdout=said, stderr=errors),
    ):
        main()
    errors.flush()
    assert errors.buffer.getvalue() == b""
    said.flush()
    return bytes(said.buffer.getvalue())


def run(file: str, sent: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run it as a process to its end; it must not crash."""
    done = subprocess.run(  # noqa: S603  # our own command
        [*RUNNER, file], env=environment(), input=sent, capture_output=True, timeout=60, check=False
    )
    assert not CRASH.search(done.stderr.decode()), done.stderr
    return done


@pytest.mark.parametrize("alg", ["RS256", "PS512", "ES256", "ES384", "ES512", "EdDSA"])
def test_public_keys(judge: Judge, jwks: Jwks, sign: Sign, alg: str) -> None:
    """The key's own signature is accepted, over any payload; other lines get a reason."""
    good = sign(alg, {"alg": alg, "kid": "any"}, b"not claims")
    other = sign(alg, {"alg": alg}, b"other").rpartition(".")[2]
    assert judge(
        {**jwks[alg], "alg": alg},
        *(good, f"{good.rpartition('.')[0]}.{other}", good + "A", good.rpartition(".")[0] + "."),
        *("", ".", "..", " ", good),
        *(sign("HS256", {"alg": "HS256"}, {}), sign(alg, {"alg": "none"}, {})),
    ) == [
        *("accept", SIGNATURE, SIGNATURE, COMPACT),
        *(COMPACT, COMPACT, COMPACT, COMPACT, "accept"),
        *(NO_KEY, "reject alg is not supported"),
    ]


def test_secret(judge: Judge, signing_keys: Mapping[str, Any], sign: Sign) -> None:
    """A symmetric key verifies HMAC alone, and must be strong."""
    key = {**SECRET, "alg": "HS256"}
    tokens = [sign(alg, {"alg": alg}, {}) for alg in ("HS256", "HS384", "RS256")]
    assert judge({**key, "k": text_of(signing_keys["HS256"])}, *tokens) == ["accept", *[NO_KEY] * 2]
    assert judge(key, *tokens) == [SIGNATURE, NO_KEY, NO_KEY]


def test_confused_key(judge: Judge, jwks: Jwks, sign: Sign) -> None:
    """An algorithm that the key does not name is refused, even of the same family."""
    assert judge({**jwks["RS256"], "alg": "PS256"}, sign("RS256", {"alg": "RS256"}, {})) == [NO_KEY]
    assert judge(jwks["PS256"], sign("PS256", {"alg": "PS256"}, {})) == [NO_KEY]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"use": "enc"}, "Its `use` is not for signatures."),
        ({"key_ops": ["encrypt"]}, "Its `key_ops` do not include `verify`."),
        ({"alg": "ES384"}, "Its `alg` does not suit its type."),
        ({"alg": "ES224"}, "Its `alg` is not supported."),
        ({"alg": "HS256"}, "Its `alg` does not suit its type."),
        ({"kty": "RSA"}, "It cannot be read."),
        ({"crv": "P-384"}, "It cannot be read."),
        ({"x": "A" * 43}, "It cannot be read."),
        ({"d": "A" * 43}, "It is a private key."),
    ],
)
def test_bad_key(
    judge: Judge, jwks: Jwks, sign: Sign, changes: Mapping[str, Any], reason: str
) -> None:
    """A key that cannot be used rejects every line, a well signed one too."""
    good = sign("ES256", {"alg": "ES256"}, {})
    assert judge({**jwks["ES256"], **changes}, good, "", "x") == [f"reject {reason}"] * 3


def test_weak_key(judge: Judge) -> None:
    """An RSA key or a secret that is too weak rejects every line."""
    short = jwk_of(rsa.generate_private_key(65537, 1024), "RS256")  # noqa: S505  # weak on purpose
    [verdict] = judge(short, "x")
    assert verdict.startswith("reject The RSA key is too short")
    [verdict] = judge({"kty": "oct", "k": "c2hvcnQ"}, "x")
    assert verdict.startswith("reject The secret is too short")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        *((text, "It is not JSON.") for text in (b"", b"\xff", b"{", b"[" * 100_000)),
        *((text, "It is not a JSON object.") for text in (b"[]", b"null", b'"k"', b"1")),
        (b"{}", "Its `kty` is not supported."),
        (b'{"keys": {}}', 'It is not a JWK set: {"keys": [...]}.'),
    ],
)
def test_file_that_is_no_key(judge: Judge, text: bytes, reason: str) -> None:
    """A file without a key rejects every line and does not crash."""
    assert judge(text, "a.b.c", "") == [f"reject {reason}"] * 2


def test_no_file(tmp_path: Path) -> None:
    """A missing file ends the process with 2, a line on standard error and no output."""
    done = run(str(tmp_path / "none.json"), b"x\n")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"No such file" in done.stderr


def test_set(judge: Judge, jwks: Jwks, sign: Sign) -> None:
    """`kid` chooses the key of a set, and a token without one is tried with any."""
    keys = as_set(
        {**jwks["RS256"], "kid": "a"}, {**jwks["ES256"], "kid": "b"}, {**SECRET, "kid": "c"}
    )
    assert judge(
        keys,
        sign("RS256", {"alg": "RS256", "kid": "a"}, {}),
        sign("RS256", {"alg": "RS256", "kid": "b"}, {}),
        sign("RS256", {"alg": "RS256", "kid": "d"}, {}),
        sign("ES256", {"alg": "ES256"}, {}),
        sign("HS256", {"alg": "HS256", "kid": "c"}, {}),
    ) == ["accept", NO_KEY, NO_KEY, "accept", NO_KEY]


def test_set_of_secrets(judge: Judge, signing_keys: Mapping[str, Any], sign: Sign) -> None:
    """A set may have secrets alone, and a `kid` that two of them share names neither."""
    ours = {**SECRET, "k": text_of(signing_keys["HS256"])}
    token = sign("HS256", {"alg": "HS256", "kid": "a"}, {})
    assert judge(as_set({**ours, "kid": "a"}, {**SECRET, "kid": "b"}), token) == ["accept"]
    assert judge(as_set({**SECRET, "kid": "a"}, {**ours, "kid": "b"}), token) == [SIGNATURE]
    assert judge(as_set({**ours, "kid": "a"}, {**SECRET, "kid": "a"}), token) == [NO_KEY]


def test_lines_that_are_not_text(judge: Judge, jwks: Jwks, sign: Sign) -> None:
    """Every line gets a verdict, whatever its bytes; a trailing carriage return is ignored."""
    good = sign("EdDSA", {"alg": "EdDSA"}, {})
    assert judge(
        jwks["EdDSA"],
        *(b"\xff\xfe", b"\x00", bytes(set(range(256)) - {10}), "\u00e9.\u00e9.\u00e9"),
        *(good.encode() + b"\xc3\xa9", good.encode() + b"\r", b"x" * 1_000_000),
    ) == [COMPACT] * 5 + ["accept", "reject token is too long"]


def test_last_line_without_an_end(jwks: Jwks, sign: Sign, tmp_path: Path) -> None:
    """A last line without a newline gets a verdict; empty input gets none."""
    file = tmp_path / "key.json"
    file.write_text(json.dumps(jwks["EdDSA"]))
    good = sign("EdDSA", {"alg": "EdDSA"}, {}).encode()
    assert judged_here(file, good + b"\n" + good) == b"accept\naccept\n"
    assert judged_here(file, b"") == b""


def test_answers_at_once(jwks: Jwks, sign: Sign, tmp_path: Path) -> None:
    """A token is answered before the next one is sent."""
    file = tmp_path / "key.json"
    file.write_text(json.dumps(jwks["EdDSA"]))
    with subprocess.Popen(  # noqa: S603  # our own command
        [*RUNNER, str(file)],
        env=environment(PYTHONUNBUFFERED=""),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as runner:
        assert runner.stdin is not None
        assert runner.stdout is not None
        too_late = threading.Timer(60, runner.kill)
        too_late.start()
        for token, verdict in ((sign("EdDSA", {"alg": "EdDSA"}, {}), "accept"), ("", COMPACT)):
            runner.stdin.write(token.encode() + b"\n")
            runner.stdin.flush()
            assert runner.stdout.readline().decode() == f"{verdict}\n"
        too_late.cancel()


def test_many_lines(judge: Judge, jwks: Jwks, sign: Sign) -> None:
    """100,000 lines, a tenth of them to be verified, take less than 30 s of processor time."""
    good = sign("RS256", {"alg": "RS256"}, {})
    started = time.process_time()
    verdicts = judge(jwks["RS256"], *[good, *["x.y.z"] * 9] * 10_000)
    assert verdicts.count("accept") == 10_000
    assert len(verdicts) == 100_000
    assert time.process_time() - started < 30
