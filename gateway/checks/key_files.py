"""Facts about key files on disk: their modes, owners and directories.

A missing file or a pipe is skipped.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from stat import S_IMODE

from msgspec import Struct

from gateway.settings import Settings, variables

_ROOT = 0
_PUBLIC = frozenset({"jwt_public_key", "jwt_jwks"})


class KeyFile(Struct, frozen=True):
    """The file named by `variable`, at the end of any symbolic link.

    `mode` is the file's, `above` has those of its directories up to the root, `via` those of the
    path as given. `secret` is False for a public key. `ours` is True if root or the current user
    owns the file, and for root always: the gateway may run as another user.
    """

    variable: str
    secret: bool
    mode: int
    ours: bool
    above: tuple[int, ...]
    via: tuple[int, ...]


def key_files(environ: Mapping[str, str], user: int) -> tuple[KeyFile, ...]:
    """Return the key files that `environ` names, as seen by the user id `user`."""
    return tuple(_existing(environ, user))


def _existing(environ: Mapping[str, str], user: int) -> Iterator[KeyFile]:
    for each in variables(Settings):
        given = environ.get(each.file_name) if each.file else None
        if given:
            with suppress(OSError):
                secret = each.field not in _PUBLIC
                yield _key_file(each.file_name, Path(given), user, secret=secret)


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
