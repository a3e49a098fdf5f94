"""The OTEL_… variables: they ask for traces, and are checked before the SDK reads them.

Traces are on if an OTLP endpoint is set or `OTEL_TRACES_EXPORTER` is `otlp`. They are off if that
is `none` or `OTEL_SDK_DISABLED` is `true`. For most values that it does not understand the SDK
warns and takes its default; for some it fails deep inside. Here such a value refuses the start.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from gateway.settings import Problem, SettingsError

_EXPORTER = "OTEL_TRACES_EXPORTER"
_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_BATCH, _QUEUE = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "OTEL_BSP_MAX_QUEUE_SIZE"
_DEFAULT_SIZES = MappingProxyType({_BATCH: 512, _QUEUE: 2048})

_COUNT = "0*[1-9][0-9]{0,9}", "must be a positive whole number"
_LIMIT = "[0-9]{1,9}", "must be a whole number"
_LIMITS = (
    *("OTEL_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
    *("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
    *("OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_SPAN_LINK_COUNT_LIMIT"),
    *("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"),
)
_RULES = MappingProxyType(
    {
        _EXPORTER: ("otlp", "must be otlp or none"),
        _ENDPOINT: (r"https?://[^/\s]\S*", "must be an http:// or https:// URL"),
        "OTEL_EXPORTER_OTLP_PROTOCOL": (
            "http/protobuf",
            "must be http/protobuf, which is the default",
        ),
        "OTEL_EXPORTER_OTLP_HEADERS": (
            "([^=,]+=[^,]*,?)*",
            "must be name=value pairs, separated by commas",
        ),
        "OTEL_EXPORTER_OTLP_COMPRESSION": ("none|gzip|deflate", "must be none, gzip or deflate"),
        "OTEL_EXPORTER_OTLP_TIMEOUT": (r"[0-9]+(\.[0-9]+)?", "must be a number of seconds"),
        "OTEL_TRACES_SAMPLER": (
            "(parentbased_)?(always_on|always_off|traceidratio)",
            "must be always_on, always_off or traceidratio, or one of them after parentbased_",
        ),
        "OTEL_TRACES_SAMPLER_ARG": (r"0|1|0?\.[0-9]+|[01]\.0*", "must be a number from 0 to 1"),
        _BATCH: _COUNT,
        _QUEUE: _COUNT,
        "OTEL_BSP_SCHEDULE_DELAY": _COUNT,
        **dict.fromkeys(_LIMITS, _LIMIT),
        "OTEL_PYTHON_CONTEXT": ("contextvars_context", "must be contextvars_context"),
    }
)
"""For each variable the form of its value, a regular expression, and the rule in words."""


def traces_requested(environ: Mapping[str, str]) -> str | None:
    """Return the variable that asks for traces, or None.

    Raises SettingsError for values that this gateway cannot use.
    """
    given = {name: text.strip() for name, text in environ.items() if text.strip()}
    if given.get("OTEL_SDK_DISABLED", "").lower() == "true" or given.get(_EXPORTER) == "none":
        return None
    asking = next((each for each in (_EXPORTER, _own(_ENDPOINT), _ENDPOINT) if each in given), None)
    if asking is not None:
        problems = list(_problems(given)) or list(_too_large(given))
        if problems:
            raise SettingsError(*problems)
    return asking


def _problems(given: Mapping[str, str]) -> Iterator[Problem]:
    for general, (pattern, rule) in _RULES.items():
        name = _own(general) if _own(general) in given else general
        if name in given and not re.fullmatch(pattern, given[name]):
            yield Problem(name, rule)


def _too_large(given: Mapping[str, str]) -> Iterator[Problem]:
    batch, queue = (int(given.get(name, size)) for name, size in _DEFAULT_SIZES.items())
    if batch > queue:
        yield Problem(_BATCH, f"must not be more than {_QUEUE} (2048 if unset)")


def _own(general: str) -> str:
    """Return the variable for traces alone; it takes precedence over the `general` one."""
    return general.replace("_OTLP_", "_OTLP_TRACES_")
