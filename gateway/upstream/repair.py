"""A reply read leniently, field by field, where strict decoding has failed.

A field that is missing, null, of another JSON type or not valid text becomes empty. Numbers in text
and whole floats are read as numbers; integers beyond 64 bits are not passed on. In `extends` a
value of another type becomes "", and a pair with an invalid key is dropped.

The types are those of the strict declaration. A text with a constraint identifies, so there is no
repair for it: the strict conversion refuses what is not right.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial

from msgspec import Raw, inspect

Object = Mapping[str, object]

Read = Callable[[object], tuple[object, Sequence[str]]]
"""Returns a field's value, and the paths of repairs in it; an empty path is the field itself."""

_RIGHT: tuple[str, ...] = ()
_REPAIRED = ("",)

_MOST_VALUES = 10_000
"""Far more than the vendor's columns can hold. A body with more is not parsed."""

_NUMBER = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?")
_INT64 = range(-(2**63), 2**63)
_ODD = False
"""Stands for what is missing or not valid text: no field is a boolean."""

_ODD_KEY = "\ufffe"


def parse(body: bytes) -> Object | None:
    """Return the JSON object in `body`, or None.

    Numbers are Raw, invalid texts False, and lists empty: no field is a boolean or a list.
    """
    if sum(map(body.count, (b",", b"{", b"["))) > _MOST_VALUES:
        return None
    try:
        parsed = _parser.decode(body.decode(errors="surrogateescape"))
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def whole_number(given: object) -> int | None:
    """Return a whole number of 64 bits, written as a number or as text; None for all else."""
    text = bytes(given).decode() if isinstance(given, Raw) else given
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        return None
    exact = Decimal(text)
    fits = _INT64.start <= exact < _INT64.stop and exact == exact.to_integral_value()
    return int(exact) if fits else None


def read_text(given: object) -> tuple[str, Sequence[str]]:
    """Return a text, or else an empty one."""
    return (given, _RIGHT) if isinstance(given, str) else ("", _REPAIRED)


def reader(kind: type) -> Read:
    """Return the lenient reader of a kind of Struct; its result is for `msgspec.convert`."""
    return _reader(inspect.type_info(kind))


def _reader(kind: inspect.Type) -> Read:
    match kind:
        case inspect.StructType():
            readers = {each.encode_name: _reader(each.type) for each in kind.fields}
            optional = frozenset(each.encode_name for each in kind.fields if not each.required)
            return partial(_read_struct, readers, optional)
        case inspect.IntType():
            return _read_integer
        case inspect.StrType(min_length=None, pattern=None):
            return read_text
        case inspect.UnionType():
            return _read_pairs
        case _:
            return _read_strictly


def _read_struct(
    readers: Mapping[str, Read], optional: frozenset[str], given: object
) -> tuple[Object, Sequence[str]]:
    fields = given if isinstance(given, dict) else {}
    values: dict[str, object] = {}
    repaired: list[str] = []
    for name in [each for each in readers if each in fields or each not in optional]:
        values[name], paths = readers[name](fields.get(name, _ODD))
        repaired += [f"{name}.{path}" if path else name for path in paths]
    return values, repaired


def _read_integer(given: object) -> tuple[int, Sequence[str]]:
    number = whole_number(given)
    if number is None:
        return 0, _REPAIRED
    as_sent = isinstance(given, Raw) and bytes(given) == b"%d" % number
    return number, _RIGHT if as_sent else _REPAIRED


def _read_pairs(given: object) -> tuple[Mapping[str, str] | None, Sequence[str]]:
    """Return a mapping of texts, null for one that was never set."""
    if not isinstance(given, dict):
        return None, _RIGHT if given is None else _REPAIRED
    pairs = {key: read_text(value)[0] for key, value in given.items() if key != _ODD_KEY}
    return pairs, _RIGHT if pairs == given else _REPAIRED


def _read_strictly(given: object) -> tuple[str | None, Sequence[str]]:
    return (given, _RIGHT) if isinstance(given, str) else (None, _REPAIRED)


def _number(text: str) -> Raw:
    return Raw(text.encode())


def _object(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    return dict((key, _kept(value)) if _is_text(key) else (_ODD_KEY, _ODD) for key, value in pairs)


def _kept(value: object) -> object:
    if isinstance(value, str):
        return value if _is_text(value) else _ODD
    return [] if isinstance(value, list) else value


def _is_text(text: str) -> bool:
    """Return False for text with half a surrogate pair, from an escape or an invalid byte."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_parser = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_number,
    parse_float=_number,
    parse_constant=lambda _: _ODD,
    strict=False,
)
