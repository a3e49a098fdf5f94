"""Waiting for the threads of native libraries, which an exiting interpreter does not do.

The HTTP server and the HTTP client run threads of their own, which report results by calls into
the event loop. Such a call lets the loop go on before it has returned itself; a program that then
ends is aborted by the interpreter when that thread wants to return (granian#693 is one case).
"""

import asyncio
import sys
import threading

_PAUSE, _PAUSES = 0.001, 1_000


async def drain_native_threads() -> None:
    """Wait until no thread but Python's own is inside Python code, for a second at most.

    To be awaited last, before the event loop ends.
    """
    for _ in range(_PAUSES):
        if _inside_python() <= {thread.ident for thread in threading.enumerate()}:
            return
        await asyncio.sleep(_PAUSE)


def _inside_python() -> set[int]:
    return set(sys._current_frames())  # noqa: SLF001  # documented, despite the underscore
