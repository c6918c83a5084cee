"""/api/admin/...: credits, plans, blocking, flags, cost reports. For signed-in administrators; no API keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Query

from enhancer import runtime
from enhancer.accounts import admin
from enhancer.api.http.app import admits, create_app, entrypoint
from enhancer.api.report import links
from enhancer.api.shapes.accounts import (
    BlockRequest,
    CreditsRequest,
    DoneView,
    EntryView,
    HistoryView,
    OwnersView,
    OwnerView,
    PlanRequest,
    UserId,
)
from enhancer.api.shapes.flags import (
    FlagsHistoryView,
    FlagsRequest,
    FlagsVersionView,
    FlagsView,
    RollbackRequest,
    Version,
)
from enhancer.api.shapes.reports import ReportsView, ReportView
from enhancer.api.shapes.wire import Success, ok
from enhancer.domain.digests import key_of
from enhancer.domain.errors import InvalidFields, NotFound
from enhancer.domain.flags import Flags
from enhancer.domain.flags_document import differences
from enhancer.domain.owners import Owner
from enhancer.domain.periods import day_of
from enhancer.operations import flags as operator_flags
from enhancer.telemetry import logger

app = create_app(scope=None, admits="admins")
Key = Annotated[str | None, Header(alias="Idempotency-Key")]


@app.get("/api/admin/owners", summary="Look up users", tags=["admin"])
def owners(
    user_id: Annotated[UserId | None, Query(alias="userId")] = None,
    email: Annotated[str | None, Query(max_length=254)] = None,
) -> Response[Success[OwnersView]]:
    """By id, or by e-mail address."""
    actor, accounts, now = app.request_context.admin, runtime.accounts(), app.request_context.now
    if (user_id is None) == (email is None):
        raise InvalidFields(fields=[{"field": "userId", "problem": "either userId or email"}])
    found = (
        [accounts.get(Owner("user", user_id))]
        if user_id
        else accounts.by_email((email or "").strip().lower())
    )
    ledger = runtime.ledger()
    views = [OwnerView.of(one, ledger.usage_and_balance(one.owner, now=now), now) for one in found if one]
    logger.info("lookup", extra={"requestId": app.request_context.request.id, "actor": actor.owner.id})
    return ok(OwnersView(owners=views))


@app.post("/api/admin/credits/grant", summary="Give credits", tags=["admin"])
def grant(
    body: Annotated[CreditsRequest, Body()], idempotency_key: Key = None
) -> Response[Success[DoneView]]:
    """Kept in the ledger with reason and actor. A repeat under the same Idempotency-Key changes nothing."""
    return _moved(admin.grant, body, idempotency_key)


@app.post("/api/admin/credits/deduct", summary="Take credits", tags=["admin"])
def deduct(
    body: Annotated[CreditsRequest, Body()], idempotency_key: Key = None
) -> Response[Success[DoneView]]:
    """All of them or none; otherwise like grant."""
    return _moved(admin.deduct, body, idempotency_key)


@app.get("/api/admin/credits/history", summary="Movements of a user's credits", tags=["admin"])
def history(
    user_id: Annotated[UserId, Query(alias="userId")],
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
) -> Response[Success[HistoryView]]:
    """Newest first, with what administrators did to the account."""
    _ = app.request_context.admin
    owner = Owner("user", user_id)
    entries, following = runtime.ledger().page(owner, limit=limit, after=cursor)
    actions = runtime.accounts().audit(owner)
    return ok(
        HistoryView(entries=[EntryView.of(one) for one in entries], next_cursor=following, actions=actions)
    )


@app.post("/api/admin/plan", summary="Set a user's plan", tags=["admin"])
def plan(body: Annotated[PlanRequest, Body()]) -> Response[Success[DoneView]]:
    """Takes effect with the user's next request."""
    actor, accounts = app.request_context.admin, runtime.accounts()
    admin.set_plan(
        admin.find(body.user_id, accounts=accounts),
        body.plan,
        reason=body.reason,
        actor=actor,
        entry_id=runtime.new_id("act"),
        now=app.request_context.now,
        accounts=accounts,
    )
    return ok(DoneView())


@app.post("/api/admin/block", summary="Block a user, or let them in again", tags=["admin"])
def block(body: Annotated[BlockRequest, Body()]) -> Response[Success[DoneView]]:
    """In effect from the user's next request, by browser or API key."""
    actor, accounts = app.request_context.admin, runtime.accounts()
    admin.set_blocked(
        admin.find(body.user_id, accounts=accounts),
        blocked=body.blocked,
        reason=body.reason,
        actor=actor,
        entry_id=runtime.new_id("act"),
        now=app.request_context.now,
        accounts=accounts,
    )
    return ok(DoneView())


@app.get("/api/admin/flags", summary="The operator's flags", tags=["admin"])
def flags() -> Response[Success[FlagsView]]:
    """Phase, switches and caps as they are this moment, and what the providers cost today."""
    _ = app.request_context.admin
    return ok(_flags_now())


