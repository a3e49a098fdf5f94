"""Checks of a configuration: listeners, network and audit of `gateway check`.

A finding of either kind has the same type, the same severities and the same two renderers.
"""

from .audit import RULES, audit
from .binding import Listener, listener_findings, listeners
from .finding import Finding, Severity
from .key_files import key_files
from .network import configured_set_findings, network_report
from .render import counted, encoded, lines, show
from .report import Report, invalid, report
from .vendor_setup import callback_findings
