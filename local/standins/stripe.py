"""The Stripe stand-in: API, checkout page and customer portal on one port, and signed webhooks.

Differences from Stripe: no taxes, conversion of money or balance of a customer (what an invoice gives back beyond its
total is gone); a promotion code is an amount off; payment methods have ids and no objects; only one API version;
sessions sell prices of the catalogue only.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from local.standins import stripe_objects as objects
from local.standins.control import Control, Fault, Json, Names, answer_json, error_page
from local.standins.stripe_actions import Actions
from local.standins.stripe_api import CALLS, Api, Call
from local.standins.stripe_checkout import Checkout
from local.standins.stripe_events import DELIVERED, Events, WebhookSender
from local.standins.stripe_events import FAULTS as DELIVERY_FAULTS
from local.standins.stripe_http import API_VERSION, Idempotency, Refused, authorised, check, given
from local.standins.stripe_invoices import Invoices
from local.standins.stripe_pages import Pages
from local.standins.stripe_payments import Payments
from local.standins.stripe_saved import restore, saved
from local.standins.stripe_schedules import Portal, Schedules
from local.standins.stripe_shapes import LINES, RETRIEVE, SHAPES
from local.standins.stripe_store import Store
from local.standins.stripe_subscriptions import Subscriptions
from local.standins.transport import TRANSPORT, play, serve

PACKS = {100: 1000, 500: 4000, 1000: 7000, 1500: 9500}  # credits, and cents in USD
PLANS = {
    "pro": 1200,
    "premium": 2800,
    "team": 4900,
    "enterprise": 9900,
}  # cents in USD a month, ten times that a year
API_FAULTS = TRANSPORT | {"stripe_error", "lock", "slow"}
PAGES = ("page", "portal_page")
FAULTS = {
    **dict.fromkeys(CALLS, API_FAULTS),
    **dict.fromkeys(PAGES, TRANSPORT),
    "any": API_FAULTS,
    "webhook": DELIVERY_FAULTS,
}
INTERVALS = (None, "month", "year")
DEFAULT_URL = "http://127.0.0.1:8787/api/billing/stripe-webhook"
DEFAULT_SECRET = "whsec_local_stripe_secret"  # noqa: S105


def default_catalogue() -> list[Json]:
    """Return the default prices in USD: packs of credits, plans by the month and by the year."""
    packs = [
        {"id": f"price_pack_{size}", "product": f"credits_{size}", "amount": amount, "currency": "usd"}
        for size, amount in PACKS.items()
    ]
    plans = [
        {
            "id": f"price_{name}_{word}",
            "product": name,
            "amount": amount * times,
            "currency": "usd",
            "recurring": each,
        }
        for name, amount in PLANS.items()
        for word, times, each in (("monthly", 1, "month"), ("annual", 10, "year"))
    ]
    return packs + plans


class Stripe:
    """One account: its objects, their behaviour, and its webhook endpoint."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.key: str = options.key
        self.control = control = Control(FAULTS)
        self.names = Names(options.seed)
        self.store = Store(control.clock, self.names)
        self.idempotency = Idempotency(control.clock)
        secrets = [secret for secret in (options.webhook_secret, options.second_secret) if secret]
        self.courier = WebhookSender(control, url=options.webhook_url, secrets=secrets, tick=self.sweep)
        events = Events(control, self.store, self.courier, DELIVERED | set(options.events.split()))
        self.events = events
        base = options.base or f"http://127.0.0.1:{options.port}"
        payments = Payments(self.store, events)
        invoices, schedules = Invoices(self.store, events, payments, base), Schedules(self.store, events)
        self.subscriptions = Subscriptions(self.store, events, invoices, schedules)
        self.checkout = Checkout(self.store, events, payments, self.subscriptions, base)
        self.api = Api(self.store, events, payments, self.subscriptions, self.checkout, base)
        self.pages = Pages(self.store, self.checkout, self.subscriptions)
        self.actions = Actions(
            control, self.store, events, self.courier, payments, self.subscriptions, self.checkout
        )
        self._catalogue: list[Json] = options.catalogue
        control.on_reset += [self.reset]
        self._stock()

    def start(self) -> Json:
        """Start to deliver events."""
        self.courier.start()
        return {}

    def reset(self) -> None:
        """Delete everything but the catalogue."""
        with self.control.clock.changed:
            self.courier.reset()
            self.idempotency.clear()
            self.store.objects.clear()
            self.subscriptions.portal = Portal()
            self._stock()

    def sweep(self) -> None:
        """Apply what is due by the clock: expired sessions, ended subscriptions."""
        with self.control.clock.changed:
            self.checkout.sweep()
            self.subscriptions.sweep()

    def call(self, name: str, work: Call, values: Json) -> Response:
        """Answer a call of the API, once for each idempotency key, or as a scripted fault says."""
        fault = self.control.take(name) or self.control.take("any")
        return play(
            self.control, fault, lambda: self.idempotency.run(lambda: self._answer(name, work, values, fault))
        )

    def _answer(self, name: str, work: Call, values: Json, fault: Fault | None) -> Response:
        kind = fault.kind if fault else ""
        if fault and kind == "lock":
            message = (
                "This object cannot be accessed right now because another API request or Stripe process is "
                "currently accessing it. If you see this error intermittently, retry the request."
            )
            return Refused(message, status=409, code="lock_timeout").answer()
        if fault and kind == "slow":
            self.control.pause(fault.number("seconds", 1))
        if fault and kind == "stripe_error" and not fault.parameters.get("after"):
            return scripted_error(fault)
        form = given()
        check(form, SHAPES.get(name, LINES if name.endswith(".line_items") else RETRIEVE))
        with self.control.clock.changed:
            document = self.store.view(
                work(form, **values), form.get("expand") if ".list" not in name else None
            )
        return scripted_error(fault) if fault and kind == "stripe_error" else answer_json(document)

    def _stock(self) -> None:
        now = self.store.now()
        for entry in self._catalogue:
            name = str(entry["product"])
            if name not in self.store.objects:
                self.store.add(objects.product(name, now, name=name.replace("_", " ").capitalize()))
            self.store.add(
                objects.price(
                    entry["id"],
                    now,
                    of=name,
                    amount=int(entry["amount"]),
                    currency=str(entry["currency"]).lower(),
                    recurring=entry.get("recurring"),
                )
            )