@app.post("/api/admin/flags", summary="Change the flags", tags=["admin"])
def set_flags(body: Annotated[FlagsRequest, Body()]) -> Response[Success[FlagsView]]:
    """Changes what it names; felt within a minute, without a deployment. Kept with actor and reason."""
    before, after = operator_flags.change(
        body.change(),
        reason=body.reason,
        expected=body.version,
        actor=app.request_context.admin.owner.id,
        now=app.request_context.now,
        flags=runtime.flags(),
    )
    return _told(before, after)


@app.get("/api/admin/flags/history", summary="Versions of the flags", tags=["admin"])
def flags_history(
    limit: Annotated[int, Query(ge=1, le=operator_flags.HISTORY_MAX)] = 10,
    cursor: Annotated[Version | None, Query()] = None,
) -> Response[Success[FlagsHistoryView]]:
    """Newest first, each whole, with who made it and why."""
    _ = app.request_context.admin
    found, following = operator_flags.history(limit=limit, before=cursor, flags=runtime.flags())
    return ok(FlagsHistoryView(versions=[FlagsVersionView.of(one) for one in found], next_cursor=following))


@app.post("/api/admin/flags/rollback", summary="Bring a version back", tags=["admin"])
def roll_back(body: Annotated[RollbackRequest, Body()]) -> Response[Success[FlagsView]]:
    """The version before what is in force, or the one named, comes back as a new version."""
    before, after = operator_flags.roll_back(
        body.version,
        reason=body.reason,
        actor=app.request_context.admin.owner.id,
        now=app.request_context.now,
        flags=runtime.flags(),
    )
    return _told(before, after)


@app.get("/api/admin/reports", summary="Cost reports", tags=["admin"])
def reports(
    limit: Annotated[int, Query(ge=1, le=100)] = 30,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
) -> Response[Success[ReportsView]]:
    """Of days and months, newest first, each with its main figures and where its files are."""
    _ = app.request_context.admin
    found, following = runtime.books().reports(limit=limit, after=cursor)
    return ok(ReportsView(reports=[ReportView.of(one) for one in found], next_cursor=following))


@app.get(
    "/api/admin/reports/<file>",
    summary="A cost report",
    tags=["admin"],
    responses={
        200: {
            "description": "The page, the numbers as CSV, or the figures as JSON.",
            "content": {kind.partition(";")[0]: {} for kind in links.TYPES.values()},
        }
    },
)
@admits("everybody")
def report(
    file: str,
    until: Annotated[int | None, Query(ge=0, le=10**11)] = None,
    signature: Annotated[str | None, Query(max_length=100)] = None,
) -> Response[Any]:
    """For administrators; also for whoever has its announced address, until that expires."""
    from enhancer.api.report.style import policy  # noqa: PLC0415 - hardly any call is about a report
    from enhancer.operations import cost_report  # noqa: PLC0415

    context, named = app.request_context, links.NAME.fullmatch(file)
    if not (until and signature and links.is_good(
        file, until, signature, verified=runtime.signer().verified, now=context.now
    )):  # fmt: skip
        _ = context.admin
    if named is None:
        raise NotFound
    content = cost_report.file_of(named[1], named[2], artifacts=runtime.artifacts())
    disposition = "inline" if named[2] == "html" else f'attachment; filename="{file}"'
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": disposition,
        "Content-Security-Policy": policy(),
        "Referrer-Policy": "no-referrer",
    }
    return Response(200, links.TYPES[named[2]], content.decode(), headers)


def _moved(
    move: Callable[..., bool], body: CreditsRequest, idempotency_key: str | None
) -> Response[Success[DoneView]]:
    actor = app.request_context.admin
    done = move(
        admin.find(body.user_id, accounts=runtime.accounts()),
        body.amount,
        reason=body.reason,
        actor=actor,
        once=key_of(idempotency_key) or runtime.new_name(),
        entry_id=runtime.new_id("ent"),
        now=app.request_context.now,
        ledger=runtime.ledger(),
    )
    return ok(DoneView(repeated=not done))


def _told(before: Flags, after: Flags) -> Response[Success[FlagsView]]:
    """Log what was changed, without the addresses of who is invited, and answer with the flags as they are."""
    changes = [name for name, _, _ in differences(before, after)]
    context = app.request_context
    logger.warning(
        "flags",
        extra={
            "requestId": context.request.id,
            "actor": context.admin.owner.id,
            "version": after.version,
            "changed": changes,
        },
    )
    return ok(_flags_now())


def _flags_now() -> FlagsView:
    seen = runtime.flags().seen()
    cap = runtime.settings().spend_cap if seen.flags.spend_cap is None else seen.flags.spend_cap
    spent = runtime.spend().total(day_of(app.request_context.now))
    return FlagsView.of(
        seen.flags, cap=cap, spent=spent, ignored=seen.unreadable.reason if seen.unreadable else None
    )


lambda_handler = entrypoint(app)
