"""GET usage, GET models, POST quote: what the caller has left, may use, and would pay."""

from __future__ import annotations

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query

from enhancer import runtime
from enhancer.api.http.app import create_app, entrypoint
from enhancer.api.http.failures import status_of
from enhancer.api.shapes.error_texts import message
from enhancer.api.shapes.models import ModelsView, ModelView
from enhancer.api.shapes.runs import ChargeView, QuoteView, RefusalView, scale_shown
from enhancer.api.shapes.usage import UsageView
from enhancer.api.shapes.wire import QuoteForm, Success, ok
from enhancer.domain.credits import expiring
from enhancer.domain.models import CATALOGUE
from enhancer.jobs import submit
from enhancer.jobs.quote import quote_run

app = create_app(follows_flags=True)


@app.get("/api/ai-image/usage", summary="What is used and left", tags=["images"])
def usage(
    debug: Annotated[
        Literal["0", "1"], Query(description="1 adds headers about the caller; not in production.")
    ] = "0",
) -> Response[Success[UsageView]]:
    """Day, month and credits of the caller; a new browser gets its guest and CSRF cookies here."""
    caller, now = app.request_context.caller, app.request_context.now
    ledger = runtime.ledger()
    state = ledger.usage_and_balance(caller.owner, now=now, month=caller.month_at(now))
    available = state.balance.available
    left = expiring(available, ledger.lots(caller.owner), now) if available else []
    view = UsageView.of(caller, runtime.flags().get(), state, left, now)
    headers = {
        "X-Usage-OwnerType": view.owner_type,
        "X-Usage-Plan": view.plan,
        "X-Usage-Limit": f"{caller.plan.images_per_day}",
    }
    if debug == "1" and runtime.settings().environment != "production":
        headers |= {
            "X-Debug-Owner": f"{caller.owner.type}/{caller.owner.id}",
            "X-Debug-Network": caller.network,
        }
    return ok(view, headers=headers)


@app.get("/api/ai-image/models", summary="Models this caller may use", tags=["images"])
def models() -> Response[Success[ModelsView]]:
    """The whole catalogue, with allowed scales, prices and what is locked."""
    caller = app.request_context.caller
    views = [
        ModelView.of(model, caller.plan, caller.plans, enabled=runtime.enabled(model)) for model in CATALOGUE
    ]
    return ok(ModelsView(models=views))


@app.post("/api/ai-image/quote", summary="What a run would cost", tags=["images"])
def quote(form: Annotated[QuoteForm, Body()]) -> Response[Success[QuoteView]]:
    """Takes the fields of generate without the picture; holds and stores nothing."""
    caller, now = app.request_context.caller, app.request_context.now
    model, params = submit.interpret(form.to_order())
    shares, refusal = quote_run(
        model,
        params,
        megapixels=form.megapixels,
        caller=caller,
        enabled=runtime.enabled,
        state=runtime.ledger().usage_and_balance(
            caller.owner, now=now, month=caller.month_at(now), network=caller.guest_network
        ),
        now=now,
        key_used=runtime.api_keys().used(caller.owner, caller.key.id, now=now) if caller.key else 0,
    )
    language = app.request_context.request.language
    view = QuoteView(
        model=model.slug,
        provider=model.provider,
        scale=scale_shown(params),
        quality=params.quality,
        price=ChargeView.of(shares),
        refusal=RefusalView.of(refusal, status_of(refusal), message(refusal.code, refusal.details, language))
        if refusal
        else None,
    )
    return ok(view)


lambda_handler = entrypoint(app)
