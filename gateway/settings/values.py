"""The types of values that Python has no type for."""

from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

from msgspec import Struct

Network = IPv4Network | IPv6Network
"""Addresses that share a prefix; a single address is a network of one."""


class RateLimit(Struct, frozen=True):
    """At most `count` requests at once, refilled evenly over `seconds`."""

    count: int
    seconds: int


class LogLevel(StrEnum):
    """The least severity that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class LogCaller(StrEnum):
    """What the access log has for a user."""

    HASH = "hash"
    OFF = "off"


class LogFormat(StrEnum):
    """How a log line looks: for machines, or for a terminal."""

    JSON = "json"
    CONSOLE = "console"
