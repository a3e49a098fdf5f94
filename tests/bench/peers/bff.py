"""The same gateway in usual FastAPI style: PyJWT in a dependency, a dict, a model.

It runs on uvicorn, with BFF_… variables as settings.
"""

import base64
import hashlib
import hmac
import os
import time
import uuid
from typing import Annotated, Any

import httpx
import jwt
from fastapi import Depends, FastAPI, Header, HTTPException, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

TTL = 2.0
UPSTREAM = os.environ["BFF_UPSTREAM"]
ACCESS_KEY, SECRET_KEY = os.environ["BFF_ACCESS_KEY"], os.environ["BFF_SECRET_KEY"]
JWT_SECRET = os.environ["BFF_JWT_SECRET"]

app = FastAPI()
upstream = httpx.AsyncClient(base_url=UPSTREAM, timeout=3)
rooms: dict[str, tuple[float, dict[str, Any]]] = {}


class Anchor(BaseModel):
    """The anchor in client shape."""

    user_id: str
    im_userid: int
    nick: str
    avatar: str
    extends: dict[str, str]


class Room(BaseModel):
    """A room in client shape."""

    live_id: str
    title: str
    notice: str
    cover_url: str
    extends: dict[str, str]
    anchor_info: Anchor
    anchor_status: int
    pk_id: str
    online_count: int
    start_time: int | None
    end_time: int | None
    chat_id: int
    hls_url: str
    rtmp_url: str
    flv_url: str
    pv: int
    uv: int
    live_status: int


def caller(
    token: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())],
) -> dict[str, Any]:
    """Verify the token."""
    try:
        claims: dict[str, Any] = jwt.decode(token.credentials, JWT_SECRET, algorithms=["HS256"])
    except jwt.PyJWTError as error:
        raise HTTPException(401) from error
    return claims


async def read(live_id: str) -> dict[str, Any]:
    """Return a room, from the dict while it is fresh."""
    kept = rooms.get(live_id)
    if kept is not None and kept[0] > time.monotonic():
        return kept[1]
    path = f"/server/live/{live_id}"
    text = f"GET {path}\nHost: {UPSTREAM.removeprefix('http://')}\n\n".encode()
    sign = base64.urlsafe_b64encode(hmac.digest(SECRET_KEY.encode(), text, "sha1")).decode()
    reply = await upstream.get(path, headers={"Authorization": f"Qiniu {ACCESS_KEY}:{sign}"})
    data: dict[str, Any] = reply.json()["data"]
    rooms[live_id] = (time.monotonic() + TTL, data)
    return data


@app.get("/v1/rooms/{live_id}", response_model=Room)
async def get_room(
    live_id: str,
    response: Response,
    _: Annotated[dict[str, Any], Depends(caller)],
    x_request_id: Annotated[str | None, Header()] = None,
) -> dict[str, Any]:
    """Return a room."""
    room = await read(live_id)
    response.headers["X-Request-Id"] = x_request_id or uuid.uuid4().hex
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "private, max-age=2"
    response.headers["Vary"] = "Authorization"
    response.headers["ETag"] = f'"{hashlib.sha1(str(room).encode()).hexdigest()}"'  # noqa: S324  # a tag
    return room
