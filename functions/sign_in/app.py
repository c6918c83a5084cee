"""/api/auth/...: signing in with Google or GitHub, signing out, who is signed in."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponse
from aws_lambda_powertools.shared.cookies import Cookie

from enhancer import runtime
from enhancer.accounts import sign_in
from enhancer.accounts.sign_in import SignInFlow
from enhancer.api.http import cookies
from enhancer.api.http.app import admits, create_app, entrypoint
from enhancer.api.http.query import reads
from enhancer.api.http.redirects import go, shown_on
from enhancer.api.shapes.accounts import DoneView, LinkRequest, MeView, sign_ins
from enhancer.api.shapes.wire import Leaving, Success, leaving, ok
from enhancer.domain.accounts import SIGN_IN_SECONDS, Account
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
@reads(returnTo="A path of ours to come back to.")
def login(provider: str) -> Response[Any]:
    """Sends the browser to Google or GitHub."""
    url, browser = _begin(provider, app.request_context.request.query.get("returnTo"), linking=None)
    answer = go(url)
    answer.cookies.append(browser)
    return answer


@app.post("/api/auth/<provider>/link", summary="Add a way to sign in", tags=["account"])
@admits("users")
def link(provider: str, body: Annotated[LinkRequest | None, Body()] = None) -> Response[Leaving]:
    """Answers where to send the browser, to add that account to the user who is signed in.

    It is no GET: a link on a strange page must not add that page's account to whoever follows it.
    """
    url, browser = _begin(provider, body.return_to if body else None, linking=app.request_context.user)
    answer = leaving(url)
    answer.cookies.append(browser)
    return answer


@app.get(
    "/api/auth/<provider>/callback",
    summary="Back from the provider",
    tags=["account"],
    enable_validation=False,
    responses=SEE_OTHER,
)
@shown_on(app, "account")
@reads(foreign=True, state="As sent to the provider.", code="Of the provider.", error="Of the provider.")
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
def logout(
    everywhere: Annotated[Literal["0", "1"], Query(description="1 ends every session of the user.")] = "0",
) -> Response[Success[DoneView]]:
    """Ends this browser's session."""
    request, accounts = app.request_context.request, runtime.accounts()
    if everywhere == "1":
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


def _begin(provider: str, return_to: str | None, *, linking: Account | None) -> tuple[str, Cookie]:
    """Return where to send the browser, and the cookie that binds the sign-in to it."""
    request = app.request_context.request
    name, secure = _browser_cookie(), request.is_secure
    kept = request.cookies.get(name)
    browser = kept if kept and sign_in.is_secret(kept) else secrets.token_urlsafe(32)
    url = sign_in.begin(
        _flow(provider),
        state=secrets.token_urlsafe(32),
        browser=browser,
        return_to=return_to,
        linking=linking,
        now=app.request_context.now,
    )
    return url, cookies.cookie(name, browser, seconds=SIGN_IN_SECONDS, secure=secure)


def _flow(provider: str) -> SignInFlow:
    if provider not in PROVIDERS:
        raise NotFound
    redirect_uri = f"{app.request_context.request.own_origin}/api/auth/{provider}/callback"
    return SignInFlow(provider, redirect_uri, runtime.sign_in(provider), runtime.accounts())


def _browser_cookie() -> str:
    return cookies.sign_in_name(secure=app.request_context.request.is_secure)


lambda_handler = entrypoint(app)
