"""`/openapi.json`, and `/docs`, a page that loads nothing from another host.

Swagger UI comes from a package's static files; a Content-Security-Policy makes the browser enforce
that promise. The page's few lines of script are a file of their own because the policy forbids
inline script.
"""

from importlib.util import find_spec
from pathlib import Path

from litestar import get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from .answers import Answer, content

_POLICY = (
    b"default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    b"style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_REVALIDATE = (b"cache-control", b"no-cache")

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Live room gateway</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<noscript>
This page needs script; the document itself is <a href="/openapi.json">/openapi.json</a>.
</noscript>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

_START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null,
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
});
"""


def docs_routes(document: bytes) -> list[HTTPRouteHandler]:
    """Return the handlers that serve `document`, the OpenAPI JSON, and its page."""
    static = _static_folder()
    assets = {
        "swagger-ui.css": (b"text/css", (static / "swagger-ui.css").read_bytes()),
        "swagger-ui-bundle.js": (
            b"text/javascript",
            (static / "swagger-ui-bundle.js").read_bytes(),
        ),
        "start.js": (b"text/javascript", _START.encode()),
    }

    @get("/openapi.json")
    async def openapi() -> Answer:
        return content(b"application/json", document, _REVALIDATE)

    @get("/docs")
    async def page() -> Answer:
        policy = (b"content-security-policy", _POLICY)
        return content(b"text/html; charset=utf-8", _PAGE.encode(), _REVALIDATE, policy)

    @get("/docs/{name:str}")
    async def asset(name: FromPath[str]) -> Answer:
        if name not in assets:
            raise NotFoundException
        return content(*assets[name], (b"cache-control", b"public, max-age=3600"))

    return [openapi, page, asset]


def _static_folder() -> Path:
    package = find_spec("swagger_ui")
    if package is None or package.origin is None:
        raise RuntimeError("the package swagger-ui-py is not installed")
    return Path(package.origin).parent / "static"
