"""`/openapi.json`, and `/docs`, a page that loads nothing from another host.

The files are in `docs_page`; Swagger UI's among them are built by `openapi/docs`. A
Content-Security-Policy makes the browser enforce the promise. It forbids inline script, so all that
the page's script must know is in attributes of its elements.

Anyone may ask for these files, and they are large. So they are compressed once, when the first
client asks, and a browser that has one is told so (304).
"""

import asyncio
import gzip
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from string import Template
from types import MappingProxyType

from litestar import Request
from litestar.datastructures import State
from litestar.params import FromPath

from .answers import Answer, Header, condition_in, content, etag_of, matches
from .content_coding import accepts_gzip
from .host import host_in
from .paths import DOCS, OPENAPI
from .problems import NotFound

PublicRequest = Request[None, None, State]

POLICY = (
    b"default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    b"style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of pages for people: nothing from another host, no inline script."""

_STYLE, _SCRIPT = b"text/css", b"text/javascript"
_REVALIDATE = (b"cache-control", b"no-cache")
_KEEP = (b"cache-control", b"public, max-age=3600")
_VARY = (b"vary", b"Accept-Encoding")
_GZIP = (b"content-encoding", b"gzip")
_KEPT = frozenset({b"cache-control", b"etag", b"vary"})
"""The headers of a document that a 304 has too."""

_PACKAGED = MappingProxyType(
    {
        "page.css": ("page.css", _STYLE),
        "start.js": ("start.js", _SCRIPT),
        "swagger-ui.css": ("swagger-ui/swagger-ui.css", _STYLE),
        "swagger-ui-bundle.js": ("swagger-ui/swagger-ui-bundle.js", _SCRIPT),
    }
)
"""The files of the page by name, each with its path and its media type."""


class Document:
    """A document in both codings, with `headers`."""

    def __init__(self, media_type: bytes, body: bytes, *headers: Header) -> None:
        gzipped = gzip.compress(body, mtime=0)
        self._plain = content(media_type, body, *headers, _VARY, (b"etag", etag_of(body)))
        other = (b"etag", etag_of(gzipped))  # another coding of the same document has another
        self._gzipped = content(media_type, gzipped, *headers, _VARY, other, _GZIP)

    def answer(self, request: PublicRequest) -> Answer:
        """Answer in a coding that the client takes, or with 304 if it has that."""
        headers = request.scope["headers"]
        answer = self._gzipped if accepts_gzip(headers) else self._plain
        condition = condition_in(headers)
        if condition is not None and matches(condition, dict(answer.headers)[b"etag"]):
            return Answer(304, tuple(each for each in answer.headers if each[0] in _KEPT))
        return answer


class DocsHandlers:
    """Serves `document`, the OpenAPI JSON, and its page, which browsers find below `root_path`.

    `trial_tokens`, by user, become buttons of the page; empty but in the sandbox.
    """

    def __init__(self, document: bytes, root_path: str, trial_tokens: Mapping[str, str]) -> None:
        policy = (b"content-security-policy", POLICY)
        html = b"text/html; charset=utf-8"
        self._document = Document(b"application/json", document, _REVALIDATE)
        self._page, self._trial = (
            Document(html, _page(root_path, tokens).encode(), _REVALIDATE, policy)
            for tokens in ({}, trial_tokens)
        )
        self._files: dict[str, Document] = {}

    async def openapi(self, request: PublicRequest) -> Answer:
        """Return the document."""
        return self._document.answer(request)

    async def page(self, request: PublicRequest) -> Answer:
        """Return the page; with tokens only for a name of this machine."""
        return (self._trial if is_local(request) else self._page).answer(request)

    async def file(self, request: PublicRequest, name: FromPath[str]) -> Answer:
        """Return a file of the page; raise NotFound for any other."""
        if name not in self._files:
            if name not in _PACKAGED:
                raise NotFound
            self._files[name] = await asyncio.to_thread(_packaged, name)
        return self._files[name].answer(request)


def is_local(request: PublicRequest) -> bool:
    """Return True if the client calls this machine by a name of loopback."""
    host = host_in(request.scope["headers"])
    return host is not None and host.is_loopback


def _page(root_path: str, trial_tokens: Mapping[str, str]) -> str:
    sign_in = _read("sandbox.html" if trial_tokens else "serve.html").decode()
    return Template(_read("page.html").decode()).substitute(
        docs=f"{root_path}{DOCS}",
        document=f"{root_path}{OPENAPI}",
        sign_in=Template(sign_in).safe_substitute(users=_buttons(trial_tokens)),
    )


def _buttons(tokens: Mapping[str, str]) -> str:
    return "\n".join(
        f'<button type="button" disabled aria-pressed="false" data-user="{escape(user)}" '
        f'data-token="{escape(token)}">Sign in as {escape(user)}</button>'
        for user, token in tokens.items()
    )


def _packaged(name: str) -> Document:
    """Return a file of the page; compressing the largest takes 0.05 s."""
    path, media_type = _PACKAGED[name]
    return Document(media_type, _read(path), _KEEP)


def _read(path: str) -> bytes:
    return files(__package__).joinpath("docs_page", path).read_bytes()
