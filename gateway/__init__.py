"""A backend-for-frontend gateway for Qiniu interactive-live rooms."""

__version__ = "0.1.0"

USER_AGENT = f"live-room-gateway/{__version__}"
"""The `User-Agent` of every outgoing request."""
