"""Billing as the API would tell it, for states that are hard to reach, and the ways through the pages that sell."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, Route

DAY_MS = 86_400_000
SIZES = {
    "free": (90, 3, 2, False, 16, 1, 0),
    "pro": (300, 30, 4, True, 32, 3, 1200),
    "premium": (1000, 100, 6, True, 48, 5, 2800),
    "team": (2000, 200, 6, True, 48, 8, 4900),
    "enterprise": (4000, 400, 8, True, 64, 10, 9900),
}
"""Credits, images a day, scale, face, megapixels, jobs at once, cents a month."""
OPEN = {"phase": "open", "cohort": "C1", "admitted": True, "needs": None, "upgradeUrl": None, "paused": False}
FEATURES = {"planGating": True, "creditsCta": True}
PACKS = {100: 1000, 500: 4000, 1000: 7000, 1500: 9500}
NOBODY = {
    "plan": "free", "status": "none", "interval": None, "currentPeriodEnd": None, "cancelAt": None, "nextPlan": None,
    "graceUntil": None, "creditsRemaining": 90, "manageable": False, "debt": 0, "blocked": False,
}  # fmt: skip


def in_days(days: float) -> int:
    """A moment from now in epoch ms."""
    return int(time.time() * 1000 + days * DAY_MS)


def a_plan(name: str, *, available: bool = True) -> dict[str, Any]:
    """A plan as it is on sale."""
    credits, images, scale, face, pixels, jobs, cents = SIZES[name]
    month = {"amount": cents, "currency": "usd", "available": available}
    return {
        "plan": name, "creditsPerMonth": credits, "imagesPerDay": images, "maxUpscale": scale, "faceEnhance": face,
        "maxInputMegapixels": pixels, "jobsAtOnce": jobs, "monthly": month,
        "annual": {**month, "amount": cents * 10} if cents else None,
    }  # fmt: skip


def prices(*, available: bool = True, test_mode: bool = True) -> dict[str, Any]:
    """All that is on sale."""
    packs = [
        {"pack": pack, "amount": cents, "currency": "usd", "available": available}
        for pack, cents in PACKS.items()
    ]
    plans = [a_plan(name, available=available or name == "free") for name in SIZES]
    expiry = {"months": 6, "days": 14}
    return {"plans": plans, "packs": packs, "expiry": expiry, "graceDays": 7, "testMode": test_mode}


def subscribed(plan: str = "pro", status: str = "active", **fields: Any) -> dict[str, Any]:
    """Somebody with a subscription."""
    known = {
        "interval": "monthly",
        "currentPeriodEnd": in_days(12),
        "creditsRemaining": 250,
        "manageable": True,
    }
    return {**NOBODY, "plan": plan, "status": status, **known, **fields}


def an_entry(kind: str, change: float, *, number: int = 0, **fields: Any) -> dict[str, Any]:
    """A movement of credits; a higher number is older."""
    known = {
        "balance": 498.5,
        "plan": 0,
        "debt": 0,
        "jobId": None,
        "reason": None,
        "actor": None,
        "ref": None,
    }
    return {
        "id": f"e{number:03}",
        "at": in_days(-number / 3),
        "kind": kind,
        "change": change,
        **known,
        **fields,
    }


MOVED = [
    an_entry("settle", 0, number=1, jobId="job_1"),
    an_entry("hold", -1.5, number=2, jobId="job_1", plan=0.5),
    an_entry("release", 2, number=3, jobId="job_2", reason="image_unreadable", plan=1),
    an_entry("hold", -2, number=4, jobId="job_2", plan=1),
    an_entry("clawback", -20, number=5, reason="refund", debt=80),
    an_entry("expiry", -3.5, number=6),
    an_entry("grant", 25, number=7, reason="For the trouble with last week’s batch", actor="usr_admin"),
    an_entry("purchase", 500, number=8, ref="cs_test_1"),
]


def a_usage(plan: str, credits: dict[str, Any]) -> dict[str, Any]:
    """What a user has used today and this month, and these bought credits."""
    month, day, scale, *_ = SIZES[plan]
    unused = {"used": 0, "resetAt": in_days(0.5)}
    return {
        "ownerType": "user", "plan": plan, "usage": {**unused, "limit": day, "remaining": day},
        "monthlyUsage": {**unused, "limit": month, "remaining": month},
        "credits": {"available": 0, "held": 0, "debt": 0, "blocked": False, **credits},
        "entitlements": {"maxUpscale": scale}, "access": OPEN, "features": FEATURES,
    }  # fmt: skip


def answered(data: Any) -> dict[str, Any]:
    """A success."""
    return {"success": True, "data": data}


def refusal(code: str, kind: str, **details: Any) -> dict[str, Any]:
    """An error."""
    return {
        "success": False,
        "error": {"type": kind, "code": code, "message": "x", "details": details},
        "requestId": "r",
    }


@dataclass
class Cashier:
    """What the billing API answers on a page, and what it was asked; change it while the page is open."""

    page: Page
    prices: dict[str, Any] = field(default_factory=prices)
    subscription: dict[str, Any] = field(default_factory=lambda: dict(NOBODY))
    entries: list[dict[str, Any]] = field(default_factory=lambda: list(MOVED))
    credits: dict[str, Any] = field(default_factory=dict)
    refused: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)

    def play(self) -> Cashier:
        """Answer from now on."""
        self.page.route("**/api/billing/**", self._answer)
        self.page.route("**/api/ai-image/usage*", self._usage)
        return self

    def _answer(self, route: Route) -> None:
        url = urlsplit(route.request.url)
        name = url.path.rsplit("/", 1)[-1]
        if route.request.method == "POST":
            self.asked.append(
                (name, route.request.post_data_json, route.request.headers.get("idempotency-key", ""))
            )
        if name in self.refused:
            status, body = self.refused[name]
            return route.fulfill(status=status, json=body)
        if name == "cancel":
            self.subscription["cancelAt"] = self.subscription["currentPeriodEnd"]
        if name in ("credits", "session", "portal"):
            place = f"/en/account?played={name}"
            return route.fulfill(json={**answered({"url": place}), "url": place})
        if name == "ledger":
            return route.fulfill(json=answered(self._ledger(parse_qs(url.query))))
        return route.fulfill(json=answered(self.prices if name == "prices" else self.subscription))

    def _ledger(self, asked: dict[str, list[str]]) -> dict[str, Any]:
        start, limit = int(asked.get("cursor", ["0"])[0]), int(asked["limit"][0])
        rest = len(self.entries) > start + limit
        totals = {"purchased": 500, "available": 498.5}
        return {
            "entries": self.entries[start : start + limit],
            "nextCursor": str(start + limit) if rest else None,
            "totals": totals,
            "expiring": [],
        }

    def _usage(self, route: Route) -> None:
        if not self.credits:
            return route.fallback()
        return route.fulfill(json=answered(a_usage(self.subscription["plan"], self.credits)))


def open_pricing(page: Page, path: str = "/en/pricing") -> Page:
    """The pricing page with what is on sale."""
    page.goto(path)
    page.wait_for_selector("main[data-state=ready]")
    return page


def open_account(page: Page, path: str = "/en/account", *, statement: bool = True) -> Page:
    """The account page with its plan and, scrolled down to, its statement."""
    page.goto(path)
    page.wait_for_selector("main[data-state=user]")
    page.wait_for_selector("#plan-ways *")
    if statement:
        page.locator("#statement").scroll_into_view_if_needed()
        page.wait_for_selector("#statement[data-state]")
    return page


def pay(page: Page, action: str = "pay") -> None:
    """On the stand-in's checkout page, press a button, and wait to be back here."""
    page.wait_for_selector("h1:text-matches('^Stand-in for')")
    page.click(f"button[value={action}]")
    page.wait_for_selector("#usage-frames i", state="attached")
