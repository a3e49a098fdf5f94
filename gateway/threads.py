"""Draining of native threads before the interpreter exits.

The HTTP server and client run native threads that report results by calling into the event loop.
Such a call can still be running after the loop has moved on. If the program ends then, the
interpreter aborts it when the call returns (granian#693 is one case).
"""

import asyncio
import sys
import threading

_PAUSE, _PAUSES = 0.001, 1_000


async def drain_native_threads() -> None:
    """Wait, for a second at most, until no native thread runs Python code.

    Await this last, before the event loop ends.
    """
    for _ in range(_PAUSES):
        if _inside_python() <= {thread.ident for thread in threading.enumerate()}:
            return
        await asyncio.sleep(_PAUSE)


def _inside_python() -> set[int]:
    return set(sys._current_frames())  # noqa: SLF001  # documented, despite the underscore
