"""The size of `extends` as the upstream stores it: as JSON from Go's encoder, in bytes.

Go escapes more than JSON asks for: `<`, `>`, `&`, U+2028 and U+2029 for the sake of HTML and
JavaScript, and before Go 1.22 also backspace and form feed, take six bytes each.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

_MORE = MappingProxyType({"<": 5, ">": 5, "&": 5, "\u2028": 3, "\u2029": 3, "\b": 4, "\f": 4})
"""The bytes that Go takes beyond msgspec."""


def stored_size(extends: Mapping[str, str]) -> int:
    """Return the bytes of `extends` in the upstream's column."""
    text = "".join([*extends, *extends.values()])
    more = sum(text.count(character) * each for character, each in _MORE.items())
    return len(msgspec.json.encode(extends)) + more
