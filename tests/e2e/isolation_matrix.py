"""Every route there is, and what it says to those whom its things do not belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from enhancer.api.http.app import App
from tests.support import functions
from tests.support.client import picture

Outcome = tuple[int, str | None]
"""HTTP status, and the error's code; None for a success."""
STRANGERS = ("user", "guest", "revoked key", "nobody")
"""Another user and another guest with their own cookies, a key that was revoked, and somebody without anything."""

NOT_FOUND, NOT_THE_OWNER = (404, "not_found"), (403, "not_the_owner")
NO_UPLOAD, NO_SUCH_FIELD = (400, "upload_not_found"), (400, "invalid_fields")
SIGN_IN, ADMIN_ONLY = (401, "sign_in_required"), (403, "admin_only")
BAD_KEY, FOREIGN_PAGE = (401, "invalid_api_key"), (403, "origin_not_allowed")
NOTHING_RUNS = (409, "no_subscription")
FINE = (200, None)


@dataclass(frozen=True)
class Ids:
    """What belongs to the victim, or is missing: everything that a request could name."""

    user: str
    job: str
    upload: str
    result: str
    key: str

    @property
    def forged(self) -> dict[str, str]:
        """Fields that a careless server would take an owner from."""
        owner = {"ownerId": self.user, "owner_id": self.user, "userId": self.user, "user_id": self.user}
        return owner | {"ownerType": "user", "workspaceId": self.user, "accountId": self.user}

    @property
    def headers(self) -> dict[str, str]:
        """The same as headers."""
        names = (
            "X-Owner-Id",
            "X-User-Id",
            "X-Forwarded-User",
            "X-Account-Id",
            "X-Guest-Id",
            "X-Workspace-Id",
        )
        return dict.fromkeys(names, self.user)


@dataclass(frozen=True)
class Row:
    """One route with one kind of request, and what the four strangers are told.

    ``path`` and ``body`` name things of the victim in braces. ``own``: it is about the caller's own things, so ids
    of others are only forged next to it, in headers and, where there is one, in the body; ``asked``: in the query.
    """

    method: str
    route: str
    path: str
    answers: Mapping[str, Outcome]
    body: Mapping[str, Any] | None = None
    form: bool = False
    own: bool = False
    asked: bool = False

    @property
    def name(self) -> str:
        """For reading a test's id."""
        return f"{self.method} {self.route}{' (own)' if self.own else ''}{' (asked)' if self.asked else ''}"

    def request(self, ids: Ids) -> tuple[str, dict[str, Any]]:
        """The path and what `requests` takes."""
        path = self.path.format_map(vars(ids))
        more: dict[str, Any] = {"headers": ids.headers}
        if self.asked:
            more["params"] = ids.forged
        if self.body is not None:
            filled = filled_in(self.body, ids)
            body = {**filled, **ids.forged} if self.own else filled
            more |= {"data": body, "files": {"image": ("p.png", picture())}} if self.form else {"json": body}
        return path, more


def filled_in(found: Any, ids: Ids) -> Any:
    """A body with the victim's things in it."""
    if isinstance(found, Mapping):
        return {name: filled_in(value, ids) for name, value in found.items()}
    if isinstance(found, list):
        return [filled_in(one, ids) for one in found]
    return found.format_map(vars(ids)) if isinstance(found, str) else found


def told(user: Outcome, guest: Outcome, *, unsafe: bool) -> dict[str, Outcome]:
    """A bad key is a bad key, and whoever has no cookies is a guest, or, when changing something, a foreign page."""
    nobody = FOREIGN_PAGE if unsafe else guest
    return {"user": user, "guest": guest, "revoked key": BAD_KEY, "nobody": nobody}


def row(method: str, route: str, user: Outcome, guest: Outcome, **more: Any) -> Row:
    """A row; the path is the route with the victim's ids in it."""
    path = route.replace("<job_id>", "{job}").replace("<key_id>", "{key}")
    answers = told(user, guest, unsafe=method not in ("GET", "HEAD"))
    return Row(method, route, more.pop("path", path), answers, **more)


