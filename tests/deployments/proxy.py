"""The compose file's nginx, on this machine: names, ports and paths of its network replaced."""

import re
import signal
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import trustme

from tests.commands import free_port
from tests.deployments.compose import SERVICES, config, inside
from tests.live.nginx import NGINX
from tests.waiting import LIMIT, eventually

_IN_TMPFS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def configuration() -> str:
    """Return nginx's configuration."""
    return config("nginx", "/etc/nginx/nginx.conf")


def upstreams() -> set[str]:
    """Return the servers to which requests are passed, each as `name:port`."""
    [group] = re.findall(r"proxy_pass http://(\w+);", configuration())
    [servers] = re.findall(rf"upstream {group} \{{(.*?)\}}", configuration(), re.DOTALL)
    return set(re.findall(r"server (\S+) ", servers))


def listens() -> str:
    """Return the port with TLS."""
    [port] = re.findall(r"listen (\d+) ssl;", configuration())
    return str(port)


class Proxy:
    """nginx of the compose file, in `folder`; it passes requests to `servers` instead of its own.

    `servers` has an address and port for each name and port of the compose file.
    """

    def __init__(self, folder: Path, servers: Mapping[str, str]) -> None:
        authority = trustme.CA()
        leaf = authority.issue_cert("localhost")
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority.configure_trust(self.tls)
        port = free_port()
        self.url = f"https://localhost:{port}"
        pems = {
            "tls.crt": leaf.cert_chain_pems[0].bytes(),
            "tls.key": leaf.private_key_pem.bytes(),
        }
        paths = {
            "/tmp/nginx.pid": f"{folder}/pid",  # noqa: S108  # the container's
            f"listen {listens()}": f"listen 127.0.0.1:{port}",
        }
        for path, source in inside(SERVICES["nginx"]).items():
            paths[path] = str(folder / Path(source).name)
            folder.joinpath(Path(source).name).write_bytes(pems[Path(source).name])
        text = configuration()
        for before, after in {**paths, **servers}.items():
            assert before in text
            text = text.replace(before, after)
        temporary = "".join(f"{name}_temp_path {folder}/{name};" for name in _IN_TMPFS)
        self._file = folder / "nginx.conf"
        self._file.write_text(text.replace("http {", "http {" + temporary))

    def command(self, *options: str) -> list[str]:
        """Return the command line with these options."""
        return [str(NGINX), "-p", str(self._file.parent), "-c", str(self._file), *options]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run it."""
        command = self.command("-g", "daemon off;")
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:  # noqa: S603  # ours
            try:
                eventually(self._is_up)
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(LIMIT)

    def client(self, headers: Mapping[str, str]) -> httpx.AsyncClient:
        """Return a client that trusts it."""
        return httpx.AsyncClient(
            base_url=self.url, headers=headers, verify=self.tls, trust_env=False, timeout=LIMIT
        )

    def _is_up(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", verify=self.tls, trust_env=False).is_success
        except httpx.TransportError:
            return False
