"""/api/auth/...: signing in with Google or GitHub, signing out, who is signed in."""

from __future__ import annotations

import secrets
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponse

from enhancer import runtime
from enhancer.accounts import sign_in
from enhancer.accounts.sign_in import SignInFlow
from enhancer.api.http import cookies
from enhancer.api.http.app import create_app, entrypoint
from enhancer.api.http.redirects import go, shown_on
from enhancer.api.shapes.accounts import DoneView, MeView, sign_ins
from enhancer.api.shapes.wire import Success, ok
from enhancer.domain.accounts import SIGN_IN_SECONDS
from enhancer.domain.errors import NotFound

app = create_app(scope=None, for_blocked=True)
PROVIDERS = ("google", "github")
SEE_OTHER: dict[int, OpenAPIResponse] = {302: {"description": "Where the browser goes next."}}


# Redirects have no body to validate.
@app.get(
    "/api/auth/<provider>/login",
    summary="Sign in",
    tags=["account"],
    enable_validation=False,
    responses=SEE_OTHER,
)
@shown_on(app, "account")
def login(provider: str) -> Response[Any]:
    """Sends the browser to Google or GitHub. ``returnTo``: a path of ours; ``link=1``: add to who is signed in."""
    context, request = app.request_context, app.request_context.request
    linking = context.user if request.query.get("link") == "1" else None
    kept = request.cookies.get(_browser_cookie())
    browser = kept if kept and sign_in.is_secret(kept) else secrets.token_urlsafe(32)
    url = sign_in.begin(
        _flow(provider),
        state=secrets.token_urlsafe(32),
        browser=browser,
        return_to=request.query.get("returnTo"),
        linking=linking,
        now=app.request_context.now,
    )
    answer = go(url)
    name, secure = _browser_cookie(), request.is_secure
    answer.cookies.append(cookies.cookie(name, browser, seconds=SIGN_IN_SECONDS, secure=secure))
    return answer


@app.get(
    "/api/auth/<provider>/callback",
    summary="Back from the provider",
    tags=["account"],
    enable_validation=False,
    responses=SEE_OTHER,
)
@shown_on(app, "account")
def callback(provider: str) -> Response[Any]:
    """Verifies who it is, starts a session, and goes where the sign-in began; a refusal is shown on the page."""
    context, request = app.request_context, app.request_context.request
    token = secrets.token_urlsafe(32)
    account, path = sign_in.complete(
        _flow(provider),
        request.query,
        browser=request.cookies.get(_browser_cookie()),
        caller=context.caller.account,
        old_token=request.session_token,
        new_token=token,
        new_user=runtime.new_name(),
        admin_email=runtime.settings().admin_email,
        now=app.request_context.now,
    )
    context.note(owner=account.owner.id)
    answer = go(path)
    secure = request.is_secure
    answer.cookies.append(cookies.session(cookies.session_name(secure=secure), token, secure=secure))
    return answer


@app.post("/api/auth/logout", summary="Sign out", tags=["account"])
def logout() -> Response[Success[DoneView]]:
    """Ends this browser's session; with ``?everywhere=1`` every session of the user."""
    request, accounts = app.request_context.request, runtime.accounts()
    if request.query.get("everywhere") == "1":
        accounts.end_all_sessions(app.request_context.user.owner, now=app.request_context.now)
    if request.session_token:
        accounts.end_session(request.session_token)
    answer = ok(DoneView())
    secure = request.is_secure
    answer.cookies.append(cookies.gone(cookies.session_name(secure=secure), secure=secure))
    return answer


@app.get("/api/auth/me", summary="Who is signed in", tags=["account"])
def me() -> Response[Success[MeView]]:
    """Also for guests: ``signedIn`` is false then."""
    caller = app.request_context.caller
    account = caller.account
    view = MeView(
        signed_in=account is not None,
        owner_type=caller.owner.type,
        id=caller.owner.id,
        plan=caller.plan.name,
        role=caller.role,
        name=account.name if account else "",
        email=account.email if account else "",
        sign_ins=sign_ins(account) if account else [],
    )
    return ok(view)


def _flow(provider: str) -> SignInFlow:
    if provider not in PROVIDERS:
        raise NotFound
    redirect_uri = f"{app.request_context.request.own_origin}/api/auth/{provider}/callback"
    return SignInFlow(provider, redirect_uri, runtime.sign_in(provider), runtime.accounts())


def _browser_cookie() -> str:
    return cookies.sign_in_name(secure=app.request_context.request.is_secure)


lambda_handler = entrypoint(app)