RESULTS = "/r2-ai/.+"
JOBS, AUTH, ADMIN, BILLING = "/api/ai-image/jobs", "/api/auth", "/api/admin", "/api/billing"
WHY = {"userId": "{user}", "reason": "as agreed"}
ROWS = [
    row("GET", f"{JOBS}/<job_id>", NOT_FOUND, NOT_FOUND),
    row("DELETE", f"{JOBS}/<job_id>", NOT_FOUND, NOT_FOUND),
    row("POST", f"{JOBS}/<job_id>/cancel", NOT_FOUND, NOT_FOUND),
    row("POST", f"{JOBS}/<job_id>/retry", NOT_FOUND, NOT_FOUND),
    row("POST", JOBS, NO_UPLOAD, NO_UPLOAD, body={"items": [{"uploadKey": "{upload}"}]}),
    row("POST", JOBS, NO_SUCH_FIELD, NO_SUCH_FIELD, body={}, form=True, own=True),
    row("GET", JOBS, FINE, FINE, own=True),
    row("GET", JOBS, NO_SUCH_FIELD, NO_SUCH_FIELD, asked=True),
    row("GET", "/api/ai-image/usage", NO_SUCH_FIELD, NO_SUCH_FIELD, asked=True),
    row("GET", f"{AUTH}/keys", NO_SUCH_FIELD, SIGN_IN, asked=True),
    row("POST", "/api/ai-image/generate", NO_SUCH_FIELD, NO_SUCH_FIELD, body={}, form=True, own=True),
    row("GET", "/api/ai-image/usage", FINE, FINE, own=True),
    row("GET", "/api/ai-image/models", FINE, FINE, own=True),
    row("POST", "/api/ai-image/quote", NO_SUCH_FIELD, NO_SUCH_FIELD, body={"scale": 2}, own=True),
    row(
        "POST",
        "/api/ai-image/uploads",
        NO_SUCH_FIELD,
        NO_SUCH_FIELD,
        body={"contentType": "image/png", "size": 9},
        own=True,
    ),
    row("GET", RESULTS, NOT_THE_OWNER, NOT_THE_OWNER, path="{result}"),
    row("HEAD", RESULTS, (403, None), (403, None), path="{result}"),
    row("GET", f"{AUTH}/me", FINE, FINE, own=True),
    row("GET", f"{AUTH}/keys", FINE, SIGN_IN, own=True),
    row("POST", f"{AUTH}/keys", NO_SUCH_FIELD, SIGN_IN, body={"name": "x"}, own=True),
    row("DELETE", f"{AUTH}/keys/<key_id>", NOT_FOUND, SIGN_IN),
    row(
        "POST",
        f"{AUTH}/<provider>/link",
        NO_SUCH_FIELD,
        SIGN_IN,
        path=f"{AUTH}/github/link",
        body={},
        own=True,
    ),
    row("POST", f"{AUTH}/logout", FINE, FINE, own=True),
    row("GET", "/api/account/export", FINE, SIGN_IN, own=True),
    row("DELETE", "/api/account", FINE, SIGN_IN, own=True),
    row("GET", f"{BILLING}/prices", FINE, FINE, own=True),
    row("POST", f"{BILLING}/credits", NO_SUCH_FIELD, SIGN_IN, body={"pack": 500}, own=True),
    row("POST", f"{BILLING}/session", NO_SUCH_FIELD, SIGN_IN, body={"plan": "pro"}, own=True),
    row("POST", f"{BILLING}/cancel", NOTHING_RUNS, SIGN_IN, own=True),
    row("POST", f"{BILLING}/portal", NO_SUCH_FIELD, SIGN_IN, body={}, own=True),
    row("GET", f"{BILLING}/subscription", FINE, SIGN_IN, own=True),
    row("GET", f"{BILLING}/ledger", FINE, SIGN_IN, own=True),
    row("GET", f"{BILLING}/sync", NOT_FOUND, SIGN_IN, path=f"{BILLING}/sync?session_id={{key}}"),
    row("GET", f"{ADMIN}/owners", ADMIN_ONLY, SIGN_IN, path=f"{ADMIN}/owners?userId={{user}}"),
    row(
        "GET",
        f"{ADMIN}/credits/history",
        ADMIN_ONLY,
        SIGN_IN,
        path=f"{ADMIN}/credits/history?userId={{user}}",
    ),
    row("POST", f"{ADMIN}/credits/grant", ADMIN_ONLY, SIGN_IN, body={**WHY, "amount": 1}),
    row("POST", f"{ADMIN}/credits/deduct", ADMIN_ONLY, SIGN_IN, body={**WHY, "amount": 1}),
    row("POST", f"{ADMIN}/plan", ADMIN_ONLY, SIGN_IN, body={**WHY, "plan": "free"}),
    row("POST", f"{ADMIN}/block", ADMIN_ONLY, SIGN_IN, body={**WHY, "blocked": True}),
    row("GET", f"{ADMIN}/flags", ADMIN_ONLY, SIGN_IN, own=True),
    row("GET", f"{ADMIN}/reports", ADMIN_ONLY, SIGN_IN, own=True),
    row(
        "GET",
        f"{ADMIN}/reports/<file>",
        ADMIN_ONLY,
        SIGN_IN,
        path=f"{ADMIN}/reports/day-2026-11-20.html",
        own=True,
    ),
    row("POST", f"{ADMIN}/flags", ADMIN_ONLY, SIGN_IN, body={"off": [], "reason": "as agreed"}),
    row("GET", f"{ADMIN}/flags/history", ADMIN_ONLY, SIGN_IN, own=True),
    row("POST", f"{ADMIN}/flags/rollback", ADMIN_ONLY, SIGN_IN, body={"version": 1, "reason": "as agreed"}),
]

PUBLIC = {
    ("POST", "/api/debug-login"): "development only; an account of one's own",
    ("POST", "/api/provider-webhook/replicate/<ref>"): "signed by the provider, and its path by us",
    ("POST", "/api/billing/stripe-webhook"): "signed by Stripe, which is asked again for everything",
    ("GET", "/api/auth/<provider>/login"): "nobody's yet",
    ("GET", "/api/auth/<provider>/callback"): "bound to the browser; see the tests of signing in",
    ("GET", "/api/health"): "says nothing of anybody; deep=1 is for administrators, by session or key",
    ("POST", "/api/csp-report"): "takes, and gives nothing",
}
"""Routes with nothing of anybody's, and why."""
PAGE = "web"
"""The function whose GET routes are pages and files, the same for everybody."""


def routes() -> set[tuple[str, str]]:
    """Method and pattern of every route of every function that is deployed."""
    found = set()
    for name in functions.NAMES:
        app = getattr(functions.load(name), "app", None)
        if isinstance(app, App):
            there = {(route.method, route.path) for route in app._static_routes + app._dynamic_routes}
            found |= {one for one in there if name != PAGE or one in PUBLIC or one[0] != "GET"}
    return found
