"""A real nginx in front of gateways."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.commands import free_port
from tests.waiting import eventually

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

needs_nginx = pytest.mark.skipif(
    NGINX is None and os.environ.get("CI") != "true",  # there it would not be missed
    reason="needs nginx: apt-get install nginx-light",
)

_CONFIGURATION = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {outside}
    server {{
        listen 127.0.0.1:{port};
        location = /up {{ return 204; }}
        {inside}
    }}
}}
"""


@contextmanager
def nginx(folder: Path, inside: str, outside: str = "") -> Iterator[str]:
    """Run nginx with these directives inside and outside its `server`; give its URL."""
    port = free_port()
    written = _CONFIGURATION.format(folder=folder, port=port, inside=inside, outside=outside)
    (folder / "nginx.conf").write_text(written)
    command = [str(NGINX), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    process = subprocess.Popen(command)  # noqa: S603  # no input of others
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: _is_up(url))
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/up", trust_env=False).status_code == 204
    except httpx.TransportError:
        return False
