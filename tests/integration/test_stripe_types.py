"""Our requests, and what the stand-in answers and tells, held to the types of the installed ``stripe`` package."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from stripe import InvoiceLineItem, params
from stripe._object_classes import OBJECT_CLASSES
from stripe.params import billing_portal
from stripe.params import checkout as sessions

from enhancer.adapters.stripe.books import StripeBooks
from local.standins.stripe_http import nested
from tests.support.stripe_account import KEY, PLAN, Cashier
from tests.support.stripe_types import faults, form_faults

ONE = "[^/]+"
FAR_MS = 4_000_000_000_000
PARAMS: dict[str, type] = {
    "POST /v1/customers": params.CustomerCreateParams,
    "POST /v1/checkout/sessions": sessions.SessionCreateParams,
    "GET /v1/checkout/sessions": sessions.SessionListParams,
    f"GET /v1/checkout/sessions/{ONE}": sessions.SessionRetrieveParams,
    f"POST /v1/checkout/sessions/{ONE}/expire": sessions.SessionExpireParams,
    "POST /v1/billing_portal/sessions": billing_portal.SessionCreateParams,
    "GET /v1/subscriptions": params.SubscriptionListParams,
    f"GET /v1/subscriptions/{ONE}": params.SubscriptionRetrieveParams,
    f"POST /v1/subscriptions/{ONE}": params.SubscriptionUpdateParams,
    f"DELETE /v1/subscriptions/{ONE}": params.SubscriptionCancelParams,
    f"POST /v1/subscription_schedules/{ONE}/release": params.SubscriptionScheduleReleaseParams,
    "GET /v1/invoices": params.InvoiceListParams,
    f"GET /v1/invoices/{ONE}": params.InvoiceRetrieveParams,
    f"GET /v1/invoices/{ONE}/lines": params.InvoiceLineItemListParams,
    "GET /v1/invoice_payments": params.InvoicePaymentListParams,
    f"GET /v1/charges/{ONE}": params.ChargeRetrieveParams,
    f"GET /v1/payment_intents/{ONE}": params.PaymentIntentRetrieveParams,
    "GET /v1/disputes": params.DisputeListParams,
    "POST /v1/refunds": params.RefundCreateParams,
    "GET /v1/events": params.EventListParams,
    "GET /v1/balance_transactions": params.BalanceTransactionListParams,
}
"""The parameters of every request that the adapter sends."""


@dataclass(frozen=True)
class Exchange:
    """A request and its answer."""

    route: str
    form: dict[str, Any]
    answer: dict[str, Any]


def everything(cashier: Cashier) -> None:
    """Every call of the adapter, in every form that it has."""
    payments = cashier.payments
    cashier.opened(locale="de", promotion_codes=True)
    payments.expire(cashier.opened(PLAN, promotion_codes=True).id)
    pack, subscription = cashier.paid(), cashier.subscribed()
    payments.open_checkouts(cashier.customer)
    payments.checkout_of(str(pack.payment_intent))
    list(payments.completed_checkouts(since_ms=0))
    cashier.do("switch", subscription=subscription, price="price_team_monthly")
    for number in range(12):  # more lines than an invoice shows
        price = ("price_pro_monthly", "price_team_monthly")[number % 2]
        cashier.do("switch", subscription=subscription, price=price)
    cashier.do("renew", subscription=subscription)
    (invoice, *_) = payments.invoices(subscription)
    list(
        payments._api.list_all(
            lambda client: lambda form: client.invoices.line_items.list(invoice.id, form), {}
        )
    )
    (charge,) = invoice.charges
    payments.invoice_of(str(payments.charge(charge).payment_intent))
    dispute = cashier.do("dispute", charge=charge)["id"]
    payments.charge(charge)
    cashier.do("update_dispute", dispute=dispute, status="appeal_under_review")
    cashier.do("close_dispute", dispute=dispute, status="won")
    payments.give_back(charge)
    cashier.do("fail_refund", refund=cashier.objects("refund")[0]["id"])
    cashier.do("fail_renewal", subscription=subscription, action_required=True)
    cashier.do("schedule", subscription=subscription, price="price_premium_monthly")
    payments.cancel_at_period_end(subscription)
    payments.cancel_now(subscription)
    list(payments.subscriptions())
    list(payments.subscriptions(customer=cashier.customer))
    payments.portal(cashier.customer, return_url="http://127.0.0.1:8787/account", locale="de")
    list(payments.events(since_ms=0, types=["charge.refunded", "refund.failed"]))
    list(StripeBooks(lambda _: KEY, cashier.stand_in.url).moves(since_ms=0, before_ms=FAR_MS))


@pytest.fixture
def exchanges(cashier: Cashier, monkeypatch: pytest.MonkeyPatch) -> list[Exchange]:
    """All that was said."""
    found: list[Exchange] = []
    send: Callable[..., requests.Response] = requests.Session.send

    def recorded(self: requests.Session, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        answer = send(self, request, **more)
        url = urlsplit(str(request.url))
        if url.path.startswith("/v1/"):
            sent = request.body if request.method == "POST" else url.query
            text = sent.decode() if isinstance(sent, bytes) else sent or ""
            form = nested(parse_qsl(text, keep_blank_values=True))
            found.append(Exchange(f"{request.method} {url.path}", form, answer.json()))
        return answer

    monkeypatch.setattr(requests.Session, "send", recorded)
    cashier.payments.create_customer(
        owner_id="user_2", email="eve@example.com", idempotency_key="customer:user_2"
    )
    everything(cashier)
    return found


def params_of(route: str) -> type | None:
    return next((found for pattern, found in PARAMS.items() if re.fullmatch(pattern, route)), None)


def resource_of(found: dict[str, Any]) -> type:
    if found["object"] == "line_item":
        return InvoiceLineItem
    module, name = OBJECT_CLASSES[found["object"]]
    resource: type = getattr(importlib.import_module(module), name)
    return resource


def test_every_request_has_the_parameters_of_stripe(exchanges: list[Exchange]) -> None:
    """Names, kinds, known values, and what is required; and the table above has nothing that we do not send."""
    wrong = {}
    for one in exchanges:
        known = params_of(one.route)
        found = ["no such call"] if known is None else form_faults(one.form, known)
        if found:
            wrong[one.route] = found
    assert wrong == {}
    assert set(PARAMS.values()) == {params_of(one.route) for one in exchanges}


def test_every_answer_and_event_is_an_object_of_stripe(exchanges: list[Exchange], cashier: Cashier) -> None:
    """No field that Stripe has not, none of another kind, none missing that is always there."""
    told = cashier.objects("event")
    objects = [found for one in exchanges for found in one.answer.get("data", [one.answer])]
    objects += [*told, *(event["data"]["object"] for event in told)]
    found = [fault for one in objects for fault in faults(one, resource_of(one))]
    wrong = sorted({re.sub(r"\[\d+\]", "[]", fault) for fault in found})
    assert wrong == []
    kinds = {found["object"] for found in objects}
    assert {"dispute", "invoice", "invoice_payment", "refund", "subscription_schedule", "event"} <= kinds


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"mode": "paiement"}, "[mode]"),
        ({"line_item": "x"}, "[line_item]: unknown"),
        ({"locale": {"a": "b"}}, "[locale]"),
        ({"line_items": "price"}, "[line_items]"),
        ({"allow_promotion_codes": "1"}, "[allow_promotion_codes]"),
        ({"line_items": [{"price": "p", "quantity": "one"}]}, "[line_items][0][quantity]"),
    ],
)
def test_a_wrong_request_is_noticed(exchanges: list[Exchange], change: dict[str, Any], wrong: str) -> None:
    """The checks above can fail."""
    good = next(one for one in exchanges if one.route == "POST /v1/checkout/sessions")
    found = form_faults(replace(good, form=good.form | change).form, sessions.SessionCreateParams)
    assert [fault for fault in found if fault.startswith(wrong)] == found != []


def test_a_wrong_answer_is_noticed(cashier: Cashier) -> None:
    """A state that is none, a field too much, one too few, one of another kind, one that is never null."""
    cashier.do("dispute", payment_intent=cashier.paid().payment_intent)
    (good,) = cashier.objects("dispute")
    for change in ({"status": "open"}, {"charged": "x"}, {"amount": "7"}, {"charge": None}):
        assert len(faults(good | change, resource_of(good))) == 1, change
    assert (
        len(faults({name: value for name, value in good.items() if name != "amount"}, resource_of(good))) == 1
    )
    assert json.dumps(faults(good, resource_of(good))) == "[]"
