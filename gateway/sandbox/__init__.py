"""The sandbox: a simulated vendor with a gateway in front, on loopback."""

from .run import USERS, Sandbox, running
from .switches import Faults
from .terminal import in_colour, request_line, understands_colour
from .vendor import Vendor
from .welcome import welcome
from .wording import DialectName

__all__ = [
    "USERS",
    "DialectName",
    "Faults",
    "Sandbox",
    "Vendor",
    "in_colour",
    "request_line",
    "running",
    "understands_colour",
    "welcome",
]
