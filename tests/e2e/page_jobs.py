"""Jobs as the API would tell them, for states that are hard to reach in time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, Route

from tests.e2e.browser import photo

Pages = dict[str | None, tuple[list[dict[str, Any]], str | None]]
FREE = {"total": 0, "planPortion": 0, "creditsPortion": 0}


def a_job(status: str, *, number: int = 0, items: list[str] | None = None, **fields: Any) -> dict[str, Any]:
    """A job whose photos have these statuses; one photo with the job's own status when omitted."""
    photos = [_item(index, one) for index, one in enumerate(items or [status])]
    done = sum(item["status"] == "succeeded" for item in photos)
    failed = sum(item["status"] in ("failed", "canceled") for item in photos)
    now = int(time.time() * 1000) - number * 60_000
    return {
        "id": f"job_{status}{number:02}",
        "status": status,
        "provider": "embedded",
        "model": "local/photo",
        "requestedModel": "local/photo",
        "params": {"scale": 2, "quality": "standard"},
        "attempt": 1,
        "progress": {
            "total": len(photos),
            "done": done,
            "failed": failed,
            "percent": 100 * (done + failed) // len(photos),
        },
        "items": photos,
        "input": photos[0]["input"],
        "output": photos[0]["output"],
        "error": photos[0]["error"],
        "charge": {"total": done, "planPortion": done, "creditsPortion": 0},
        "createdAt": now,
        "updatedAt": now,
        "usage": None,
        **fields,
    }


def _item(index: int, status: str) -> dict[str, Any]:
    picture = {"key": "k", "url": "/r2-ai/canned.jpg", "width": 192, "height": 128}
    return {
        "id": str(index),
        "status": status,
        "model": "local/photo",
        "provider": "embedded",
        "prompt": None,
        "input": {**picture, "contentType": "image/jpeg", "size": 900},
        "output": picture if status == "succeeded" else None,
        "error": {"code": "image_unreadable", "message": "As the API says it."}
        if status == "failed"
        else None,
        "charge": {"total": 1, "planPortion": 1, "creditsPortion": 0} if status == "succeeded" else FREE,
    }


def list_jobs(page: Page, pages: Pages, path: str = "/en/jobs") -> Page:
    """Open the jobs page with these pages of jobs by cursor; what is open is told apart as the API does."""

    def answer(route: Route) -> None:
        asked = parse_qs(urlsplit(route.request.url).query)
        jobs, cursor = pages[asked.get("cursor", [None])[0]]
        wanted = [job for job in jobs if job["status"] in asked["status"][0].split(",")]
        after = cursor if "succeeded" in asked["status"][0] else None
        route.fulfill(json={"success": True, "data": {"jobs": wanted, "nextCursor": after}})

    page.route("**/api/ai-image/jobs?*", answer)
    page.route(
        "**/r2-ai/canned.jpg*",
        lambda route: route.fulfill(body=photo(192, 128), content_type="image/jpeg"),
    )
    page.goto(path)
    page.wait_for_selector("main.desk:not([data-state=loading])")
    return page


def stopped_clock(page: Page) -> Page:
    """The page on a clock of the test's own, from the next page it opens: only ``page.clock`` moves it."""
    start = datetime.now(UTC)
    page.clock.install(time=start)
    page.clock.pause_at(start + timedelta(seconds=1))
    return page


def focused(page: Page, condition: str) -> bool:
    """Whether the focused element fulfils a condition, such as ``id === 'more'``."""
    return bool(page.evaluate(f"() => document.activeElement.{condition}"))
