"""A backend-for-frontend gateway for Qiniu interactive-live rooms."""

__version__ = "0.1.0"
