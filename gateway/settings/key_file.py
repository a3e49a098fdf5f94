"""The reader of a key file: it never waits, and never reads more than a key needs.

A pipe would wait for its writer, and a device may never end. Both can be put in the place of a
file while the gateway runs.
"""

import os
from pathlib import Path
from stat import S_ISREG

from .invalid import InvalidValue

_MOST = 65_536


def read_key_file(path: Path) -> bytes:
    """Return the content of a regular file of at most 64 KiB. Raises InvalidValue or OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:  # os.fdopen refuses a directory and leaves it open
        if not S_ISREG(os.fstat(descriptor).st_mode):
            raise InvalidValue("must name a regular file, because it is read again and again")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(_MOST + 1)
    finally:
        os.close(descriptor)
    if len(content) > _MOST:
        raise InvalidValue("must name a file of at most 64 KiB")
    return content
