"""Pages of other origins: with an API key they may do everything, with cookies nothing; seen by a real browser."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page

from local.stack import LocalStack
from tests.e2e.browser import RUN_TIMEOUT_MS, photo
from tests.e2e.people import member

FOREIGN = {"Origin": "https://photos.example"}


class Elsewhere(BaseHTTPRequestHandler):
    """A page of somebody else."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title>")

    def log_message(self, *_: Any) -> None:
        """Nothing to say."""


@pytest.fixture(scope="module")
def elsewhere(browser: Browser) -> Iterator[Page]:
    """A browser on a page of another site: ``localhost``, where ours is 127.0.0.1."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = browser.new_page()
    page.set_default_timeout(RUN_TIMEOUT_MS)
    page.goto(f"http://localhost:{server.server_address[1]}/")
    yield page
    page.close()
    server.shutdown()
    server.server_close()


UPLOAD_AND_ENHANCE = """async ([url, key, photo]) => {
  const bytes = Uint8Array.from(atob(photo), c => c.charCodeAt(0));
  const headers = {Authorization: `Bearer ${key}`};
  const asked = await fetch(`${url}/api/ai-image/uploads`, {
    method: 'POST', headers: {...headers, 'Content-Type': 'application/json'},
    body: JSON.stringify({contentType: 'image/jpeg', size: bytes.length})});
  const form = (await asked.json()).data;
  const upload = new FormData();
  for (const [name, value] of Object.entries(form.fields)) upload.append(name, value);
  upload.append('file', new Blob([bytes], {type: 'image/jpeg'}));
  const stored = await fetch(form.url, {method: 'POST', body: upload});
  const order = new FormData();
  order.append('uploadKey', form.uploadKey);
  order.append('model', 'local');
  const ran = await fetch(`${url}/api/ai-image/generate`, {
    method: 'POST', headers: {...headers, 'Idempotency-Key': 'elsewhere-1'}, body: order});
  const result = (await ran.json()).data;
  const image = await fetch(new URL(result.imageUrl, url), {headers});
  return {
    stored: stored.status, ran: ran.status, charged: ran.headers.get('X-Credits-Charged'),
    limit: ran.headers.get('RateLimit'), width: result.width, image: image.status, type: (await image.blob()).type};
}"""


def test_any_page_enhances_with_an_api_key(elsewhere: Page, stack: LocalStack, fresh_client: Any) -> None:
    """Preflight, upload form of the bucket, run, result, and the headers about money: all can be read there."""
    key = member(fresh_client, "pro").new_key()["secret"]
    given = [stack.url, key, base64.b64encode(photo()).decode()]
    seen = elsewhere.evaluate(UPLOAD_AND_ENHANCE, given)
    assert seen.pop("limit")
    assert seen == {
        "stored": 204, "ran": 200, "charged": "1.0", "width": 192, "image": 200, "type": "image/jpeg",
    }  # fmt: skip


def test_no_other_page_reads_anything_with_cookies(elsewhere: Page, stack: LocalStack) -> None:
    """The browser itself refuses: a star does not go with credentials."""
    read = "url => fetch(url, {credentials: 'include'}).then(() => 'read', () => 'refused')"
    assert elsewhere.evaluate(read, f"{stack.url}/api/ai-image/usage") == "refused"


@pytest.mark.parametrize(
    "path", ["/api/ai-image/generate", "/api/ai-image/jobs/x", "/r2-ai/ai-enhancer/x", "/nowhere"]
)
def test_a_preflight_is_answered_before_any_function(stack: LocalStack, path: str) -> None:
    """On every path; with the headers that a key needs, and without a word about credentials."""
    asked = {
        **FOREIGN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = requests.options(stack.url + path, headers=asked, timeout=60)
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (204, "*")
    assert "authorization" in answer.headers["Access-Control-Allow-Headers"].split(",")
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("path", "status"), [("/api/health", 200), ("/api/nowhere", 404), ("/api/auth/keys", 401)]
)
def test_answers_and_refusals_alike_may_be_read_by_other_pages(
    stack: LocalStack, path: str, status: int
) -> None:
    """An error that a script cannot read is no answer; a request without an origin is told nothing about them."""
    answer = requests.get(stack.url + path, headers=FOREIGN, timeout=60)
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (status, "*")
    assert "x-request-id" in answer.headers["Access-Control-Expose-Headers"].split(",")
    assert "Access-Control-Allow-Origin" not in requests.get(stack.url + path, timeout=60).headers


def test_the_page_still_says_what_it_depends_on(stack: LocalStack) -> None:
    """Caches keep the answers for different languages apart, whoever asks."""
    answer = requests.get(f"{stack.url}/en/", headers=FOREIGN, timeout=60)
    assert {"Cookie", "Accept-Language"} <= {one.strip() for one in answer.headers["Vary"].split(",")}
