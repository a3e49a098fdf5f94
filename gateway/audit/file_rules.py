"""Rules about key files on disk. Pure.

A file is open to others only where they can also pass every directory above it. A directory that
everyone may write to lets everyone replace what is in it, unless it is sticky, as /tmp is.
"""

from collections.abc import Iterator, Sequence
from stat import S_IRGRP, S_IROTH, S_ISVTX, S_IWGRP, S_IWOTH, S_IXOTH

from gateway.settings import Settings

from .files import KeyFile
from .finding import Remark


def others_read(_: Settings, files: Sequence[KeyFile]) -> Iterator[Remark]:
    """Find secrets that every user of the machine can read."""
    for file in files:
        if _is_open(file):
            advice = "chmod 0400 it; in Kubernetes set defaultMode: 0400, and fsGroup for the pod"
            yield Remark(file.variable, "every user of this machine can read the secret", advice)


def group_reads(_: Settings, files: Sequence[KeyFile]) -> Iterator[Remark]:
    """Find secrets that a group can read; with Kubernetes' fsGroup that is how it has to be."""
    for file in files:
        if file.secret and file.mode & S_IRGRP and not _is_open(file):
            advice = "chmod 0400 it, unless the group is the gateway's alone"
            yield Remark(file.variable, "a group can read the secret", advice)


def others_change(_: Settings, files: Sequence[KeyFile]) -> Iterator[Remark]:
    """Find keys, public ones too, that somebody else can change or replace."""
    for file in files:
        if file.mode & (S_IWGRP | S_IWOTH):
            yield Remark(file.variable, "users besides its owner can change the key", "chmod go-w")
        elif not file.ours:
            advice = "give it to root or to the gateway's user"
            yield Remark(file.variable, "it belongs to another user, who can change it", advice)
        elif any(mode & S_IWOTH and not mode & S_ISVTX for mode in file.above + file.via):
            advice = "keep it in a directory that only its owner can write to"
            yield Remark(file.variable, "everyone can replace it in its directory", advice)


def _is_open(file: KeyFile) -> bool:
    reachable = all(mode & S_IXOTH for mode in file.above)
    return bool(file.secret and file.mode & S_IROTH and reachable)
