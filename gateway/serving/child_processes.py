"""Child processes and signals, as the system gives them, without a thread.

`multiprocessing` is not used: its Process leaks four descriptors with each fork that fails.
"""

import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

_DESCRIPTORS = 32
"""Descriptors that a worker needs to start, at least."""


class SignalPipe:
    """The signals that came to this process, as bytes in a pipe."""

    def __init__(self, signals: Sequence[signal.Signals]) -> None:
        self.signals = signals
        self._ends = os.pipe()
        for end in self._ends:
            os.set_blocking(end, False)
        self._poll = select.poll()
        self._poll.register(self._ends[0], select.POLLIN)

    def wait(self, seconds: float) -> list[signal.Signals]:
        """Wait for signals, for at most so long; return them in the order they came."""
        if not self._poll.poll(seconds * 1000):
            return []
        return [signal.Signals(each) for each in os.read(self._ends[0], 4096)]

    def attach(self) -> None:
        """Begin to take signals."""
        signal.set_wakeup_fd(self._ends[1], warn_on_full_buffer=False)
        for each in self.signals:
            signal.signal(each, _nothing)  # the pipe has it already

    def detach(self, handlers: signal.Handlers) -> None:
        """Take no signals any more, and leave them to `handlers`."""
        for each in self.signals:
            signal.signal(each, handlers)
        signal.set_wakeup_fd(-1)
        for end in self._ends:
            os.close(end)


@contextmanager
def signals_into_pipe(signals: Sequence[signal.Signals]) -> Iterator[SignalPipe]:
    """Take signals until the block is left, and ignore them afterwards.

    A late one must not change the exit code.
    """
    pipe = SignalPipe(signals)
    pipe.attach()
    try:
        yield pipe
    finally:
        pipe.detach(signal.SIG_IGN)


def fork(run: Callable[[], object], pipe: SignalPipe) -> int:
    """Run `run` in a new process that ends with it; return the process id. Raises OSError.

    Signals are blocked meanwhile, since the pipe would swallow those that come to the new process
    before it has handlers of its own. Until then they end it.
    """
    _require_descriptors()
    signal.pthread_sigmask(signal.SIG_BLOCK, pipe.signals)
    try:
        pid = os.fork()
        if not pid:
            _exit_after(run, pipe)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, pipe.signals)
    return pid


def _require_descriptors() -> None:
    """Raise OSError if the new process, which has the same limit, could not open files."""
    with ExitStack() as stack:
        for _ in range(_DESCRIPTORS):
            stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))


def _exit_after(run: Callable[[], object], pipe: SignalPipe) -> None:
    """Run `run` and end this process: nothing of its parent's goes on in it."""
    code = 1
    try:
        pipe.detach(signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it has yet to read its files
        signal.pthread_sigmask(signal.SIG_UNBLOCK, pipe.signals)
        run()
        code = 0
    except SystemExit as error:
        code = _exit_code(error)
    except BaseException:  # noqa: BLE001  # also the panics of native code
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _exit_code(error: SystemExit) -> int:
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    print(error.code, file=sys.stderr)  # noqa: T201  # as Python does
    return 1


def changes(pid: int) -> Iterator[int]:
    """Yield what happened to a child since the last call, as wait statuses: also stops."""
    while True:
        found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
        if not found:
            return
        yield status
        if not os.WIFSTOPPED(status) and not os.WIFCONTINUED(status):
            return


def _nothing(*_: object) -> None:
    """Handle a signal that is in the pipe."""
