"""The HTTP server, granian: supervised workers for `serve`, one in this process for the sandbox.

HTTP/1.1 and ASGI only. Listening sockets are in `port`, bounds on connections are in `limits`,
processes in `supervisor`, its decisions in `supervision`, the end of a worker in
`graceful_shutdown`, workarounds in `granian_private`.
"""

import os

from .embedded import listening
from .granian_private import Application
from .port import LOOPBACK, PortTaken, ReservedPort, authority, bind

if hasattr(os, "fork"):  # Windows has none, and only the sandbox
    from .supervision import SLOTS_PER_WORKER, Reason
    from .supervisor import serve
