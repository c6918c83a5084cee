"""Cases about accounts, keys and administration, all of somebody who is not signed in."""

from __future__ import annotations

from tests.support.event_cases.builder import Cases
from tests.support.events import CSRF_TOKEN, unsafe


def signed_out(add: Cases) -> None:
    """Signing in and out, keys, export and deletion."""
    auth, keys, route = "/api/auth", "/api/auth/keys", "ANY /api/auth/{proxy+}"
    callback = f"{auth}/google/callback"
    add.http("sign_in.me", 200, "GET", f"{auth}/me", route=route)
    add.http("sign_in.unknown-provider", 404, "GET", f"{auth}/facebook/login", route=route)
    elsewhere = "returnTo=//evil.example"
    add.http("sign_in.foreign-return", 400, "GET", f"{auth}/google/login", query=elsewhere, route=route)
    add.http("sign_in.callback-without-state", 401, "GET", callback, query="code=x", route=route)
    html = {"accept": "text/html"}
    add.http("sign_in.callback-for-a-person", 302, "GET", callback, query="code=x", route=route, headers=html)
    add.http("sign_in.login-post", 405, "POST", f"{auth}/google/login", route=route)
    linking = f"{auth}/github/link"
    add.http("sign_in.link-by-address", 400, "GET", f"{auth}/github/login", query="link=1", route=route)
    add.http("sign_in.link-get", 405, "GET", linking, route=route)
    add.json("sign_in.link", 401, linking, {"returnTo": "/en/account"}, route=route)
    add.json("sign_in.link-missing-csrf", 403, linking, {}, drop="x-csrf-token", route=route)
    add.post("sign_in.logout", 200, f"{auth}/logout", route=route)
    add.post("sign_in.logout-everywhere", 401, f"{auth}/logout", query="everywhere=1", route=route)
    add.post("sign_in.logout-missing-csrf", 403, f"{auth}/logout", drop="x-csrf-token", route=route)
    bad = {"authorization": "Bearer ek_test_unknown"}
    add.http("sign_in.unknown-key", 401, "GET", f"{auth}/me", headers=bad, route=route)
    add.http("sign_in.key-in-url", 400, "GET", f"{auth}/me", query="key=ek_test_unknown", route=route)
    add.http("account.keys", 401, "GET", keys)
    add.json("account.new-key", 401, keys, {"name": "ci", "scopes": ["read"], "monthlyCredits": 100})
    add.json("account.new-key-without-name", 401, keys, {"scopes": ["read"]})
    add.json("account.new-key-unknown-scope", 401, keys, {"name": "ci", "scopes": ["root"]})
    add.json("account.new-key-missing-csrf", 403, keys, {"name": "ci"}, drop="x-csrf-token")
    foreign = {"origin": "https://evil.example"}
    add.json("account.new-key-foreign-origin", 403, keys, {"name": "ci"}, headers=foreign)
    add.http("account.export", 401, "GET", "/api/account/export")
    jar = {"csrf_token": CSRF_TOKEN}
    add.http("account.delete", 401, "DELETE", "/api/account", headers=unsafe(), cookies=jar)
    add.http("account.delete-without-csrf", 403, "DELETE", "/api/account")
    add.http("account.get", 405, "GET", "/api/account")


def admin(add: Cases) -> None:
    """Requests for administrators only."""
    base, route = "/api/admin", "ANY /api/admin/{proxy+}"
    grant = {"userId": "0" * 26, "amount": 5, "reason": "as agreed"}
    path = f"{base}/credits/grant"
    add.http("admin.owners", 401, "GET", f"{base}/owners", query="email=a@example.com", route=route)
    add.http("admin.flags", 401, "GET", f"{base}/flags", route=route)
    add.http("admin.flags-history", 401, "GET", f"{base}/flags/history", route=route)
    add.json("admin.flags-rollback", 401, f"{base}/flags/rollback", {"reason": "as agreed"}, route=route)
    add.json("admin.grant", 401, path, grant, route=route)
    add.json("admin.grant-half-a-credit", 401, path, grant | {"amount": 0.5}, route=route)
    add.json("admin.grant-less-than-nothing", 401, path, grant | {"amount": -1}, route=route)
    add.json("admin.grant-without-reason", 401, path, grant | {"reason": ""}, route=route)
    add.json("admin.grant-missing-csrf", 403, path, grant, drop="cookie", route=route)
    add.json("admin.burn", 404, f"{base}/credits/burn", grant, route=route)
    add.http("admin.flags-delete", 405, "DELETE", f"{base}/flags", route=route)
