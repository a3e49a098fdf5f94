"""Addresses of a simulated stream, in realistic form but unreachable (`.invalid`, RFC 2606)."""

import hmac
from base64 import urlsafe_b64encode


def push_url(live_id: str, expires: int, secret_key: str) -> str:
    """Return the push address, with a token valid until `expires`, epoch seconds."""
    path = f"/sandbox/{live_id}?e={expires}"
    return f"rtmp://publish.live.invalid{path}&token={_stream_token(path, secret_key)}"


def _stream_token(path: str, secret_key: str) -> str:
    """Return the push authentication token for `path`."""
    return urlsafe_b64encode(hmac.digest(secret_key.encode(), path.encode(), "sha1")).decode()


def play_urls(live_id: str) -> dict[str, str]:
    """Return the play addresses by protocol. They have no token."""
    return {
        "hls": f"https://hls.live.invalid/sandbox/{live_id}.m3u8",
        "rtmp": f"rtmp://play.live.invalid/sandbox/{live_id}",
        "flv": f"https://flv.live.invalid/sandbox/{live_id}.flv",
    }
