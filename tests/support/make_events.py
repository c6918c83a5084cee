"""Writes ``events/``: complete Lambda events, one per file, and what each is answered with.

``python -m tests.support.make_events`` after a change here. The pictures are built by hand without
compression, so every machine writes the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from enhancer.accounts.caller import guest_cookie_for
from enhancer.adapters.signing import Signer
from enhancer.domain.owners import Owner
from enhancer.jobs.callbacks import PATH, PURPOSE
from tests.support.account_events import accounts, administrators
from tests.support.aws import SIGNING_KEY
from tests.support.billing_events import cashier, customers
from tests.support.callbacks import FOREIGN_SECRET, OLD_SECRET, RECORDED_AT, WEBHOOK_SECRET, signed
from tests.support.events import CSRF_TOKEN, form, http_event, image_part, joined, unsafe
from tests.support.template import ROOT

FOLDER = ROOT / "events"
IMAGES = "/api/ai-image"
GUEST = Owner("guest", "0000000000000000000testguest")
NAME = "0123456789abcdefghjkmnpqrs.png"
ORIGINAL = f"ai-enhancer/uploads/guest/{GUEST.id}/{NAME}"
RESULT = f"ai-enhancer/results/guest/{GUEST.id}/{NAME}"
MISSING = "job_" + "0" * 36
FOREIGN = f"ai-enhancer/results/guest/somebodyelse/{NAME}"


def chunk(kind: bytes, data: bytes) -> bytes:
    """One PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int = 12, height: int = 8, *, rows: int | None = None) -> bytes:
    """A colourful PNG, its pixels stored and not compressed; ``rows`` fewer make it a damaged one."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    lines = b"".join(
        b"\0" + bytes(value for x in range(width) for value in (x * 20 % 256, y * 30 % 256, 128))
        for y in range(height if rows is None else rows)
    )
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines, 0)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


PHOTO = png()
TAG = f'"{hashlib.md5(PHOTO, usedforsecurity=False).hexdigest()}"'
GIVEN = {
    ORIGINAL: PHOTO,
    RESULT: PHOTO,
    FOREIGN: PHOTO,
    "ai-enhancer/uploads/guest/x/notes.png": b"just text",
}
"""What lies in the bucket when the events are sent."""


@dataclass
class Case:
    """One event: its file name without ending, and the status (or the direct call's outcome) it ends with."""

    name: str
    outcome: int | str
    event: dict[str, Any]


@dataclass
class Cases:
    """Collects cases; every one comes from a network of its own, so that no limit joins them."""

    made: list[Case] = field(default_factory=list)

    def http(
        self, name: str, status: int, method: str, path: str, *, route: str | None = None, **more: Any
    ) -> None:
        """Add a request through the HTTP API."""
        ip = f"198.51.100.{len(self.made) + 1}"
        event = http_event(method, path, ip=ip, route=route, request_id=name, **more)
        self.made.append(Case(name, status, event))

    def post(self, name: str, status: int, path: str, *, drop: str = "", **more: Any) -> None:
        """Add a POST of our page; without ``drop`` if named: the origin, the token's header or its cookie."""
        headers = {**unsafe(), **more.pop("headers", {})}
        headers.pop(drop, None)
        jar = {} if drop == "cookie" else {"csrf_token": CSRF_TOKEN}
        self.http(name, status, "POST", path, headers=headers, cookies=jar, **more)

    def order(self, name: str, status: int, fields: dict[str, str] | None = None, **more: Any) -> None:
        """Add a POST generate as a form; ``image=None`` for one without a picture."""
        body, content_type = form(fields, image=more.pop("image", PHOTO))
        body = more.pop("body", body)
        headers = {"content-type": content_type, **more.pop("headers", {})}
        self.post(name, status, f"{IMAGES}/generate", body=body, headers=headers, **more)

    def json(self, name: str, status: int, path: str, body: Any, **more: Any) -> None:
        """Add a POST of JSON."""
        text = body if isinstance(body, str) else json.dumps(body)
        headers = {"content-type": "application/json", **more.pop("headers", {})}
        self.post(name, status, path, body=text, headers=headers, **more)

    def artifact(self, name: str, status: int, path: str, method: str = "GET", **more: Any) -> None:
        """Add a request for an artifact."""
        self.http(name, status, method, f"/r2-ai/{path}", route="ANY /r2-ai/{proxy+}", **more)


def cases() -> Iterator[Case]:
    """Every event there is."""
    made = Cases()
    for part in (
        _generate,
        _usage,
        _uploads,
        _results,
        _debug_login,
        _web,
        _jobs,
        _webhooks,
        accounts,
        administrators,
        customers,
        cashier,
        _direct,
        _steps,
    ):
        part(made)
    yield from made.made


def _generate(add: Cases) -> None:
    add.order("generate.guest", 200)
    add.order("generate.all-options", 200, {"model": "local", "scale": "2", "output_format": "webp"})
    add.order("generate.no-image", 400, image=None, headers={"accept-language": "de"})
    add.order("generate.empty-image", 400, image=b"")
    add.order("generate.text-named-png", 415, image=b"This is not a picture.\n")
    add.order("generate.damaged-image", 400, image=png(rows=3)[:-40])
    add.order("generate.pixel-bomb", 413, image=_bomb())
    add.order("generate.two-images", 400, body=joined([image_part(PHOTO), image_part(PHOTO)]))
    add.order("generate.scale-3", 400, {"scale": "3"})
    add.order("generate.scale-not-a-number", 400, {"scale": "large"})
    add.order("generate.scale-beyond-plan", 403, {"scale": "4"})
    add.order("generate.unknown-model", 400, {"model": "sharpen-o-matic"})
    add.order("generate.provider-disabled", 403, {"model": "real-esrgan"})
    add.order("generate.prompt-not-taken", 400, {"prompt": "a castle"})
    add.order("generate.unknown-field", 400, {"scael": "2"})
    add.order("generate.foreign-upload", 400, {"uploadKey": "ai-enhancer/incoming/guest/x/y"}, image=None)
    add.order("generate.broken-form", 400, body=b"--nothing like it")
    add.order("generate.plain-text", 415, body="hello", headers={"content-type": "text/plain"})
    add.order("generate.long-idempotency-key", 400, headers={"idempotency-key": "x" * 129})
    add.order("generate.missing-csrf-header", 403, drop="x-csrf-token")
    add.order("generate.missing-csrf-cookie", 403, drop="cookie")
    add.order("generate.missing-origin", 403, drop="origin")
    add.order("generate.foreign-origin", 403, headers={"origin": "https://evil.example"})
    add.order("generate.null-origin", 403, headers={"origin": "null"})
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
        add.http(f"generate.{method.lower()}", 405, method, f"{IMAGES}/generate")


def _jobs(add: Cases) -> None:
    path = f"{IMAGES}/jobs"
    signed = {"guest_id": guest_cookie_for(GUEST, Signer([SIGNING_KEY]))}
    url = {"imageUrl": "https://pictures.example/photo.png"}
    body, content_type = form({"scale": "2"}, image=PHOTO)
    headers = {"content-type": content_type, "prefer": "respond-async"}
    add.post("jobs.photo", 202, path, body=body, headers=headers)
    add.json("jobs.by-url", 202, path, {"model": "local", "params": {"scale": 2}, "items": [url]})
    add.json("jobs.two-by-url", 202, path, {"items": [url, url]})
    add.json("jobs.no-items", 400, path, {"items": []})
    add.json("jobs.eleven-items", 400, path, {"items": [url] * 11})
    add.json("jobs.nothing", 400, path, {})
    add.json("jobs.two-sources", 400, path, {"items": [url | {"uploadKey": "x"}]})
    add.json("jobs.no-source", 400, path, {"items": [{}]})
    add.json("jobs.unknown-param", 400, path, {"params": {"scael": 2}, "items": [url]})
    add.json("jobs.prompt-not-taken", 400, path, {"items": [url | {"prompt": "a castle"}]})
    add.json("jobs.foreign-upload", 400, path, {"items": [{"uploadKey": "ai-enhancer/incoming/guest/x/y"}]})
    add.json("jobs.scale-beyond-plan", 403, path, {"params": {"scale": 4}, "items": [url]})
    add.json("jobs.provider-disabled", 403, path, {"model": "real-esrgan", "items": [url]})
    add.json("jobs.more-than-a-day", 429, path, {"items": [url] * 4})
    add.json("jobs.broken-json", 400, path, "{")
    add.json("jobs.missing-csrf", 403, path, {"items": [url]}, drop="x-csrf-token")
    add.json("jobs.foreign-origin", 403, path, {"items": [url]}, headers={"origin": "https://evil.example"})
    add.http("jobs.list", 200, "GET", path, query="status=failed,canceled&limit=5", cookies=signed)
    add.http("jobs.list-unknown-status", 400, "GET", path, query="status=FOO")
    add.http("jobs.list-bad-cursor", 400, "GET", path, query="cursor=12abc")
    add.http("jobs.list-too-many", 400, "GET", path, query="limit=101")
    add.http("jobs.missing", 404, "GET", f"{path}/{MISSING}", route=f"ANY {path}/{{proxy+}}", cookies=signed)
    for action in ("cancel", "retry"):
        route = f"ANY {path}/{{proxy+}}"
        add.post(f"jobs.{action}-missing", 404, f"{path}/{MISSING}/{action}", route=route)
        add.http(f"jobs.{action}-get", 405, "GET", f"{path}/{MISSING}/{action}", route=route)
    add.http("jobs.delete-without-csrf", 403, "DELETE", f"{path}/{MISSING}")
    add.order("generate.unreadable-preference", 200, headers={"prefer": "wait=soon, return=minimal"})
    add.order("generate.async", 202, headers={"prefer": "respond-async"})
    add.http("jobs.put", 405, "PUT", path)
    add.http("jobs.head", 405, "HEAD", path)


def _bomb() -> bytes:
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"", 0))
        + chunk(b"IEND", b"")
    )