def scripted_error(fault: Fault) -> Response:
    """Return an error object as the script describes it."""
    status = int(fault.number("status", 500))
    g.unkept = fault.parameters.get("kept") is False  # the key stays free: a retry is a first try
    response = Refused(
        fault.text("message", "An unknown error occurred"),
        status=status,
        type=fault.text("type", "api_error" if status >= 500 else "invalid_request_error"),
        code=fault.parameters.get("code"),
        param=fault.parameters.get("param"),
    ).answer()
    if "should_retry" in fault.parameters:
        response.headers["Stripe-Should-Retry"] = str(bool(fault.parameters["should_retry"])).lower()
    if "retry_after" in fault.parameters:
        response.headers["Retry-After"] = fault.text("retry_after", "1")
    return response


def stripe_app(account: Stripe, port: int) -> Flask:
    """Return the application of the port."""
    app = Flask("stripe")
    account.control.watch(app, port)

    @app.before_request
    def enter() -> Response | None:
        g.request_id = f"req_{account.names.next(14)}"
        account.sweep()
        if not request.path.startswith("/v1/"):
            return None
        try:
            authorised(account.key)
        except Refused as problem:
            return problem.answer()
        return None

    @app.after_request
    def leave(response: Response) -> Response:
        if request.path.startswith("/v1/"):
            response.headers["Request-Id"] = g.request_id
            response.headers["Stripe-Version"] = request.headers.get("Stripe-Version", API_VERSION)
            if key := request.headers.get("Idempotency-Key"):
                response.headers["Idempotency-Key"] = key
                response.headers.setdefault("Original-Request", g.request_id)
        return response

    @app.errorhandler(HTTPException)
    def unrouted(problem: HTTPException) -> Response:
        if not request.path.startswith("/v1/"):
            return error_page(problem.code or 404)
        message = f"Unrecognized request URL ({request.method}: {request.path})."
        return Refused(message, status=problem.code or 404).answer()

    add_routes(app, account)
    channel = account.control.routes()
    account.actions.add_to(channel)
    channel.add_url_rule("/state", "state", lambda: answer_json(saved(account)))
    channel.add_url_rule("/start", "start", lambda: answer_json(account.start()), methods=["POST"])
    app.register_blueprint(channel)
    return app


