"""Server-sent events as bytes (WHATWG HTML, "Server-sent events"). Pure."""

HEARTBEAT = b":\n\n"
"""A comment; it shows either side that the other is still there."""


def event(
    name: str, data: bytes = b"{}", *, etag: bytes | None = None, retry: int | None = None
) -> bytes:
    """Return an event; its id is an ETag, `data` has no line break, `retry` is in milliseconds."""
    id_line = b"" if etag is None else b"id: %b\n" % etag
    retry_line = b"" if retry is None else b"retry: %d\n" % retry
    return b"%b%bevent: %b\ndata: %b\n\n" % (id_line, retry_line, name.encode(), data)


def retry(milliseconds: int) -> bytes:
    """Return the field that tells a client how long to wait before it connects again."""
    return b"retry: %d\n\n" % milliseconds


def comment(text: str) -> bytes:
    """Return a comment, which no client shows."""
    return f": {text}\n\n".encode()
