"""The entry point of the console script and of `python -m gateway`."""

import gc
import signal
import sys


def main() -> None:
    """Run a command.

    `serve` reloads keys on SIGHUP, which ends other processes: it is ignored before the imports.
    It collects no garbage before its application is there: that would take a sixth of its start.
    """
    if sys.argv[1:2] == ["serve"] and hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        gc.disable()
    from gateway import cli  # noqa: PLC0415  # it takes a tenth of a second

    cli.main()


if __name__ == "__main__":
    main()
