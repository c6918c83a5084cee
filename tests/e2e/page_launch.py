"""Launches as the API would tell them, for phases that a test changes while a page is open."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Error, Page, Route

from tests.e2e.page_billing import OPEN, refusal

I1 = {"phase": "I1", "admitted": False, "needs": "paid_plan", "upgradeUrl": "/en/pricing"}
I2 = {"phase": "I2", "admitted": False, "needs": "sign_in", "upgradeUrl": "/en/pricing"}
RUNS = ("generate", "jobs", "jobs/*/retry", "uploads")
READ_AGAIN = """async () => {
    const {src} = document.querySelector("script[type=module]");
    await (await import(src.replace(/[^/]+$/, "usage.js"))).refresh();
}"""


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
        """Let this be so, and the page read the usage again, as it does when somebody comes back to it."""
        self.access = {**self.access, **access}
        self.page.evaluate(READ_AGAIN)

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
        try:
            answer = self.page.request.get(route.request.url).json()
        except Error:  # the test is over, and the page with it
            return
        data = answer["data"]
        for name, said in {"access": self.access, "features": self.features, "usage": self.day}.items():
            data[name] |= said
        route.fulfill(json=answer)
