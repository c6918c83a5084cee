"""POST /api/billing/stripe-webhook: events of Stripe."""

from __future__ import annotations

import json

from aws_lambda_powertools.event_handler import Response

from enhancer import runtime
from enhancer.adapters.stripe import webhook
from enhancer.api.http.app import create_app, entrypoint
from enhancer.billing import stripe_events

app = create_app(rate=None, csrf=False, validated=False)


@app.post(
    "/api/billing/stripe-webhook",
    summary="Call-back of Stripe",
    tags=["operations"],
    responses={
        200: {"description": "Received; `data.outcome` is applied, nothing, repeated, ignored or parked."},
    },
)
def callback() -> Response[str]:
    """Signed by Stripe, at most five minutes old. An error on our side is a 5xx, so that Stripe sends it again."""
    request = app.request_context.request
    event = webhook.verify_rotating(
        request.body,
        request.headers.get("stripe-signature", ""),
        lambda fresh: runtime.stripe_webhook_secrets(fresh=fresh),
        now=app.request_context.now,
    )
    app.request_context.note(event=event.id, type=event.type)
    outcome = stripe_events.apply_event(event, deps=runtime.billing_deps())
    app.request_context.note(outcome=outcome)
    return Response(200, "application/json", json.dumps({"success": True, "data": {"outcome": outcome}}))


lambda_handler = entrypoint(app)
