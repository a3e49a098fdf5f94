"""What the gateway tells its operator: logs."""

from .logs import build_logger

__all__ = ["build_logger"]
