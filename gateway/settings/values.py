"""Types of values without a Python type."""

from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Final, Literal

from msgspec import Struct

Network = IPv4Network | IPv6Network
"""Addresses with a common prefix; a single address is a network of one."""


NoStore = Literal["none"]
NO_STORE: Final = "none"
"""Stands for a shared store that is not wanted."""


class RateLimit(Struct, frozen=True):
    """A rate limit: a burst of `count` requests, refilled evenly over `seconds`."""

    count: int
    seconds: int


class LogLevel(StrEnum):
    """The lowest severity in the log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class LogCaller(StrEnum):
    """The form of users in the access log."""

    HASH = "hash"
    OFF = "off"


class LogFormat(StrEnum):
    """The format of log lines: for machines, or for a terminal."""

    JSON = "json"
    CONSOLE = "console"
