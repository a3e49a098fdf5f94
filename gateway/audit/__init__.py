"""What is valid in a configuration and still unwise: numbered rules, each with what to do.

A rule is a pure function of the settings and of what the file system says about key files, which
`key_files` looks up. Its number stays with it: a rule that goes leaves a gap.
"""

from .files import KeyFile, key_files
from .finding import Finding, Rule, Severity
from .rules import RULES, findings

__all__ = ["RULES", "Finding", "KeyFile", "Rule", "Severity", "findings", "key_files"]
