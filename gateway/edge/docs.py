"""`/openapi.json`, and `/docs`, a page that loads nothing from another host.

Swagger UI comes from a package's static files. A Content-Security-Policy makes the browser enforce
the promise. It forbids inline script, so the page's few lines of script are a file.
"""

from importlib.util import find_spec
from pathlib import Path

from litestar.params import FromPath

from .answers import Answer, content
from .paths import DOCS, OPENAPI
from .problems import NotFound

_POLICY = (
    b"default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    b"style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_REVALIDATE = (b"cache-control", b"no-cache")

_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Live room gateway</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{DOCS}/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<noscript>
This page needs script; the document itself is <a href="{OPENAPI}">{OPENAPI}</a>.
</noscript>
<script src="{DOCS}/swagger-ui-bundle.js"></script>
<script src="{DOCS}/start.js"></script>
</body>
</html>
"""

_START = f"""SwaggerUIBundle({{
  url: "{OPENAPI}",
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null,
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
}});
"""


class DocsHandlers:
    """Serves `document`, the OpenAPI JSON, and its page."""

    def __init__(self, document: bytes) -> None:
        static = _static_folder()
        self._document = document
        types = {"swagger-ui.css": b"text/css", "swagger-ui-bundle.js": b"text/javascript"}
        self._files = {name: (kind, (static / name).read_bytes()) for name, kind in types.items()}
        self._files["start.js"] = b"text/javascript", _START.encode()

    async def openapi(self) -> Answer:
        """Return the document."""
        return content(b"application/json", self._document, _REVALIDATE)

    async def page(self) -> Answer:
        """Return the page."""
        policy = (b"content-security-policy", _POLICY)
        return content(b"text/html; charset=utf-8", _PAGE.encode(), _REVALIDATE, policy)

    async def file(self, name: FromPath[str]) -> Answer:
        """Return a file of the page; raise NotFound for any other."""
        if name not in self._files:
            raise NotFound
        return content(*self._files[name], (b"cache-control", b"public, max-age=3600"))


def _static_folder() -> Path:
    package = find_spec("swagger_ui")
    if package is None or package.origin is None:
        raise RuntimeError("the package swagger-ui-py is not installed")
    return Path(package.origin).parent / "static"
