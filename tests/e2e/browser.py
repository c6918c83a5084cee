"""A headless browser on the deployed product, and eyes that see what a person would overlook."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from urllib.parse import urlsplit

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, Request, sync_playwright

from local.stack import LocalStack

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
RUN_TIMEOUT_MS = 90_000


@dataclass
class WatchedPage:
    """A page and what went wrong on it so far. ``expected``: parts of console errors that are meant to appear."""

    page: Page
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()

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
        """Become a user with this plan."""
        token = next(c["value"] for c in self.page.context.cookies() if c["name"] == "csrf_token")
        headers = {"X-CSRF-Token": token, "Origin": self.page.evaluate("() => location.origin")}
        answer = self.page.request.post("/api/debug-login", data={"plan": plan}, headers=headers)
        assert answer.ok, answer.text()
        self.page.reload()
        self.page.wait_for_selector("#usage-plan:text-matches('^(?!Guest|Gast)')")
        return self.page

    def enhance(self) -> Page:
        """Run, and wait for the result."""
        self.page.click("#enhance")
        self.page.wait_for_selector("main[data-state=done]", timeout=RUN_TIMEOUT_MS)
        return self.page


Open = Callable[..., WatchedPage]


@pytest.fixture(name="browser", scope="module")
def browser_fixture() -> Iterator[Browser]:
    """Chromium as the distribution packages it."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield running
        running.close()


@pytest.fixture(name="visit")
def visit_fixture(browser: Browser, stack: LocalStack) -> Iterator[Open]:
    """Open a page as a fresh guest. Afterwards: no console error, nothing fetched from anybody else."""
    visits: list[WatchedPage] = []

    _forget_network(stack)

    def open_page(path: str = "/en/", *, width: int = 1280, height: int = 800, **options: str) -> WatchedPage:
        context = browser.new_context(
            base_url=stack.url, viewport={"width": width, "height": height}, **{"locale": "en-GB", **options}
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        seen = WatchedPage(page)
        visits.append(seen)
        page.on(
            "console", lambda message: seen.errors.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.on("request", lambda request: _note_stranger(seen, request, stack))
        page.goto(path)
        page.wait_for_selector("#usage-frames i", state="attached")
        page.wait_for_selector("main:not([data-state=loading])")
        return seen

    yield open_page
    for seen in visits:
        seen.page.context.close()
    for seen in visits:
        unexpected = [text for text in seen.errors if not any(part in text for part in seen.expected)]
        assert not unexpected
        assert not seen.strangers


def _forget_network(stack: LocalStack) -> None:
    """All guests of a browser come from one address: forget what earlier tests used up of its limits."""
    dynamodb, table = stack.client("dynamodb"), stack.physical_id("Table")
    for page in dynamodb.get_paginator("scan").paginate(TableName=table, ProjectionExpression="pk, sk"):
        for key in page["Items"]:
            if key["pk"]["S"].startswith("NET#"):
                dynamodb.delete_item(TableName=table, Key=key)


def _note_stranger(seen: WatchedPage, request: Request, stack: LocalStack) -> None:
    """The bucket is ours: in the local stack it is the emulator. To sign in or pay, the browser goes elsewhere."""
    url = urlsplit(request.url)
    origin, ours = f"{url.scheme}://{url.netloc}", (stack.url, stack.endpoint)
    places = stack.providers
    leaves = origin in (places.google_url, places.github_url, places.stripe_url)
    if url.scheme in ("data", "blob") or origin in ours or (leaves and request.is_navigation_request()):
        return
    seen.strangers.append(request.url)


def photo(width: int = 96, height: int = 64, *, tint: int = 0, kind: str = "JPEG") -> bytes:
    """A small picture with edges and a gradient; another ``tint`` makes another picture."""
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    draw = ImageDraw.Draw(image)
    draw.ellipse((width * 0.2, height * 0.2, width * 0.8, height * 0.9), fill=(200, 40 + tint % 200, 60))
    draw.line((0, 0, width, height), fill=(20, 60, 90 + tint % 160), width=2)
    data = BytesIO()
    image.save(data, kind, quality=92)
    return data.getvalue()
