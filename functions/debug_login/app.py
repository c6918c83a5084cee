"""POST /api/debug-login: any plan by hand. Deployed to development only."""

from __future__ import annotations

import secrets
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from enhancer import runtime
from enhancer.accounts.caller import sign_in_for_development
from enhancer.api.http import cookies
from enhancer.api.http.app import create_app, entrypoint
from enhancer.api.shapes.images import LoginView
from enhancer.api.shapes.wire import LoginRequest, Success, ok
from enhancer.domain.errors import NotFound

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
        now=runtime.now(),
    )
    secure = app.request_context.request.is_secure
    name = cookies.session_name(secure=secure)
    answer = ok(LoginView(user_id=account.owner.id, plan=account.plan, role=account.role))
    answer.cookies.append(cookies.session(name, token, secure=secure))
    return answer


lambda_handler = entrypoint(app)
