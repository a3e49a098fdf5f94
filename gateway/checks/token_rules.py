"""The audit rule about the vendor's client tokens. Pure: one was asked for before, if at all."""

from collections.abc import Iterator, Mapping, Sequence

from gateway.settings import Settings

from .finding import Note
from .key_files import KeyFile

_DAY = 86_400


def long_lived_token(
    _: Settings, _files: Sequence[KeyFile], _environ: Mapping[str, str], seconds: float | None
) -> Iterator[Note]:
    """Report that the upstream gives tokens for over a day, though asked for an hour."""
    if seconds is not None and seconds > _DAY:
        message = f"the vendor's client tokens live for {seconds / _DAY:.0f} days, not for an hour"
        advice = "a stolen one works so long, for every room: have the vendor obey `expires_at`"
        yield "GATEWAY_VENDOR_APP_ID", message, advice
