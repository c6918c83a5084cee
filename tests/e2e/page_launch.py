"""Launches as the API would tell them, for phases that a test changes while a page is open."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page, Route

from tests.e2e.page_billing import refusal

I1 = {"phase": "I1", "admitted": False, "needs": "paid_plan", "upgradeUrl": "/en/pricing"}
I2 = {"phase": "I2", "admitted": False, "needs": "sign_in", "upgradeUrl": "/en/pricing"}
OPEN = {"phase": "open", "admitted": True, "needs": None, "upgradeUrl": None, "paused": False}
RUNS = ("generate", "jobs", "jobs/*/retry", "uploads")


@dataclass
class Launch:
    """What the usage says of the launch, beside what is true; change it while the page is open."""

    page: Page
    access: dict[str, Any] = field(default_factory=lambda: dict(OPEN))
    features: dict[str, bool] = field(default_factory=dict)
    day: dict[str, int] = field(default_factory=dict)
    asked: int = 0

    def play(self) -> Launch:
        """Answer from now on."""
        self.page.route("**/api/ai-image/usage", self._answer)
        return self

    def look(self, **access: Any) -> None:
        """Let this be so from now on, and the page read the usage again as after a while in another tab."""
        self.access.update(access)
        self.page.evaluate("async () => (await import(document.querySelector('script[type=module]').src"
                           ".replace(/[^/]+$/, 'usage.js'))).refresh()")

    def refuse(self, code: str, status: int, *, retry_after: int = 60, **details: Any) -> None:
        """Refuse whatever would run, though the usage may not know it yet."""
        body = refusal(code, "forbidden" if status == 403 else "provider_error", **details)

        def answer(route: Route) -> None:
            if route.request.method == "POST":
                return route.fulfill(status=status, json=body, headers={"Retry-After": str(retry_after)})
            return route.fallback()

        for path in RUNS:
            self.page.route(f"**/api/ai-image/{path}", answer)

    def allow(self) -> None:
        """Let runs run again."""
        for path in RUNS:
            self.page.unroute(f"**/api/ai-image/{path}")

    def _answer(self, route: Route) -> None:
        self.asked += 1
        answer = self.page.request.get(route.request.url).json()
        data = answer["data"]
        data["access"] = {**data["access"], **self.access}
        data["features"] = {**data["features"], **self.features}
        data["usage"] = {**data["usage"], **self.day}
        route.fulfill(json=answer)
