"""/api/auth/keys, /api/account: API keys, the copy of all data, deleting the account. For signed-in browsers only."""

from __future__ import annotations

import json
import secrets
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from enhancer import runtime
from enhancer.accounts import api_keys, owner_data
from enhancer.api.http import cookies
from enhancer.api.http.app import create_app, entrypoint
from enhancer.api.shapes.accounts import ExportView, GoneView, KeyRequest, KeysView, KeyView, NewKeyView
from enhancer.api.shapes.wire import Success, ok
from enhancer.billing import deletion

app = create_app(scope=None, for_blocked=True, admits="users")
ASK_AGAIN_SECONDS = 5
FILE_NAME = 'attachment; filename="image-enhancer-export.zip"'


@app.get("/api/auth/keys", summary="API keys", tags=["account"])
def keys() -> Response[Success[KeysView]]:
    """Newest first, without their secrets."""
    owner, store, now = app.request_context.user.owner, runtime.api_keys(), app.request_context.now
    return ok(
        KeysView(keys=[KeyView.of(key, store.used(owner, key.id, now=now)) for key in store.all(owner)])
    )


@app.post("/api/auth/keys", summary="Make an API key", tags=["account"], status_code=201)
def create_key(body: Annotated[KeyRequest, Body()]) -> Response[Success[NewKeyView]]:
    """The secret is shown in this answer only; it is stored nowhere."""
    owner = app.request_context.user.owner
    app.request_context.refuse_blocked()  # they may look, revoke, take their data and go
    app.request_context.count_against("sensitive")
    key, secret = api_keys.create(
        owner,
        name=body.name,
        scopes=body.scopes,
        monthly_credits=body.monthly_credits,
        environment=runtime.settings().environment,
        key_id=runtime.new_id("key"),
        random=secrets.token_urlsafe(32),
        now=app.request_context.now,
        api_keys=runtime.api_keys(),
    )
    return ok(NewKeyView(**KeyView.of(key, 0).model_dump(), secret=secret), status=201)


@app.delete("/api/auth/keys/<key_id>", summary="Revoke an API key", tags=["account"])
def revoke_key(key_id: str) -> Response[Success[GoneView]]:
    """The next request with it is refused."""
    runtime.api_keys().revoke(app.request_context.user.owner, key_id)
    return ok(GoneView())


# The answer is a zip file, so there is no JSON to validate.
@app.get(
    "/api/account/export",
    summary="A copy of all your data",
    tags=["account"],
    enable_validation=False,
    responses={
        200: {"description": "A zip file.", "content": {"application/zip": {}}},
        202: {
            "description": "It is being made; ask again after Retry-After.",
            "content": {"application/json": {"model": Success[ExportView]}},
        },
        302: {"description": "A link to the zip file, good for five minutes."},
    },
)
def export() -> Response[Any]:
    """Profile, jobs, ledger and pictures as a zip: at once, or made in the background where it is large."""
    copy = owner_data.copy_of(
        app.request_context.user,
        now=app.request_context.now,
        owner_records=runtime.owner_records(),
        artifacts=runtime.artifacts(),
        make_in_background=_make_in_background,
    )
    if copy.key:
        link = runtime.artifacts().link(copy.key, headers={"ResponseContentDisposition": FILE_NAME})
        return Response(302, headers={"Location": link, "Cache-Control": "no-store"}, body="")
    if copy.zipped:
        headers = {"Content-Disposition": FILE_NAME, "Cache-Control": "no-store"}
        return Response(200, "application/zip", copy.zipped, headers)
    body = Success(data=ExportView()).model_dump(by_alias=True)
    return Response(202, "application/json", json.dumps(body), {"Retry-After": str(ASK_AGAIN_SECONDS)})


@app.delete("/api/account", summary="Delete your account", tags=["account"])
def erase() -> Response[Success[GoneView]]:
    """Ends a subscription at once, deletes pictures, jobs, keys and profile. The ledger stays, without a name."""
    request = app.request_context.request
    owner_data.erase(
        app.request_context.user,
        deps=runtime.job_deps(),
        owner_records=runtime.owner_records(),
        end_payments=lambda account: deletion.end_payments(account, payments=runtime.payments()),
    )
    answer = ok(GoneView())
    name = cookies.session_name(secure=request.is_secure)
    answer.cookies.append(cookies.gone(name, secure=request.is_secure))
    return answer


def _make_in_background(user_id: str, asked_at: int) -> None:
    runtime.lambda_client(5.0).invoke(
        FunctionName=runtime.settings().export_function,
        InvocationType="Event",
        Payload=json.dumps({"userId": user_id, "askedAt": asked_at}).encode(),
    )


lambda_handler = entrypoint(app)