def add_routes(app: Flask, account: Stripe) -> None:
    """Add the routes of the API and the pages."""

    def call(verb: str, path: str, name: str, work: Call) -> None:
        def view(**values: Any) -> Response:
            return account.call(name, work, values)

        app.add_url_rule(path, f"{verb} {path}", view, methods=[verb])

    def page(verb: str, path: str, name: str, work: Callable[[str], AnyResponse]) -> None:
        def locked(wanted: str) -> Response:
            with account.control.clock.changed:
                return app.make_response(work(wanted))

        def view(wanted: str) -> Response:
            return play(account.control, account.control.take(name), lambda: locked(wanted))

        app.add_url_rule(path, f"{verb} {path}", view, methods=[verb])

    for row in account.api.calls():
        call(*row)
    page("GET", "/c/pay/<wanted>", "page", account.pages.checkout)
    page("POST", "/c/pay/<wanted>", "page", account.pages.press)
    page("GET", "/p/session/<wanted>", "portal_page", account.pages.portal)
    page("POST", "/p/session/<wanted>", "portal_page", account.pages.press_portal)


def catalogue(text: str) -> list[Json]:
    """Return the catalogue given on the command line.

    Raises:
        ArgumentTypeError: it is not one.
    """
    try:
        entries = list(json.loads(text))
        good = all(sellable(entry) for entry in entries)
    except (ValueError, TypeError, KeyError) as problem:
        raise argparse.ArgumentTypeError(f"not a JSON list of prices: {problem!r}") from problem
    if not good:
        raise argparse.ArgumentTypeError(
            "a price has id, product, amount, currency and recurring month or year"
        )
    return entries


def sellable(entry: Json) -> bool:
    """Return whether a price of the command line is complete."""
    interval = entry.get("recurring")
    return {"id", "product", "currency"} <= set(entry) and int(entry["amount"]) >= 0 and interval in INTERVALS


def main() -> None:
    """``python -m local.standins.stripe --port 8805``."""
    parser = argparse.ArgumentParser(description="A stand-in for Stripe on 127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", default="sk_test_local")
    parser.add_argument("--webhook-url", default=DEFAULT_URL, help="where events go; empty for nowhere")
    parser.add_argument("--webhook-secret", default=DEFAULT_SECRET)
    parser.add_argument("--second-secret", help="signs too, as during a rotation")
    parser.add_argument(
        "--events", default="", help="types that the endpoint wants besides the usual; * for all"
    )
    parser.add_argument(
        "--catalogue", type=catalogue, default=default_catalogue(), help="JSON list of prices"
    )
    parser.add_argument("--base", help="how browsers reach this, if not as http://127.0.0.1:<port>")
    parser.add_argument("--seed", help="makes ids repeat from run to run")
    parser.add_argument(
        "--state", type=Path, help="GET /_ctl/state of an earlier run; events wait for POST /_ctl/start"
    )
    options = parser.parse_args()
    account = Stripe(options)
    if options.state:
        restore(account, json.loads(options.state.read_text()))
    else:
        account.start()
    serve("Stripe stand-in", [(stripe_app(account, options.port), options.port)])


if __name__ == "__main__":
    main()
