"""The addresses of a simulated stream: they look real and lead nowhere (`.invalid`, RFC 2606)."""

import hmac
from base64 import urlsafe_b64encode


def push_url(live_id: str, expires: int, secret_key: str) -> str:
    """Return where the anchor sends the stream, with a token good until `expires` (epoch s)."""
    path = f"/sandbox/{live_id}?e={expires}"
    return f"rtmp://publish.live.invalid{path}&token={stream_token(path, secret_key)}"


def stream_token(path: str, secret_key: str) -> str:
    """Return the token that makes `path` usable."""
    return urlsafe_b64encode(hmac.digest(secret_key.encode(), path.encode(), "sha1")).decode()


def play_urls(live_id: str) -> dict[str, str]:
    """Return where viewers watch, by the room's field; none carries a token."""
    return {
        "hls_url": f"https://hls.live.invalid/sandbox/{live_id}.m3u8",
        "rtmp_url": f"rtmp://play.live.invalid/sandbox/{live_id}",
        "flv_url": f"https://flv.live.invalid/sandbox/{live_id}.flv",
    }
