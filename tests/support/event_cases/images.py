"""Cases about images: generate, jobs, usage, uploads and results."""

from __future__ import annotations

from enhancer.accounts.caller import guest_cookie_for
from enhancer.adapters.signing import Signer
from tests.support.aws import SIGNING_KEY
from tests.support.event_cases.builder import (
    FOREIGN,
    GENERATE,
    GUEST,
    MISSING_JOB,
    NAME,
    ORIGINAL,
    PHOTO,
    PHOTO_ETAG,
    RESULT,
    Cases,
    png,
)
from tests.support.events import form, image_part, joined

IMAGES = "/api/ai-image"
FOREIGN_ORIGIN = {"origin": "https://evil.example"}
SIGNED = {"guest_id": guest_cookie_for(GUEST, Signer([SIGNING_KEY]))}
"""The cookie of `GUEST`, signed with the tests' key."""


def generate(add: Cases) -> None:
    """One picture in, one picture out, and what is refused."""
    add.generate("generate.guest", 200)
    add.generate("generate.all-options", 200, {"model": "local", "scale": "2", "output_format": "webp"})
    add.generate("generate.async", 202, headers={"prefer": "respond-async"})
    add.generate("generate.unreadable-preference", 200, headers={"prefer": "wait=soon, return=minimal"})
    add.generate("generate.no-image", 400, image=None, headers={"accept-language": "de"})
    add.generate("generate.empty-image", 400, image=b"")
    add.generate("generate.text-named-png", 415, image=b"This is not a picture.\n")
    add.generate("generate.damaged-image", 400, image=png(rows=3)[:-40])
    add.generate("generate.pixel-bomb", 413, image=png(50_000, 50_000, rows=0))
    add.generate("generate.two-images", 400, body=joined([image_part(PHOTO), image_part(PHOTO)]))
    add.generate("generate.scale-3", 400, {"scale": "3"})
    add.generate("generate.scale-not-a-number", 400, {"scale": "large"})
    add.generate("generate.scale-beyond-plan", 403, {"scale": "4"})
    add.generate("generate.unknown-model", 400, {"model": "sharpen-o-matic"})
    add.generate("generate.provider-disabled", 403, {"model": "real-esrgan"})
    add.generate("generate.prompt-not-taken", 400, {"prompt": "a castle"})
    add.generate("generate.unknown-field", 400, {"scael": "2"})
    add.generate("generate.foreign-upload", 400, {"uploadKey": "ai-enhancer/incoming/guest/x/y"}, image=None)
    add.generate("generate.broken-form", 400, body=b"--nothing like it")
    add.generate("generate.plain-text", 415, body="hello", headers={"content-type": "text/plain"})
    add.generate("generate.long-idempotency-key", 400, headers={"idempotency-key": "x" * 129})
    add.generate("generate.missing-csrf-header", 403, drop="x-csrf-token")
    add.generate("generate.missing-csrf-cookie", 403, drop="cookie")
    add.generate("generate.missing-origin", 403, drop="origin")
    add.generate("generate.foreign-origin", 403, headers=FOREIGN_ORIGIN)
    add.generate("generate.null-origin", 403, headers={"origin": "null"})
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
        add.http(f"generate.{method.lower()}", 405, method, GENERATE)


def jobs(add: Cases) -> None:
    """Jobs of one or several pictures: made, listed, canceled, retried, deleted."""
    path, route = f"{IMAGES}/jobs", f"ANY {IMAGES}/jobs/{{proxy+}}"
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
    add.json("jobs.foreign-origin", 403, path, {"items": [url]}, headers=FOREIGN_ORIGIN)
    add.http("jobs.list", 200, "GET", path, query="status=failed,canceled&limit=5", cookies=SIGNED)
    add.http("jobs.list-unknown-status", 400, "GET", path, query="status=FOO")
    add.http("jobs.list-bad-cursor", 400, "GET", path, query="cursor=12abc")
    add.http("jobs.list-too-many", 400, "GET", path, query="limit=101")
    add.http("jobs.missing", 404, "GET", f"{path}/{MISSING_JOB}", route=route, cookies=SIGNED)
    for action in ("cancel", "retry"):
        add.post(f"jobs.{action}-missing", 404, f"{path}/{MISSING_JOB}/{action}", route=route)
        add.http(f"jobs.{action}-get", 405, "GET", f"{path}/{MISSING_JOB}/{action}", route=route)
    add.http("jobs.delete-without-csrf", 403, "DELETE", f"{path}/{MISSING_JOB}")
    add.http("jobs.put", 405, "PUT", path)
    add.http("jobs.head", 405, "HEAD", path)


def usage(add: Cases) -> None:
    """What is left, which models there are, what a run would cost."""
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


def uploads(add: Cases) -> None:
    """Upload URLs for files that are too large for a request."""
    path = f"{IMAGES}/uploads"
    add.json("uploads.photo", 200, path, {"contentType": "image/jpeg", "size": 12_345_678})
    add.json("uploads.too-large", 413, path, {"contentType": "image/jpeg", "size": 25_000_001})
    add.json("uploads.gif", 415, path, {"contentType": "image/gif", "size": 1000})
    add.json("uploads.empty", 400, path, {"contentType": "image/png", "size": 0})
    add.json("uploads.no-size", 400, path, {"contentType": "image/png"})
    add.json("uploads.foreign-origin", 403, path, {"contentType": "image/png", "size": 1}, drop="origin")
    add.http("uploads.get", 405, "GET", path)


def results(add: Cases) -> None:
    """Artifacts, for their owner and for nobody else; paths that lead nowhere."""
    add.artifact("results.original", 200, ORIGINAL)
    add.artifact("results.original-head", 200, ORIGINAL, "HEAD")
    add.artifact("results.original-download", 200, ORIGINAL, query="download=1")
    add.artifact("results.original-range", 206, ORIGINAL, headers={"range": "bytes=0-7"})
    add.artifact("results.original-range-behind-end", 416, ORIGINAL, headers={"range": "bytes=1000000-"})
    add.artifact("results.original-not-modified", 304, ORIGINAL, headers={"if-none-match": PHOTO_ETAG})
    add.artifact("results.signed-own", 200, RESULT, cookies=SIGNED)
    add.artifact("results.signed-own-head", 200, RESULT, "HEAD", cookies=SIGNED)
    add.artifact("results.signed-missing", 404, RESULT.replace("0123", "0000"), cookies=SIGNED)
    add.artifact("results.signed-foreign", 403, FOREIGN, cookies=SIGNED)
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
