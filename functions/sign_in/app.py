"""GET /api/auth/{google|github}/login|callback, POST logout, GET me: who this browser is."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import urlencode

from aws_lambda_powertools.event_handler import Response

from enhancer import runtime, signing_in
from enhancer.adapters.accounts import SIGN_IN_SECONDS
from enhancer.api import cookies
from enhancer.api.account_schemas import DoneView, MeView, sign_ins
from enhancer.api.app import create_app, entrypoint
from enhancer.api.schemas import Success, ok
from enhancer.domain.errors import EnhancerError, NotFound, SignInUnavailable
from enhancer.signing_in import Way

app = create_app(scope=None)
PROVIDERS = ("google", "github")
SEE_OTHER = {302: {"description": "Where the browser goes next."}}


# Redirects have no body to validate.
@app.get(
    "/api/auth/<provider>/login",
    summary="Sign in",
    tags=["account"],
    enable_validation=False,
    responses=SEE_OTHER,
)
def login(provider: str) -> Response[Any]:
    """Sends the browser to Google or GitHub. ``returnTo``: a path of ours; ``link=1``: add to who is signed in."""
    visit, request = app.visit, app.visit.request
    linking = visit.user if request.query.get("link") == "1" else None
    kept = request.cookies.get(_browser_cookie())
    browser = kept if kept and signing_in.is_secret(kept) else secrets.token_urlsafe(32)
    try:
        url = signing_in.begin(
            _way(provider),
            state=secrets.token_urlsafe(32),
            browser=browser,
            return_to=request.query.get("returnTo"),
            linking=linking,
            now=runtime.now(),
        )
    except SignInUnavailable as problem:
        return _refused(problem)
    answer = _go(url)
    secure = request.is_secure
    answer.cookies.append(cookies.bake(_browser_cookie(), browser, seconds=SIGN_IN_SECONDS, secure=secure))
    return answer


@app.get(
    "/api/auth/<provider>/callback",
    summary="Back from the provider",
    tags=["account"],
    enable_validation=False,
    responses=SEE_OTHER,
)
def callback(provider: str) -> Response[Any]:
    """Verifies who it is, starts a session, and goes where the sign-in began; a refusal is shown there, too."""
    visit, request = app.visit, app.visit.request
    token = secrets.token_urlsafe(32)
    try:
        account, path = signing_in.complete(
            _way(provider),
            request.query,
            browser=request.cookies.get(_browser_cookie()),
            caller=visit.caller.account,
            old_token=request.session_token,
            new_token=token,
            new_user=runtime.new_name(),
            admin_email=runtime.settings().admin_email,
            now=runtime.now(),
        )
    except EnhancerError as problem:
        return _refused(problem)
    visit.note(owner=account.owner.id)
    answer = _go(path)
    secure = request.is_secure
    answer.cookies.append(cookies.session(cookies.session_name(secure=secure), token, secure=secure))
    return answer


@app.post("/api/auth/logout", summary="Sign out", tags=["account"])
def logout() -> Response[Success[DoneView]]:
    """Ends this browser's session; with ``?everywhere=1`` every session of the user."""
    request, accounts = app.visit.request, runtime.accounts()
    if request.query.get("everywhere") == "1":
        accounts.end_all_sessions(app.visit.user.owner, now=runtime.now())
    if request.session_token:
        accounts.end_session(request.session_token)
    answer = ok(DoneView())
    secure = request.is_secure
    answer.cookies.append(cookies.gone(cookies.session_name(secure=secure), secure=secure))
    return answer


@app.get("/api/auth/me", summary="Who is signed in", tags=["account"])
def me() -> Response[Success[MeView]]:
    """A guest is told as such; nothing here is secret to its own browser."""
    caller = app.visit.caller
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


def _way(provider: str) -> Way:
    if provider not in PROVIDERS:
        raise NotFound
    redirect_uri = f"{app.visit.request.own_origin}/api/auth/{provider}/callback"
    return Way(provider, redirect_uri, runtime.sign_in(provider), runtime.accounts())


def _refused(problem: EnhancerError) -> Response[Any]:
    """Show a person the page with the reason; everybody else gets the problem."""
    request = app.visit.request
    if not request.wants_page:
        raise problem
    app.visit.note(code=problem.code)
    shown = {"signIn": problem.code, "reason": str(problem.details.get("reason", ""))}
    return _go(f"/{request.language}/account?{urlencode(shown)}")


def _browser_cookie() -> str:
    return cookies.sign_in_name(secure=app.visit.request.is_secure)


def _go(url: str) -> Response[Any]:
    return Response(302, headers={"Location": url, "Cache-Control": "no-store"}, body="")


lambda_handler = entrypoint(app)
