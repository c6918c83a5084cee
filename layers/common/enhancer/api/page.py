"""The page's files: templates filled in, assets with validators, one content security policy."""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import re
import secrets
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aws_lambda_powertools.event_handler import Response

from enhancer import runtime
from enhancer.api.http import json_body
from enhancer.api.http.request import LANGUAGES, Request
from enhancer.domain import etags
from enhancer.domain.errors import FileTooLarge, InvalidFields, NotFound
from enhancer.domain.rate_limits import RateLimit

ASSET_FOLDERS = ("css", "js", "fonts", "img")
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".woff2": "font/woff2",
    ".avif": "image/avif",
}
COMPRESSED = (".css", ".js", ".svg", ".json")
HTML = "text/html; charset=utf-8"
IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATED = "no-cache"
REPORTED = ("blocked-uri", "violated-directive", "document-uri", "source-file", "line-number")
"""Fields of a violation report that are logged."""
REPORTS = RateLimit("reports", 20)
"""Violation reports that a network may send; a page that breaks its policy sends a handful."""
REPORT_BYTES_MAX = 16_384
PLACES = {"jobs.html": "jobs", "account.html": "account", "pricing.html": "pricing"}
"""Where a page lies below its language."""
SECTIONS = {"jobs": {"jobs"}, "account": {"account", "billing"}, "pricing": {"pricing", "billing"}}
"""Sections of the locale that travel with some pages only."""
MARKUP_ONLY = "html"
"""The section of the locale that only templates use."""
_HOLE = re.compile(r"\{\{([\w.]+)\}\}")


