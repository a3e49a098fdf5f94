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
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not S_ISREG(os.fstat(file.fileno()).st_mode):
            raise InvalidValue("must name a regular file, because it is read again and again")
        content = file.read(_MOST + 1)
    if len(content) > _MOST:
        raise InvalidValue("must name a file of at most 64 KiB")
    return content
