"""A headless browser on the deployed product, and eyes that see what a person would overlook."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from urllib.parse import urlsplit

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Request, sync_playwright

from local.stack import LocalStack
from tests.e2e.deployed import Deployed

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
WIDTHS = (320, 390, 768, 1024)
"""Of screens, from the narrowest that is meant to work."""
RUN_TIMEOUT_MS = 90_000
"""How long a page may take for anything at all: machines may be busy with other things, and nothing asserts speed."""
TOO_WIDE = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
LAYOUT_SECONDS = 3
"""How long a page may take to lay itself out anew; its pictures follow their container a frame later."""
SOON_MS = 50
"""How long a page may take from an event to the request that it causes."""


@dataclass
class WatchedPage:
    """A page and what went wrong on it so far. ``expected``: parts of console errors that are meant to appear."""

    page: Page
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()
    under_way: set[Request] = field(default_factory=set)

    def settle(self) -> Page:
        """Wait until nothing that the page asked for is outstanding: before somebody takes away its right to ask."""
        end = time.monotonic() + RUN_TIMEOUT_MS / 1000
        self.page.wait_for_timeout(SOON_MS)
        while self.under_way:
            assert time.monotonic() < end, self.under_way
            self.page.wait_for_timeout(SOON_MS)
        return self.page

    def begin(self, request: Request) -> None:
        """The page asks for something."""
        self.under_way.add(request)

    def end(self, request: Request) -> None:
        """It has what it asked for, or knows that it does not come."""
        self.under_way.discard(request)

    def note(self, told: ConsoleMessage | Error) -> None:
        """Remember an error that the page tells of."""
        if isinstance(told, Error):
            self.errors.append(str(told))
        elif told.type == "error":
            self.errors.append(told.text)

    def choose(self, photo: bytes, name: str = "garden.jpg", kind: str = "image/jpeg") -> Page:
        """Give the page a file and wait until it can be enhanced."""
        self.page.set_input_files("#file", {"name": name, "mimeType": kind, "buffer": photo})
        self.page.wait_for_selector("main[data-state=ready]")
        self.page.wait_for_selector("#models :first-child")
        self.page.wait_for_selector("#enhance[aria-disabled]")
        return self.page

    def choose_several(self, photos: dict[str, bytes]) -> Page:
        """Give the page several files and wait until they can be enhanced, or until it is said why not."""
        files = [{"name": name, "mimeType": "image/jpeg", "buffer": data} for name, data in photos.items()]
        self.page.set_input_files("#file", files)
        self.page.wait_for_selector("#enhance:focus")
        self.page.wait_for_selector("#enhance:not([aria-disabled=true]), #enhance-why:not(:empty)")
        return self.page

    def send(self) -> Page:
        """Run as a job, and wait until it is shown on the jobs page."""
        self.page.click("#enhance")
        self.page.wait_for_url("**/jobs#*")
        self.page.wait_for_selector(".card")
        return self.page

    def sign_in(self, plan: str) -> Page:
        """Become a user with this plan on the page that is open."""
        become_user(self.page.context, plan, self.page.evaluate("() => location.origin"))
        self.page.reload()
        self.page.wait_for_selector("#usage-plan:text-matches('^(?!Guest|Gast)')")
        return self.page

    def enhance(self) -> Page:
        """Run, and wait for the result."""
        self.page.click("#enhance")
        self.page.wait_for_selector("main[data-state=done]")
        return self.page


Open = Callable[..., WatchedPage]


@pytest.fixture(name="browser", scope="session")
def browser_fixture() -> Iterator[Browser]:
    """Chromium as the distribution packages it, its headless shell where there is one."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield running
        running.close()


@pytest.fixture(name="visit")
def visit_fixture(browser: Browser, stack: LocalStack, deployed: Deployed) -> Iterator[Open]:
    """Open a page as a fresh guest, or as a new user of a ``plan``; without a path the page stays blank.

    Afterwards: no console error, nothing fetched from anybody else.
    """
    visits: list[WatchedPage] = []
    deployed.forget_network("127.0.0.1")  # the guests of all browsers come from there

    def open_page(
        path: str = "/en/", *, plan: str = "", width: int = 1280, height: int = 800, **options: str
    ) -> WatchedPage:
        context = browser.new_context(
            base_url=stack.url, viewport={"width": width, "height": height}, **{"locale": "en-GB", **options}
        )
        context.set_default_timeout(RUN_TIMEOUT_MS)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        seen = WatchedPage(page)
        visits.append(seen)
        page.on("console", seen.note)
        page.on("pageerror", seen.note)
        page.on("request", lambda request: _note_stranger(seen, request, stack))
        page.on("request", seen.begin)
        page.on("requestfinished", seen.end)
        page.on("requestfailed", seen.end)
        if plan:
            become_user(context, plan, stack.url)
        if path:
            page.goto(path)
            page.wait_for_selector("#usage-frames i", state="attached")
            page.wait_for_selector("main:not([data-state=loading])")
        return seen

    yield open_page
    for seen in visits:
        seen.page.title()  # whatever the browser had to tell until now is told before its answer
        seen.page.remove_listener("console", seen.note)  # what closing breaks off is no error of the page
        seen.page.remove_listener("pageerror", seen.note)
    for seen in visits:
        seen.page.context.close()
    for seen in visits:
        unexpected = [text for text in seen.errors if not any(part in text for part in seen.expected)]
        assert not unexpected, unexpected
        assert not seen.strangers


def become_user(context: BrowserContext, plan: str, origin: str) -> None:
    """Sign a browser in with a plan, whatever it shows."""
    if not any(cookie["name"] == "csrf_token" for cookie in context.cookies()):
        assert context.request.get("/api/ai-image/usage").ok
    token = next(cookie["value"] for cookie in context.cookies() if cookie["name"] == "csrf_token")
    headers = {"X-CSRF-Token": token, "Origin": origin}
    answer = context.request.post("/api/debug-login", data={"plan": plan}, headers=headers)
    assert answer.ok, answer.text()


def _note_stranger(seen: WatchedPage, request: Request, stack: LocalStack) -> None:
    """The bucket is ours: in the local stack it is the emulator. To sign in or pay, the browser goes elsewhere."""
    url = urlsplit(request.url)
    origin, ours = f"{url.scheme}://{url.netloc}", (stack.url, stack.endpoint)
    places = stack.providers
    leaves = origin in (places.google_url, places.github_url, places.stripe_url)
    if url.scheme in ("data", "blob") or origin in ours or (leaves and request.is_navigation_request()):
        return
    seen.strangers.append(request.url)


def sticks_out(page: Page) -> list[int]:
    """The widths at which the page as it is now scrolls sideways; it is narrow again afterwards."""
    found = []
    for width in reversed(WIDTHS):
        page.set_viewport_size({"width": width, "height": 720})
        end = time.monotonic() + LAYOUT_SECONDS
        while (wide := page.evaluate(TOO_WIDE)) and time.monotonic() < end:
            page.wait_for_timeout(SOON_MS)
        if wide:
            found.append(width)
    return found


def photo(width: int = 96, height: int = 64, *, tint: int = 0, kind: str = "JPEG") -> bytes:
    """A small picture with edges and a gradient; another ``tint`` makes another picture."""
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    draw = ImageDraw.Draw(image)
    draw.ellipse((width * 0.2, height * 0.2, width * 0.8, height * 0.9), fill=(200, 40 + tint % 200, 60))
    draw.line((0, 0, width, height), fill=(20, 60, 90 + tint % 160), width=2)
    data = BytesIO()
    image.save(data, kind, quality=92)
    return data.getvalue()
