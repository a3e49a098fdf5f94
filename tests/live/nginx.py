"""A real nginx in front of gateways."""

import os
import shutil
import signal
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
    keepalive_timeout 0;
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


class Nginx:
    """A running nginx at `url`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes]
        self.url = f"http://127.0.0.1:{self._port}"

    def configure(self, inside: str, outside: str = "") -> None:
        """Write these directives inside and outside its `server`."""
        written = _CONFIGURATION.format(
            folder=self._folder, port=self._port, inside=inside, outside=outside
        )
        (self._folder / "nginx.conf").write_text(written)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [str(NGINX), "-p", str(self._folder), "-c", str(self._folder / "nginx.conf")]
        self._process = subprocess.Popen(command)  # noqa: S603  # no input of others
        eventually(self._is_up)

    def reload(self) -> None:
        """Have it read its configuration again; old workers finish their requests."""
        self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(10)

    def _is_up(self) -> bool:
        try:
            return httpx.get(f"{self.url}/up", trust_env=False).status_code == 204
        except httpx.TransportError:
            return False


@contextmanager
def nginx(folder: Path, inside: str, outside: str = "") -> Iterator[Nginx]:
    """Run nginx with these directives inside and outside its `server`."""
    proxy = Nginx(folder)
    proxy.configure(inside, outside)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