def _usage(add: Cases) -> None:
    add.http("usage.new-guest", 200, "GET", f"{IMAGES}/usage")
    add.http("usage.forged-guest", 200, "GET", f"{IMAGES}/usage", cookies={"guest_id": f"{GUEST.id}.forged"})
    add.http("usage.models", 200, "GET", f"{IMAGES}/models")
    add.json("usage.quote", 200, f"{IMAGES}/quote", {"scale": 2, "width": 800, "height": 600})
    add.json("usage.quote-beyond-plan", 200, f"{IMAGES}/quote", {"scale": 8})
    add.json("usage.quote-scale-3", 400, f"{IMAGES}/quote", {"scale": 3})
    add.json("usage.quote-list", 400, f"{IMAGES}/quote", [])
    add.json("usage.quote-broken-json", 400, f"{IMAGES}/quote", "{")
    add.json("usage.quote-missing-csrf", 403, f"{IMAGES}/quote", {}, drop="x-csrf-token")
    add.http("usage.post", 405, "POST", f"{IMAGES}/usage")
    add.http("usage.head", 405, "HEAD", f"{IMAGES}/usage")
    add.http("usage.options", 405, "OPTIONS", f"{IMAGES}/models")
    add.http("usage.quote-get", 405, "GET", f"{IMAGES}/quote")


