"""The sandbox: a simulated vendor with a gateway in front, on loopback."""

from .run import USERS, Sandbox, running
from .vendor import Vendor
from .welcome import welcome
from .wording import DialectName

__all__ = ["USERS", "DialectName", "Sandbox", "Vendor", "running", "welcome"]
