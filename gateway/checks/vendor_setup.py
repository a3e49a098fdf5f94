"""The part of the configuration that belongs at the vendor. Pure: nothing is called."""

from collections.abc import Iterator

from gateway.callback_url import callback_url
from gateway.settings import Settings

from .finding import Finding, Severity

_MASK = "***"


def callback_findings(settings: Settings) -> Iterator[Finding]:
    """Tell the URL that the vendor is to call, with the secret masked."""
    if settings.callback_secret is not None:
        base = f"https://<your host>{settings.root_path or ''}"
        url = callback_url(base, _MASK)
        message = f"have the vendor call {url}, with the secret in place of {_MASK}"
        yield Finding(Severity.OK, "callbacks", message)
