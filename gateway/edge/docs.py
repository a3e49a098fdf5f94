"""`/openapi.json`, and `/docs`, a page that loads nothing from another host.

Swagger UI comes from a package's static files. A Content-Security-Policy makes the browser enforce
the promise. It forbids inline script, so the page's few lines of script are a file.

Anyone may ask for these files, and they are large. So they are compressed once, when the first
client asks, and a browser that has one is told so (304).
"""

import asyncio
import gzip
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from litestar import Request
from litestar.datastructures import State
from litestar.params import FromPath

from .answers import Answer, Header, condition_in, content, etag_of, matches
from .content_coding import accepts_gzip
from .paths import DOCS, OPENAPI
from .problems import NotFound

PublicRequest = Request[None, None, State]

_POLICY = (
    b"default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    b"style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_REVALIDATE = (b"cache-control", b"no-cache")
_KEEP = (b"cache-control", b"public, max-age=3600")
_VARY = (b"vary", b"Accept-Encoding")
_GZIP = (b"content-encoding", b"gzip")
_KEPT = frozenset({b"cache-control", b"etag", b"vary"})
"""The headers of a document that a 304 has too."""

_PACKAGED = MappingProxyType(
    {"swagger-ui.css": b"text/css", "swagger-ui-bundle.js": b"text/javascript"}
)
"""The files of the package, and their media types."""


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
    """Serves `document`, the OpenAPI JSON, and its page, which browsers find below `root_path`."""

    def __init__(self, document: bytes, root_path: str) -> None:
        policy = (b"content-security-policy", _POLICY)
        html = b"text/html; charset=utf-8"
        self._document = Document(b"application/json", document, _REVALIDATE)
        self._page = Document(html, _page(root_path).encode(), _REVALIDATE, policy)
        self._files = {"start.js": Document(b"text/javascript", _start(root_path).encode(), _KEEP)}

    async def openapi(self, request: PublicRequest) -> Answer:
        """Return the document."""
        return self._document.answer(request)

    async def page(self, request: PublicRequest) -> Answer:
        """Return the page."""
        return self._page.answer(request)

    async def file(self, request: PublicRequest, name: FromPath[str]) -> Answer:
        """Return a file of the page; raise NotFound for any other."""
        if name not in self._files:
            if name not in _PACKAGED:
                raise NotFound
            self._files[name] = await asyncio.to_thread(_packaged, name)
        return self._files[name].answer(request)


def _page(root_path: str) -> str:
    docs, document = f"{root_path}{DOCS}", f"{root_path}{OPENAPI}"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Live room gateway</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{docs}/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<noscript>
This page needs script; the document itself is <a href="{document}">{document}</a>.
</noscript>
<script src="{docs}/swagger-ui-bundle.js"></script>
<script src="{docs}/start.js"></script>
</body>
</html>
"""


def _start(root_path: str) -> str:
    return f"""SwaggerUIBundle({{
  url: "{root_path}{OPENAPI}",
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null,
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
}});
"""


def _packaged(name: str) -> Document:
    """Return a static file of the package; compressing it takes 0.05 s."""
    package = find_spec("swagger_ui")
    if package is None or package.origin is None:
        raise RuntimeError("the package swagger-ui-py is not installed")
    static = Path(package.origin).parent / "static"
    return Document(_PACKAGED[name], (static / name).read_bytes(), _KEEP)