def _uploads(add: Cases) -> None:
    path = f"{IMAGES}/uploads"
    add.json("uploads.photo", 200, path, {"contentType": "image/jpeg", "size": 12_345_678})
    add.json("uploads.too-large", 413, path, {"contentType": "image/jpeg", "size": 25_000_001})
    add.json("uploads.gif", 415, path, {"contentType": "image/gif", "size": 1000})
    add.json("uploads.empty", 400, path, {"contentType": "image/png", "size": 0})
    add.json("uploads.no-size", 400, path, {"contentType": "image/png"})
    add.json("uploads.foreign-origin", 403, path, {"contentType": "image/png", "size": 1}, drop="origin")
    add.http("uploads.get", 405, "GET", path)


def _results(add: Cases) -> None:
    signed = {"guest_id": guest_cookie_for(GUEST, Signer([SIGNING_KEY]))}
    add.artifact("results.original", 200, ORIGINAL)
    add.artifact("results.original-head", 200, ORIGINAL, "HEAD")
    add.artifact("results.original-download", 200, ORIGINAL, query="download=1")
    add.artifact("results.original-range", 206, ORIGINAL, headers={"range": "bytes=0-7"})
    add.artifact("results.original-range-behind-end", 416, ORIGINAL, headers={"range": "bytes=1000000-"})
    add.artifact("results.original-not-modified", 304, ORIGINAL, headers={"if-none-match": TAG})
    add.artifact("results.signed-own", 200, RESULT, cookies=signed)
    add.artifact("results.signed-own-head", 200, RESULT, "HEAD", cookies=signed)
    add.artifact("results.signed-missing", 404, RESULT.replace("0123", "0000"), cookies=signed)
    add.artifact("results.signed-foreign", 403, FOREIGN, cookies=signed)
    add.artifact("results.stranger", 403, RESULT)
    add.artifact("results.stranger-missing", 403, RESULT.replace("0123", "0000"))
    add.artifact("results.public-id-is-no-cookie", 403, RESULT, cookies={"guest_id": GUEST.id})
    add.artifact("results.original-missing", 404, ORIGINAL.replace("0123", "0000"))
    add.artifact("results.incoming", 404, f"ai-enhancer/incoming/guest/{GUEST.id}/{NAME}")
    add.artifact(
        "results.traversal", 404, f"ai-enhancer/uploads/guest/x/../../../results/guest/{GUEST.id}/{NAME}"
    )
    add.artifact("results.encoded-traversal", 404, f"ai-enhancer/uploads/guest/%2e%2e%2fresults/{NAME}")
    add.artifact("results.encoded-slash", 404, f"ai-enhancer/uploads%2fguest%2f{GUEST.id}%2f{NAME}")
    add.artifact("results.nul", 404, f"{ORIGINAL}%00.png")
    add.artifact("results.backslash", 404, f"ai-enhancer\\uploads\\guest\\{GUEST.id}\\{NAME}")
    add.artifact("results.no-owner-type", 404, f"ai-enhancer/results/{GUEST.id}/{NAME}")
    add.artifact("results.html", 404, ORIGINAL.replace(".png", ".html"))
    add.artifact("results.post", 405, ORIGINAL, "POST")
    add.artifact("results.options", 405, ORIGINAL, "OPTIONS")


