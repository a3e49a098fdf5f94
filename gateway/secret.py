"""A text that must not be seen.

The only way to its content is `reveal()`, so every place that reads a secret can be found by
that word. Printing, formatting and logging show `Secret(…)`; it cannot be pickled, copied
or measured, and comparing two takes the same time wherever they differ.
"""

import hmac
from typing import NoReturn, SupportsIndex, final


class NeverPickled:
    """A base for objects that hold a secret: pickling or copying one raises TypeError."""

    __slots__ = ()

    def __reduce_ex__(self, _protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is never pickled or copied")


@final
class Secret(NeverPickled):
    """Holds one secret text, such as a key read from the environment."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself: for the one call that needs it, never to be kept or shown."""
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
