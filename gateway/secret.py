"""A secret text that is never shown by accident.

`reveal()` is the only way to the text, so a search for that word finds every reader. Printing,
formatting and logging show `Secret(…)`. A secret has no length, cannot be pickled or copied, and
is compared in constant time.
"""

import hmac
from typing import NoReturn, SupportsIndex, final


class NeverPickled:
    """A mixin for objects that hold a secret: pickling or copying one raises TypeError."""

    __slots__ = ()

    def __reduce_ex__(self, _protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is never pickled or copied")


@final
class Secret(NeverPickled):
    """One secret text, such as a key from the environment."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text for the one call that needs it. Never store or show it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._bytes(), other._bytes())

    def __hash__(self) -> int:
        return hash(self._text)

    def _bytes(self) -> bytes:
        return self._text.encode(errors="surrogatepass")  # any text, so comparing never fails