def _debug_login(add: Cases) -> None:
    path = "/api/debug-login"
    add.json("debug_login.pro", 200, path, {"email": "events@example.com", "plan": "pro"})
    add.json("debug_login.anybody", 200, path, {})
    add.json("debug_login.unknown-plan", 400, path, {"plan": "gold"})
    add.json("debug_login.unknown-role", 400, path, {"role": "root"})
    add.json("debug_login.broken-json", 400, path, "{")
    add.json("debug_login.missing-csrf", 403, path, {}, drop="x-csrf-token")
    add.http("debug_login.get", 405, "GET", path)


def _web(add: Cases) -> None:
    def page(name: str, status: int, method: str, path: str, **more: Any) -> None:
        add.http(f"web.{name}", status, method, path, route="$default", **more)

    html = {"accept": "text/html"}
    page("start", 200, "GET", "/", headers=html)
    page("german", 200, "GET", "/de/tools/ai-image-enhancer", headers=html)
    page("health", 200, "GET", "/api/health")
    page("favicon", 200, "GET", "/favicon.svg")
    page("csp-report", 204, "POST", "/api/csp-report", body='{"csp-report": {"blocked-uri": "inline"}}')
    page("csp-report-get", 405, "GET", "/api/csp-report")
    page("unknown-page", 404, "GET", "/nowhere", headers=html)
    page("unknown-api", 404, "GET", "/api/ai-image/nowhere")
    page("traversal", 404, "GET", "/assets/../app.py")
    page("delete", 405, "DELETE", "/")


def _webhooks(add: Cases) -> None:
    """Call-backs about a job that does not exist. ``recorded`` ones are good at the time they were signed."""
    name = f"{GUEST.type}.{GUEST.id}.{MISSING}.1.0.0"
    path, route = f"{PATH}{Signer([SIGNING_KEY]).sign(PURPOSE, name)}", f"ANY {PATH}{{ref}}"
    body = json.dumps(
        {"id": "prediction", "status": "succeeded", "output": "https://replicate.delivery/x.png"}
    )
    good = signed(body.encode(), WEBHOOK_SECRET, at=RECORDED_AT)
    bare = {header: value for header, value in good.items() if header != "webhook-signature"}

    def call(name: str, status: int, headers: dict[str, str], *, where: str = path, **more: Any) -> None:
        sent = {"content-type": "application/json", **headers}
        add.http(
            f"provider_webhook.{name}", status, "POST", where,
            route=route, headers=sent, **({"body": body} | more),
        )  # fmt: skip

    call("recorded", 400, good)
    call("recorded-previous-secret", 400, signed(body.encode(), OLD_SECRET, at=RECORDED_AT))
    call("recorded-forged-path", 400, good, where=path.replace(".1.0.0.", ".1.1.0."))
    call("recorded-other-body", 400, good, body=body.replace("prediction", "another"))
    call("recorded-foreign-secret", 400, signed(body.encode(), FOREIGN_SECRET, at=RECORDED_AT))
    call("recorded-list", 400, signed(b"[]", WEBHOOK_SECRET, at=RECORDED_AT), body="[]")
    call("unsigned", 400, {})
    call("without-signature", 400, bare)
    add.http("provider_webhook.get", 405, "GET", path, route=route)


