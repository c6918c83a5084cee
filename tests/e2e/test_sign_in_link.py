"""Adding a way to sign in, against pages of other sites: in a real browser with the victim's cookies."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.e2e.browser import Open
from tests.e2e.conftest import Store
from tests.e2e.page_account import account, choose_person, sign_in
from tests.e2e.people import Door, door_fixture, identities, me, refused  # noqa: F401
from tests.support.client import Client

pytestmark = pytest.mark.browser
ROUNDS = 50


class Elsewhere(BaseHTTPRequestHandler):
    """A page of somebody else, which opens whatever address it was asked for with ``?to=``."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title><form id=f method=post></form>")

    def log_message(self, *_: Any) -> None:
        """Nothing to say."""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """The address of a page on another site: ``localhost``, where ours is 127.0.0.1."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("door")
def test_a_page_of_another_site_links_nothing(visit: Open, elsewhere: str, store: Store) -> None:
    """Neither a link that is followed, nor a form that is posted, nor a call by script begins to add anything."""
    seen = visit()
    seen.expected = ("400", "403", "404", "CORS", "ERR_FAILED", "Failed to load")
    page = account(sign_in(seen.page, "ada", "google"))
    origin = page.evaluate("() => location.origin")
    before = identities(store.table)
    for way in ("link=1", "link=1&returnTo=/en/account"):
        page.goto(elsewhere)
        page.evaluate("url => { location.href = url }", f"{origin}/api/auth/github/login?{way}")
        page.wait_for_url(f"{origin}/**")
        assert "invalid_fields" in page.content()
    page.goto(elsewhere)
    page.evaluate("url => { f.action = url; f.submit() }", f"{origin}/api/auth/github/link")
    page.wait_for_url(f"{origin}/**")
    assert "origin_not_allowed" in page.content()
    page.goto(elsewhere)
    post = """url => fetch(url, {method: 'POST', credentials: 'include', mode: 'no-cors'})
        .then(() => 'sent', () => 'refused')"""
    page.evaluate(post, f"{origin}/api/auth/github/link")
    page.goto(f"{origin}/en/account")
    page.wait_for_selector("main[data-state=user] #sign-ins li")
    assert identities(store.table) == before
    seen.strangers.clear()  # the other site is what this is about
    page.click("[data-link=github]")
    choose_person(page, "hedy")
    page.wait_for_selector("#notice .notice")
    assert set(identities(store.table)) - set(before) == {"github#1005"}


def test_fifty_strange_visits_link_nothing(
    door: Door, fresh_client: Callable[[], Client], store: Store
) -> None:
    """Each with the victim's cookies and a consent that the provider gives by itself."""
    victim = fresh_client()
    door.sign_in(victim, "ada", "google")
    before = identities(store.table)
    for _ in range(ROUNDS):
        headers = {"Sec-Fetch-Site": "cross-site", "Referer": "https://evil.example/"}
        assert refused(victim.get("/api/auth/github/login?link=1", headers=headers), 400, "invalid_fields")
    assert me(victim)["signIns"] == ["google"]
    assert identities(store.table) == before
