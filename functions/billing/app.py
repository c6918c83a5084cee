"""/api/billing/...: price list, checkouts, subscription, statement. For users, in browsers or with their API keys."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Query

from enhancer import runtime
from enhancer.api.http.app import admits, create_app, entrypoint
from enhancer.api.http.query import reads
from enhancer.api.http.redirects import go, landing
from enhancer.api.http.request import Request
from enhancer.api.shapes.billing import (
    MovementView,
    PackRequest,
    PortalRequest,
    PricesView,
    StatementView,
    SubscriptionRequest,
    SubscriptionView,
)
from enhancer.api.shapes.statement_csv import CSV, ROWS_MAX, as_csv
from enhancer.api.shapes.wire import Leaving, Success, leaving, ok
from enhancer.billing import checkout, statement
from enhancer.domain.accounts import Account
from enhancer.domain.credits import expiring
from enhancer.domain.errors import EnhancerError, NotFound, NotSignedIn

app = create_app(scope="billing", for_blocked=True, admits="users")
Key = Annotated[str | None, Header(alias="Idempotency-Key")]


@app.get("/api/billing/prices", summary="Price list", tags=["billing"])
@admits("everybody")
def prices() -> Response[Success[PricesView]]:
    """Plans and packs; for everybody, and also where nothing can be bought."""
    return ok(PricesView.of(runtime.prices(), runtime.stripe_mode()))


@app.post("/api/billing/credits", summary="Buy credits", tags=["billing"])
def buy(body: Annotated[PackRequest, Body()], idempotency_key: Key = None) -> Response[Leaving]:
    """Opens a checkout at Stripe; the same Idempotency-Key leads to the same one."""
    visitor = _buyer(body.return_to, idempotency_key)
    return leaving(checkout.buy(visitor, body.pack, deps=runtime.billing_deps()))


@app.post("/api/billing/session", summary="Subscribe to a plan", tags=["billing"])
def subscribe(body: Annotated[SubscriptionRequest, Body()], idempotency_key: Key = None) -> Response[Leaving]:
    """Opens a checkout at Stripe; a subscription that exists is changed in the portal."""
    visitor = _buyer(body.return_to, idempotency_key)
    return leaving(checkout.subscribe(visitor, body.plan, body.interval, deps=runtime.billing_deps()))


@app.post("/api/billing/cancel", summary="Cancel the subscription", tags=["billing"])
def cancel() -> Response[Success[SubscriptionView]]:
    """The subscription ends at the end of the paid period; until then the plan stays."""
    account = _account()
    app.request_context.count_against("sensitive")
    return ok(_subscription(checkout.cancel(account, deps=runtime.billing_deps())))


@app.post("/api/billing/portal", summary="Open the customer portal", tags=["billing"])
def portal(body: Annotated[PortalRequest | None, Body()] = None) -> Response[Leaving]:
    """Plan, means of payment and invoices, at Stripe."""
    visitor = _visitor(_account(), body.return_to if body else None)
    return leaving(checkout.portal(visitor, deps=runtime.billing_deps()))


@app.get("/api/billing/subscription", summary="The plan in force", tags=["billing"])
def subscription() -> Response[Success[SubscriptionView]]:
    """The plan, and the subscription it comes from."""
    return ok(_subscription(_account()))


@app.get(
    "/api/billing/ledger",
    summary="Statement",
    tags=["billing"],
    responses={
        200: {
            "description": "Entries, newest first. As CSV up to 5,000 in one file; X-Next-Cursor leads to more.",
            "content": {"application/json": {"model": Success[StatementView]}, "text/csv": {}},
        }
    },
)
def ledger(
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
    format_: Annotated[Literal["json", "csv"] | None, Query(alias="format")] = None,
) -> Response[Any]:
    """Every movement of credits with the balance after it; as CSV too, with ``format`` or by Accept."""
    owner, now, store = _account().owner, app.request_context.now, runtime.ledger()
    accepted = app.request_context.request.headers.get("accept", "")
    if format_ == "csv" or (format_ is None and "text/csv" in accepted):
        page = statement.statement(owner, limit=ROWS_MAX, cursor=cursor, now=now, ledger=store)
        headers = {"Content-Disposition": 'attachment; filename="credits.csv"', "Cache-Control": "no-store"}
        if page.cursor:
            headers["X-Next-Cursor"] = page.cursor
        text = as_csv(MovementView.of(row.entry, row.balance) for row in page.rows)
        return Response(200, CSV, text, headers)
    page = statement.statement(owner, limit=limit, cursor=cursor, now=now, ledger=store)
    balance = page.state.balance
    left = expiring(balance.available, store.lots(owner), now) if balance.available else []
    rows = [(row.entry, row.balance) for row in page.rows]
    return ok(StatementView.of(rows, page.cursor, balance, left))


def _returned(request: Request, problem: EnhancerError) -> str:
    """Return where a browser goes when its checkout cannot be looked up yet; of an unknown one nothing is said."""
    account = f"/{request.language}/account"
    is_unknown = isinstance(problem, NotFound) or not request.query.get("session_id")
    return account if is_unknown else f"{account}?checkout=pending"


# A redirect has no body to validate.
@app.get(
    "/api/billing/sync",
    summary="Back from a checkout",
    tags=["billing"],
    enable_validation=False,
    responses={
        302: {
            "description": "Where the browser goes next, with checkout=paid, pending or failed; without for none."
        }
    },
)
@admits("everybody")  # whoever is no longer signed in is shown a page
@landing(app, _returned)
@reads(foreign=True, session_id="The checkout, as Stripe named it.")
def sync() -> Response[Any]:
    """Looks a checkout of the caller up at Stripe, by its ``session_id``, and applies its payment, once."""
    request = app.request_context.request
    home, session_id = f"/{request.language}/account", request.query.get("session_id")
    if not session_id:
        return go(home)
    path, state = checkout.sync(session_id, _account(), home=home, deps=runtime.billing_deps())
    app.request_context.note(checkout=state)
    return go(checkout.with_query(path, f"checkout={state}"))


def _account() -> Account:
    account = app.request_context.caller.account
    if account is None:
        raise NotSignedIn
    return account


def _buyer(return_to: str | None, idempotency_key: str | None) -> checkout.Visitor:
    account = _account()
    app.request_context.refuse_blocked()  # they may look, cancel and manage what they have
    app.request_context.count_against("sensitive")
    return _visitor(account, return_to, idempotency_key)


def _visitor(account: Account, return_to: str | None, idempotency_key: str | None = None) -> checkout.Visitor:
    request = app.request_context.request
    return checkout.Visitor(account, request.own_origin, request.language, return_to, idempotency_key)


def _subscription(account: Account) -> SubscriptionView:
    now = app.request_context.now
    state = runtime.ledger().usage_and_balance(account.owner, now=now, month=account.month_at(now))
    plan = runtime.flags().get().plan(account.plan_at(now))
    return SubscriptionView.of(account, state, now, quota=plan.quota_tenths)


lambda_handler = entrypoint(app)
