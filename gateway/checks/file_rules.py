"""Audit rules about key files on disk. Pure.

Other users can read a file only if they can also enter every directory above it. They can replace
any file in a world-writable directory, unless the directory is sticky, as /tmp is.
"""

from collections.abc import Iterator, Sequence
from stat import S_IRGRP, S_IROTH, S_ISVTX, S_IWGRP, S_IWOTH, S_IXOTH

from gateway.settings import Settings

from .finding import Note
from .key_files import KeyFile


def others_read(_: Settings, files: Sequence[KeyFile], *__: object) -> Iterator[Note]:
    """Report secrets that every user of the machine can read."""
    for file in files:
        if _is_open(file):
            advice = "chmod 0400 it; in Kubernetes set defaultMode: 0400, and fsGroup for the pod"
            yield file.variable, "every user of this machine can read the secret", advice


def group_reads(_: Settings, files: Sequence[KeyFile], *__: object) -> Iterator[Note]:
    """Report secrets that a group can read; Kubernetes' fsGroup needs this."""
    for file in files:
        if file.secret and file.mode & S_IRGRP and not _is_open(file):
            advice = "chmod 0400 it, unless only the gateway is in the group"
            yield file.variable, "a group can read the secret", advice


def others_change(_: Settings, files: Sequence[KeyFile], *__: object) -> Iterator[Note]:
    """Report keys, public ones included, that other users can change or replace."""
    for file in files:
        if file.mode & (S_IWGRP | S_IWOTH):
            yield file.variable, "users besides its owner can change the key", "chmod go-w"
        elif not file.ours:
            advice = "make root or the gateway's user its owner"
            yield file.variable, "another user owns it and can change it", advice
        elif any(mode & S_IWOTH and not mode & S_ISVTX for mode in file.above + file.via):
            advice = "keep it in a directory that only the owner can write to"
            yield file.variable, "every user can replace it in its directory", advice


def _is_open(file: KeyFile) -> bool:
    reachable = all(mode & S_IXOTH for mode in file.above)
    return bool(file.secret and file.mode & S_IROTH and reachable)