@dataclass(frozen=True)
class Asset:
    """A file as it is served."""

    path: Path

    @cached_property
    def body(self) -> bytes:
        """The bytes."""
        return self.path.read_bytes()

    @cached_property
    def gzipped(self) -> bytes | None:
        """The bytes compressed, or None for what is compressed already."""
        return gzip.compress(self.body, mtime=0) if self.path.suffix in COMPRESSED else None

    @cached_property
    def digest(self) -> str:
        """A short hash of the content."""
        return hashlib.sha256(self.body).hexdigest()[:20]

    def answer(self, request_headers: dict[str, str], *, cache: str) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body; ``request_headers`` have lower-case names.

        The two encodings have tags of their own, as they are different bytes.
        """
        zipped = bool(self.gzipped) and accepts_gzip(request_headers)
        etag = f'"{self.digest}{"-gz" if zipped else ""}"'
        headers = {"ETag": etag, "Cache-Control": cache, "Content-Type": CONTENT_TYPES[self.path.suffix]}
        if self.gzipped:
            headers["Vary"] = "Accept-Encoding"
        if etags.matches(request_headers.get("if-none-match"), etag):
            return 304, headers, b""
        if zipped and self.gzipped:
            headers["Content-Encoding"] = "gzip"
        return 200, headers, (self.gzipped if zipped and self.gzipped else self.body)


def accepts_gzip(request_headers: dict[str, str]) -> bool:
    """Return whether the client takes gzip; every browser does."""
    return (
        re.search(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))", request_headers.get("accept-encoding", ""))
        is not None
    )


class Site:
    """Everything under ``web/``, found once. A path that was not found then does not exist."""

    def __init__(self, root: Path, *, extra: dict[str, Path] | None = None) -> None:
        """``extra``: further asset names and their files."""
        self._root = root
        files = [
            path for folder in ASSET_FOLDERS for path in sorted((root / folder).rglob("*")) if path.is_file()
        ]
        self._assets = {
            path.relative_to(root).as_posix(): Asset(path) for path in files if path.suffix in CONTENT_TYPES
        }
        self._versioned = frozenset(self._assets)
        self._assets |= {name: Asset(path) for name, path in (extra or {}).items()}
        self._texts = {language: self._load(language) for language in LANGUAGES}
        self._templates: dict[str, str] = {}

    def _load(self, language: str) -> dict[str, Any]:
        texts: dict[str, Any] = json.loads((self._root / "locales" / f"{language}.json").read_text("utf-8"))
        return texts

    @cached_property
    def version(self) -> str:
        """Changes when any asset changes. It is a folder in their address, so relative imports keep it."""
        digests = "".join(self._assets[name].digest for name in sorted(self._versioned))
        return hashlib.sha256(digests.encode()).hexdigest()[:12]

    def asset(self, path: str) -> tuple[Asset, str] | None:
        """Return the asset at ``/assets/{path}`` and how it may be cached, or None."""
        version, _, rest = path.partition("/")
        if rest in self._versioned and re.fullmatch("[0-9a-f]{12}", version):
            return self._assets[rest], IMMUTABLE if version == self.version else REVALIDATED
        found = self._assets.get(path)
        return (found, REVALIDATED) if found else None

    def file(self, name: str) -> Asset:
        """A file beside the templates."""
        return Asset(self._root / name)

    def html(self, template: str, *, language: str, nonce: str) -> str:
        """Return a template with its holes filled.

        ``{{lang}}``, ``{{nonce}}``, ``{{assets}}``, ``{{place}}`` (of the page below its language), ``{{locale_json}}``
        (what scripts of this page need), ``{{t.a.b}}`` for a text of the locale, ``{{part.top}}`` for a piece
        that several pages share.
        """
        texts, place = self._texts[language], PLACES.get(template, "")
        others = set().union(*SECTIONS.values()) - SECTIONS.get(place, set())
        values = {
            "lang": language,
            "nonce": nonce,
            "assets": f"/assets/{self.version}",
            "place": place,
            "locale_json": _embedded(texts, without={MARKUP_ONLY, *others}),
        }

        def fill(hole: re.Match[str]) -> str:
            kind, _, name = hole[1].partition(".")
            if kind == "part":
                return _HOLE.sub(fill, self._template(f"parts/{name}.html"))
            return html.escape(_text(texts, name)) if kind == "t" else values[kind]

        return _HOLE.sub(fill, self._template(template))

    def _template(self, name: str) -> str:
        if name not in self._templates:
            self._templates[name] = (self._root / name).read_text("utf-8")
        return self._templates[name]


def _embedded(texts: dict[str, Any], *, without: set[str]) -> str:
    """Return texts as JSON that cannot end the script they travel in."""
    wanted = {name: text for name, text in texts.items() if name not in without}
    return json.dumps(wanted, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _text(texts: dict[str, Any], path: str) -> str:
    node: Any = texts
    for key in path.split("."):
        node = node[key]
    return str(node)


def policy(nonce: str, bucket_origins: Iterable[str]) -> str:
    """Return the content security policy of an HTML answer; the bucket takes uploads and gives large results."""
    bucket = " ".join(sorted(bucket_origins))
    return "; ".join(
        (
            "default-src 'self'",
            f"img-src 'self' data: blob: {bucket}",
            f"connect-src 'self' {bucket}",
            f"script-src 'nonce-{nonce}' 'self'",
            f"style-src 'nonce-{nonce}' 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "report-uri /api/csp-report",
        )
    )


class Pages:
    """Answers made of the files under ``web/``."""

    def __init__(self, root: Path) -> None:
        self._site = Site(root, extra={f"swagger/{path.name}": path for path in _swagger_files()})

    @cached_property
    def _bucket_origins(self) -> frozenset[str]:
        """Origins of the bucket's presigned URLs, for the content security policy."""
        artifacts = runtime.artifacts()
        form = artifacts.upload_form("-", content_type="image/png", size=1)
        split = [urlsplit(url) for url in (form["url"], artifacts.link("-", headers={}))]
        return frozenset(f"{url.scheme}://{url.netloc}" for url in split)

    def page(self, request: Request, template: str) -> Response[Any]:
        """Return a template as an HTML answer in the language of its path, of the cookie, or of the browser."""
        body, headers = self._html(request, template)
        if not accepts_gzip(request.headers):
            return Response(200, HTML, body, dict(headers))
        return Response(200, HTML, gzip.compress(body.encode(), 6), {**headers, "Content-Encoding": "gzip"})

    def file(self, request: Request) -> Response[str]:
        """Return an asset or a file of the root, 304 when the browser has it; raise `NotFound`."""
        if request.path.startswith("/assets/"):
            found = self._site.asset(request.path.removeprefix("/assets/"))
        else:
            found = (self._site.file(request.path.removeprefix("/")), REVALIDATED)
        if not found or not found[0].path.is_file():
            raise NotFound
        status, headers, body = found[0].answer(request.headers, cache=found[1])
        response = Response(status, headers.pop("Content-Type"), b64encode(body).decode(), dict(headers))
        response.base64_encoded = True  # encoded here: Powertools would try to serialise JSON that is bytes
        return response

    def with_pages(
        self, handler: Callable[[dict[str, Any], Any], dict[str, Any]]
    ) -> Callable[..., dict[str, Any]]:
        """Return the handler with a page in place of the 404 envelope where a browser asks outside the API."""

        def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
            answer = handler(event, context)
            request = Request(event, "")
            wants_page = "text/html" in request.headers.get("accept", "") and not request.path.startswith(
                "/api/"
            )
            if answer["statusCode"] == 404 and wants_page:
                body, headers = self._html(request, "404.html")
                answer["headers"] |= {"Content-Type": HTML, **headers}
                answer |= {"body": body, "isBase64Encoded": False}
            return answer

        return lambda_handler

    def _html(self, request: Request, template: str) -> tuple[str, dict[str, str]]:
        """Return body and headers; a nonce is never used twice."""
        nonce, language = secrets.token_urlsafe(18), language_of(request)
        headers = {
            "Content-Security-Policy": policy(nonce, self._bucket_origins),
            "Content-Language": language,
            "Vary": "Cookie, Accept-Language",
            "Cache-Control": "no-store",
        }
        return self._site.html(template, language=language, nonce=nonce), headers


def language_of(request: Request) -> str:
    """Return the language of the path, else of the reader's choice, else of the browser."""
    for wish in (request.path.split("/")[1], request.cookies.get("lang", "")):
        if wish in LANGUAGES:
            return wish
    return request.language


def csp_report(request: Request) -> dict[str, str]:
    """Return what a violation report says, shortened and without query strings; empty for what is none.

    Raises `FileTooLarge` for one that no browser sends.
    """
    if len(request.body) > REPORT_BYTES_MAX:
        raise FileTooLarge(field="body", size=len(request.body), limit=REPORT_BYTES_MAX)
    try:
        report = json_body.parse_object(request.body).get("csp-report")
    except InvalidFields:
        return {}
    fields = report if isinstance(report, dict) else {}
    return {
        name.replace("-", "_"): str(fields[name]).split("?")[0][:200] for name in REPORTED if name in fields
    }


def _swagger_files() -> list[Path]:
    """The API browser that comes with the framework."""
    spec = find_spec("aws_lambda_powertools.event_handler.openapi.swagger_ui")
    folder = Path(spec.origin).parent if spec and spec.origin else None
    return sorted(path for path in folder.glob("*.min.*") if path.suffix in CONTENT_TYPES) if folder else []
