"""POST /api/debug-login: sign in with any plan. Deployed to development only."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from enhancer import runtime
from enhancer.api.http import cookies
from enhancer.api.http.app import create_app, entrypoint
from enhancer.api.shapes.accounts import LoginView
from enhancer.api.shapes.wire import LoginRequest, Success, ok
from enhancer.domain.accounts import Account
from enhancer.domain.errors import NotFound
from enhancer.domain.owners import Owner
from enhancer.domain.plans import plan_named

if TYPE_CHECKING:
    from enhancer.adapters.dynamodb.accounts import Accounts

app = create_app()


@app.post("/api/debug-login", summary="Sign in with any plan (development)", tags=["development"])
def login(body: Annotated[LoginRequest, Body()]) -> Response[Success[LoginView]]:
    """Opens the account of this e-mail (or a fresh one), sets its plan and role, starts a session."""
    if runtime.settings().environment != "development":
        raise NotFound
    token = secrets.token_urlsafe(32)
    account = sign_in_for_development(
        email=body.email,
        plan=body.plan,
        role=body.role,
        accounts=runtime.accounts(),
        token=token,
        new_name=runtime.new_name,
        now=app.request_context.now,
    )
    secure = app.request_context.request.is_secure
    name = cookies.session_name(secure=secure)
    answer = ok(LoginView(user_id=account.owner.id, plan=account.plan, role=account.role))
    answer.cookies.append(cookies.session(name, token, secure=secure))
    return answer


def sign_in_for_development(
    *,
    email: str | None,
    plan: str,
    role: str,
    accounts: Accounts,
    token: str,
    new_name: Callable[[], str],
    now: int,
) -> Account:
    """Open an account with this plan (of an e-mail address always the same one) and start a session."""
    name = user_id_for_development(email) if email else new_name()
    account = accounts.open(Owner("user", name), plan=plan_named(plan).name, role=role, email=email, now=now)
    accounts.start_session(account.owner, token, now=now)
    return account


def user_id_for_development(email: str) -> str:
    """Return the id that an address always gets on a developer's machine."""
    return hashlib.sha256(email.lower().encode()).hexdigest()[:26]


lambda_handler = entrypoint(app)
