"""HTTP clients of servers on loopback, which use no proxy and are patient.

They load no certificates: that takes longer than starting a gateway.
"""

import ssl
from collections.abc import Mapping
from http import HTTPStatus

import httpx

from tests.waiting import LIMIT

_PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def client(base_url: str = "", headers: Mapping[str, str] | None = None) -> httpx.Client:
    """Return a client."""
    return httpx.Client(
        base_url=base_url, headers=headers, trust_env=False, timeout=LIMIT, verify=_PLAIN
    )


def async_client(base_url: str = "", headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
    """Return a client for one event loop, with as many connections as it needs."""
    return httpx.AsyncClient(
        base_url=base_url,
        headers=headers,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
        trust_env=False,
        timeout=LIMIT,
        verify=_PLAIN,
    )


def get(url: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """Send a GET on a new connection."""
    with client() as once:
        return once.get(url, headers=headers)


def is_ready(port: int) -> bool:
    """Return True if a gateway on this port serves."""
    try:
        return get(f"http://127.0.0.1:{port}/readyz").status_code == HTTPStatus.OK
    except httpx.TransportError:
        return False
