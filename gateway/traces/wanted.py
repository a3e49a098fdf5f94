"""Whether the environment asks for traces, and for some that this gateway can give.

They are on where an OTLP endpoint is set or `OTEL_TRACES_EXPORTER` is `otlp`; off where that is
`none` or `OTEL_SDK_DISABLED` is `true`. The SDK answers a value that it does not understand with a
warning and its default, and some with an error from deep inside: here the start is refused.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

_GENERAL, _OF_TRACES = "OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"
_EXPORTER = "OTEL_TRACES_EXPORTER"
_BATCH, _QUEUE = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "OTEL_BSP_MAX_QUEUE_SIZE"
_DEFAULTS = MappingProxyType({_BATCH: "512", _QUEUE: "2048"})

_COUNT = re.compile("[0-9]{0,9}[1-9][0-9]{0,9}"), "must be a positive whole number"
_RULES = MappingProxyType(
    {
        _EXPORTER: (re.compile("otlp"), "must be otlp or none"),
        "OTEL_TRACES_SAMPLER": (
            re.compile("(parentbased_)?(always_on|always_off|traceidratio)"),
            "must be always_on, always_off or traceidratio, or one of them after parentbased_",
        ),
        "OTEL_TRACES_SAMPLER_ARG": (
            re.compile(r"0|1|0?\.[0-9]+|[01]\.0*"),
            "must be a number from 0 to 1",
        ),
        _BATCH: _COUNT,
        _QUEUE: _COUNT,
        "OTEL_BSP_SCHEDULE_DELAY": _COUNT,
    }
)
_OTLP_RULES = MappingProxyType(
    {
        "PROTOCOL": (re.compile("http/protobuf"), "must be http/protobuf, which is the default"),
        "ENDPOINT": (re.compile(r"https?://[^/\s]\S*"), "must be an http:// or https:// URL"),
        "HEADERS": (
            re.compile("([^=,]+=[^,]*,?)*"),
            "must be name=value pairs, separated by commas",
        ),
        "COMPRESSION": (re.compile("none|gzip|deflate"), "must be none, gzip or deflate"),
        "TIMEOUT": (re.compile(r"[0-9]+(\.[0-9]+)?"), "must be a number of seconds"),
    }
)


class CannotTrace(Exception):
    """Traces are asked for that cannot be given; the text is one line and quotes no value."""


def wanted(environ: Mapping[str, str]) -> bool:
    """Return whether traces are asked for; raise CannotTrace for those that cannot be given."""
    given = {name: text.strip() for name, text in environ.items() if text.strip()}
    if not _asked_for(given):
        return False
    for name, (pattern, rule) in _RULES.items():
        _require(name, given.get(name), pattern, rule)
    for part, (pattern, rule) in _OTLP_RULES.items():
        name = next((each for each in (_OF_TRACES + part, _GENERAL + part) if each in given), part)
        _require(name, given.get(name), pattern, rule)
    batch, queue = (int(given.get(name, _DEFAULTS[name])) for name in (_BATCH, _QUEUE))
    if batch > queue:
        raise CannotTrace(f"{_BATCH} must not be more than {_QUEUE}")
    return True


def _asked_for(given: Mapping[str, str]) -> bool:
    if given.get("OTEL_SDK_DISABLED", "").lower() == "true" or given.get(_EXPORTER) == "none":
        return False
    return not given.keys().isdisjoint({_EXPORTER, f"{_OF_TRACES}ENDPOINT", f"{_GENERAL}ENDPOINT"})


def _require(name: str, text: str | None, pattern: re.Pattern[str], rule: str) -> None:
    if text is not None and not pattern.fullmatch(text):
        raise CannotTrace(f"{name} {rule}; {_EXPORTER}=none turns traces off")
