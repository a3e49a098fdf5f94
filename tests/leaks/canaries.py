"""The secrets of these tests: each is unique, and has characters that encodings write otherwise."""

import time
from base64 import b64encode

import jwt

KEYS = {
    "GATEWAY_ACCESS_KEY": 'Qa/7+xK"w~5rTzLm0VbYc&8h',
    "GATEWAY_SECRET_KEY": "Hs\\3<p+/9%dJe!Gu2NfXk$Wq",
    "GATEWAY_JWT_SECRET": "Jé4/ñ+8≈vRoPqA1sDkFhGz0M and more of it: %é",
    "GATEWAY_JWT_SECRET_PREVIOUS": "Pv6&ü>2/tEyUiWnBxCzL9o3Q and more of it: é/",
}
"""Settings that are all secret."""

CALLBACK = "cB3~._-kWq8ZtLm5VxYpRg2NdHs7JfUe9A"
"""The password of the vendor's callbacks."""

VENDOR = b64encode(f"qlive:{CALLBACK}".encode()).decode()
"""Its credentials, as they are sent."""

PUSH = {"alice": "pA7=x/Zk3+mQ9wErTy&uI", "bob": "pB2-_c%8Lk+vHs5/dNjGf"}
"""Of the one stream key that each anchor's rooms have."""

VENDOR_TOKENS = {
    "alice": 'vA6/tR<x"K+q8Zn%Lm~3WbYc&5Jh',
    "bob": 'vB9/eS>y"P+w4Xk%Qr~7NdUf&2Gt',
    "live-room-gateway": 'vC3/uD<z"M+j6Vh%Tp~9KsIa&8Oe',
    "others": 'vD1/iF>r"H+b2Bc%Ug~5LxEm&4Qy',
}
"""Client tokens that the vendor gives for each user."""

JTI = "jT9xWq2mNv7rKp4sBz8c"
"""A claim in every token: a payload that is decoded and shown tells it."""

_HOUR = 3600


def push_url(anchor: str, live_id: str) -> str:
    """Return the `push_url` of an anchor's room."""
    return f"rtmp://push.example.test/live/{live_id}?token={PUSH[anchor]}"


def token(user_id: str, *, ttl: int = _HOUR, previous: bool = False, **more: str) -> str:
    """Return a token of a user's, made with the secret or the previous one."""
    claims = {"sub": user_id, "exp": int(time.time()) + ttl, "jti": JTI, **more}
    secret = KEYS["GATEWAY_JWT_SECRET_PREVIOUS" if previous else "GATEWAY_JWT_SECRET"]
    return jwt.encode(claims, secret, algorithm="HS256")


TOKENS = {
    "alice": token("alice"),
    "bob": token("bob", previous=True),
    "carol": token("carol"),
    "admin": token("admin", scope="rooms:admin"),
    "expired": token("alice", ttl=-_HOUR),
    "forged": f"{token('alice').rpartition('.')[0]}.Fg3kVtY8mPzQ5wXs7LrNbHc2Jd9uEa4oTi6GxBvKqZs",
}
"""One for everyone who calls, and two that are not good."""

CANARIES = {
    "AK": KEYS["GATEWAY_ACCESS_KEY"],
    "SK": KEYS["GATEWAY_SECRET_KEY"],
    "token secret": KEYS["GATEWAY_JWT_SECRET"],
    "previous token secret": KEYS["GATEWAY_JWT_SECRET_PREVIOUS"],
    "callback secret": CALLBACK,
    "vendor's credentials": VENDOR,
    "claim": JTI,
    **{f"{name}'s token": text.rpartition(".")[2] for name, text in TOKENS.items()},
    **{f"{name}'s push_url": text for name, text in PUSH.items()},
    **{f"vendor token of {name}": text for name, text in VENDOR_TOKENS.items()},
}
"""What must not be seen; a token by its signature, as all begin alike."""