def _direct(add: Cases) -> None:
    add.made.append(Case("export.nobody", "returns", {"userId": "0" * 26, "askedAt": 1795176000000}))
    asked = {"source": ORIGINAL, "target": RESULT.replace("0123", "9999"), "scale": 2, "quality": "standard"}
    text, missing = "ai-enhancer/uploads/guest/x/notes.png", "ai-enhancer/uploads/guest/x/missing.png"
    add.made.append(Case("upscale.photo", "returns", asked | {"format": "png"}))
    add.made.append(Case("upscale.four-times-webp", "returns", asked | {"scale": 4, "format": "webp"}))
    add.made.append(Case("upscale.text", "ImageFormatUnsupported", asked | {"source": text, "format": "png"}))
    add.made.append(Case("upscale.missing", "NoArtifact", asked | {"source": missing, "format": "png"}))
    job = {"ownerType": GUEST.type, "ownerId": GUEST.id, "jobId": MISSING, "attempt": 1, "item": 0}
    failing = asked | {"source": text, "format": "png", "job": job}
    add.made.append(Case("upscale.text-for-a-job", "ImageFormatUnsupported", failing))
    scheduled = {
        "version": "0",
        "id": "11111111-2222-4333-8444-555555555555",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": "123456789012",
        "time": "2026-11-20T12:00:00Z",
        "region": "eu-central-1",
        "resources": ["arn:aws:scheduler:eu-central-1:123456789012:schedule/default/sweep"],
        "detail": "{}",
    }
    add.made.append(Case("sweep.every-minute", "returns", scheduled))
    daily = {
        "time": "2026-11-20T00:05:00Z",
        "resources": [scheduled["resources"][0].replace("sweep", "closing")],
    }
    add.made.append(Case("quota_reset.every-day", "returns", scheduled | daily))


def _steps(add: Cases) -> None:
    """Steps of a job that does not exist: a start and a poll have nothing to do, an end nobody to tell."""
    job = {"ownerType": GUEST.type, "ownerId": GUEST.id, "jobId": MISSING, "attempt": 1}
    item = job | {"item": 0, "turn": 0}
    add.made.append(Case("start_prediction.missing-job", "StaleAttempt", item | {"token": "token"}))
    add.made.append(
        Case("start_prediction.late-attempt", "StaleAttempt", item | {"attempt": 9, "token": "t"})
    )
    add.made.append(Case("poll_prediction.missing-job", "StaleAttempt", item))
    add.made.append(Case("finish_item.missing-job", "returns", item | {"error": None}))
    add.made.append(
        Case("finish_item.missing-job-with-error", "returns", item | {"error": "ProviderTimeout"})
    )
    add.made.append(Case("finish_job.missing-job", "returns", job))


def files() -> dict[str, str]:
    """File name -> content, the outcomes included."""
    made = list(cases())
    written = {
        f"{case.name}.json": json.dumps(case.event, indent=2, ensure_ascii=False) + "\n" for case in made
    }
    lines = [
        '# What each event is answered with: an HTTP status, or for direct calls "returns" or the error\'s class.',
        '# Names with "signed" carry a guest cookie signed with the tests\' key. Written by tests.support.make_events.',
        *(f'"{case.name}" = {json.dumps(case.outcome)}' for case in made),
    ]
    return written | {"outcomes.toml": "\n".join(lines) + "\n"}


def main() -> None:
    """Write the folder anew."""
    FOLDER.mkdir(exist_ok=True)
    wanted = files()
    for old in [*FOLDER.glob("*.json"), *FOLDER.glob("*.toml")]:
        old.unlink()
    for name, content in wanted.items():
        (FOLDER / name).write_text(content, "utf-8")


if __name__ == "__main__":
    main()
