"""Real gateways that share a vendor and a store, or share no store.

Their secrets are canaries. Each writes its log to a file, so nobody has to read it meanwhile.
"""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.commands import CRASH, GATEWAY, environment, free_port
from tests.leaks.canaries import CALLBACK, CANARIES, KEYS, token
from tests.leaks.scan import scan
from tests.live.counting_vendor import PUSH_TOKEN, Counting
from tests.served import QUIET, Served
from tests.waiting import LIMIT, eventually

SECRETS = {**CANARIES, "push token": PUSH_TOKEN}
"""What is nowhere to be seen."""

ALICE, BOB, ADMIN = token("alice"), token("bob"), token("admin", scope="rooms:admin")
"""Of the anchor of every standing room, of a viewer, and of an administrator."""

_SETTINGS = {
    **QUIET,
    **KEYS,
    "GATEWAY_CALLBACK_SECRET": CALLBACK,
    "GATEWAY_MAX_CONCURRENCY": "20000",
    "GATEWAY_SHUTDOWN_DELAY": "0",
    "GATEWAY_UPSTREAM_LAG": "0",  # the counting vendor shows what it was last told
}


class Replica:
    """A `gateway serve` of one worker on `port` of loopback; `settings` are whole variables.

    Another `command` must serve likewise.
    """

    def __init__(self, log: Path, settings: dict[str, str], command: Sequence[str]) -> None:
        self.port = free_port()
        self._command = command
        self._log = log
        self._environment = environment(**settings, GATEWAY_PORT=str(self.port))
        self._gateway: Served | None = None

    def launch(self) -> None:
        """Start it, in a process group of its own; `wait` waits until it serves."""
        with self._log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  # our own command
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self._gateway = Served(process, self.port)

    def wait(self) -> None:
        """Wait until its worker takes connections."""
        eventually(self._serves)

    def _serves(self) -> bool:
        assert self.gateway.process.poll() is None, self.log()
        return self.gateway.listeners() > 0

    @property
    def gateway(self) -> Served:
        """The running gateway."""
        assert self._gateway is not None, "it does not run"
        return self._gateway

    def kill(self) -> None:
        """End the supervisor and its worker at once."""
        if self._gateway is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._gateway.process.pid, signal.SIGKILL)
            self._gateway.process.wait(LIMIT)
            self._gateway = None

    def restart(self) -> None:
        """Kill it, and start it again on the same port."""
        self.kill()
        self.launch()
        self.wait()

    def stop(self) -> None:
        """End it as an operator does."""
        self.gateway.process.send_signal(signal.SIGINT)
        self.gateway.process.wait(LIMIT)
        self._gateway = None

    def pause(self) -> None:
        """Stop all of it; it keeps its connections and answers nothing."""
        self.gateway.signal_group(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self.gateway.signal_group(signal.SIGCONT)

    def seconds_used(self) -> float:
        """Return the processor time that its worker has used."""
        (worker,) = self.gateway.workers()
        used = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")

    def log(self) -> str:
        """Return all that it has written."""
        return self._log.read_text()


@contextmanager
def replicas(
    count: int,
    vendor: Counting,
    store_url: str,
    command: Sequence[str] = (*GATEWAY, "serve"),
    **environ: str,
) -> Iterator[list[Replica]]:
    """Run so many gateways by `command`; `environ` are further settings without their prefix.

    Afterwards none may have crashed, or written a secret down.
    """
    settings = {
        **_SETTINGS,
        "GATEWAY_UPSTREAM_URL": vendor.url,
        "GATEWAY_REDIS_URL": store_url,
    }
    settings |= {f"GATEWAY_{name}": text for name, text in environ.items()}
    with tempfile.TemporaryDirectory() as folder:
        logs = [Path(folder) / f"{number}.log" for number in range(count)]
        running = [Replica(log, settings, command) for log in logs]
        try:
            for each in running:
                each.launch()
            for each in running:
                each.wait()
            yield running
        finally:
            for each in running:
                each.kill()
        for each in running:
            text = each.log()
            crash = CRASH.search(text)
            assert crash is None, text[max(0, crash.start() - 500) : crash.end() + 5000]
            assert not scan(text.encode(), SECRETS)
