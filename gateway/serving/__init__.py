"""The HTTP server, granian: supervised workers for `serve`, one in this process for the sandbox.

HTTP/1.1 and ASGI only. Bounds on connections are in `limits`, processes in `supervisor` and
`graceful_shutdown`, workarounds in `granian_private`.
"""

from .embedded import listening
from .graceful_shutdown import Application, GracefulShutdown
from .port import LOOPBACK, PortTaken, authority, require_free
from .supervisor import serve
