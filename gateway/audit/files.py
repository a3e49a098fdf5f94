"""What the file system says about the files that hold keys. The one part that does I/O.

A key that comes out of a pipe is on no disk, and is passed over.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from stat import S_IMODE

from msgspec import Struct

from gateway.settings import Settings, variables

_PUBLIC = "jwt_public_key"
_ROOT = 0


class KeyFile(Struct, frozen=True):
    """A file named by `variable`; where that is a link, as in Kubernetes, the file at its end.

    `mode` is the file's; `above` are the modes of the directories it is in, up to the root, and
    `via` those on the way of the path as it was given. `secret` is False for a public key. `ours`
    says whether its owner is root or the user who asks, or cannot be judged because root asks.
    """

    variable: str
    secret: bool
    mode: int
    ours: bool
    above: tuple[int, ...]
    via: tuple[int, ...]


def key_files(environ: Mapping[str, str], user: int) -> tuple[KeyFile, ...]:
    """Return the key files that `environ` names, as the user with the id `user` sees them."""
    return tuple(_looked_at(environ, user))


def _looked_at(environ: Mapping[str, str], user: int) -> Iterator[KeyFile]:
    for each in variables(Settings):
        given = environ.get(each.file_name) if each.file else None
        if given:
            with suppress(OSError):
                yield _key_file(each.file_name, Path(given), user, secret=each.field != _PUBLIC)


def _key_file(variable: str, path: Path, user: int, *, secret: bool) -> KeyFile:
    target = path.resolve(strict=True)
    status = target.stat()
    return KeyFile(
        variable,
        secret,
        mode=S_IMODE(status.st_mode),
        ours=user == _ROOT or status.st_uid in {_ROOT, user},
        above=_modes_above(target),
        via=_modes_above(path.absolute()),
    )


def _modes_above(path: Path) -> tuple[int, ...]:
    return tuple(S_IMODE(directory.stat().st_mode) for directory in path.parents)
