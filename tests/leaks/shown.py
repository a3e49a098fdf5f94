"""Every way in which a log, a crash report or a debugger's print may show a value.

A way that refuses, such as a pickle, is asked for its reason: that is shown instead.
"""

import copy
import dataclasses
import io
import json
import pickle
import pprint
import reprlib
import traceback
from collections.abc import Callable
from functools import partial
from types import MappingProxyType
from typing import Any

import msgspec
import structlog
from rich.console import Console
from rich.pretty import pretty_repr
from rich.traceback import Traceback

from gateway.telemetry import build_logger

_ALL = 1_000_000


def show(way: str, value: object) -> bytes:
    """Return `value` as that way shows it, or the reason why it does not."""
    try:
        shown = WAYS[way](value)
    except Exception as refusal:  # noqa: BLE001  # any, and each is shown
        shown = f"{refusal!r} {refusal}"
    return shown if isinstance(shown, bytes) else shown.encode(errors="surrogatepass")


def _logged(style: str, value: object) -> bytes:
    stream = io.BytesIO()
    log = build_logger("debug", style, stream)
    log.debug("event", value=value, among=[value], inside={"of": value})
    return stream.getvalue()


def _crash(value: object) -> Exception:
    """Return an error with a traceback of a frame that has `value` as a local variable."""
    held = [value]
    try:
        raise ZeroDivisionError(len(held))  # noqa: TRY301  # its frame is what is wanted
    except ZeroDivisionError as error:
        return error


def _with_locals(value: object) -> str:
    found = traceback.TracebackException.from_exception(_crash(value), capture_locals=True)
    return "".join(found.format())


def _rich_with_locals(value: object) -> str:
    error = _crash(value)
    console = Console(file=io.StringIO(), width=10_000)
    console.print(
        Traceback.from_exception(
            type(error),
            error,
            error.__traceback__,
            width=10_000,
            show_locals=True,
            locals_max_length=_ALL,
            locals_max_string=_ALL,
        )
    )
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _structlog_with_locals(value: object, *, rich: bool) -> str:
    error = _crash(value)
    transform = structlog.tracebacks.ExceptionDictTransformer(
        show_locals=True, locals_max_string=_ALL, locals_max_length=_ALL, use_rich=rich
    )
    return json.dumps(transform((type(error), error, error.__traceback__)))


def _shortened(value: object) -> str:
    shortening = reprlib.Repr()
    shortening.maxstring = shortening.maxother = _ALL
    return shortening.repr(value)


def _fields(value: Any) -> str:
    return json.dumps(msgspec.to_builtins(value, enc_hook=repr))


WAYS: MappingProxyType[str, Callable[[Any], str | bytes]] = MappingProxyType(
    {
        "repr": repr,
        "str": str,
        "format": "{}".format,
        "ascii": ascii,
        "in a container": lambda value: repr({"a": [(value,)]}),
        "as an error": lambda value: repr(ValueError(value)) + str(ValueError(value)),
        "pprint": pprint.pformat,
        "reprlib": _shortened,
        "rich": partial(pretty_repr, max_width=10_000),
        "JSON of repr": partial(json.dumps, default=repr),
        "JSON of attributes": partial(json.dumps, default=lambda value: repr(vars(value))),
        "vars": lambda value: repr(vars(value)),
        "dataclasses.asdict": lambda value: repr(dataclasses.asdict(value)),
        "dataclasses.astuple": lambda value: repr(dataclasses.astuple(value)),
        "structs.asdict": lambda value: repr(msgspec.structs.asdict(value)),
        "structs.astuple": lambda value: repr(msgspec.structs.astuple(value)),
        "to_builtins": lambda value: repr(msgspec.to_builtins(value)),
        "fields": _fields,
        "msgspec JSON": msgspec.json.encode,
        "msgspec JSON of repr": partial(msgspec.json.encode, enc_hook=repr),
        "msgpack of repr": partial(msgspec.msgpack.encode, enc_hook=repr),
        "copy": lambda value: repr(copy.copy(value)),
        "deepcopy": lambda value: repr(copy.deepcopy(value)),
        **{
            f"pickle {protocol}": partial(pickle.dumps, protocol=protocol)
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
        },
        "log as JSON": partial(_logged, "json"),
        "log for the console": partial(_logged, "console"),
        "traceback with locals": _with_locals,
        "rich traceback with locals": _rich_with_locals,
        "structlog traceback with locals": partial(_structlog_with_locals, rich=False),
        "structlog and rich with locals": partial(_structlog_with_locals, rich=True),
    }
)
"""By a name."""
