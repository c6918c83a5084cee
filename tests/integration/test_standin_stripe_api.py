"""The API of the Stripe stand-in, spoken to by Stripe's own library: objects, lists, expansion, errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import stripe

from local.standins.started import StandIn

VERSION = "2026-10-28.endive"
SUCCESS = "http://127.0.0.1:8787/api/billing/sync?session_id={CHECKOUT_SESSION_ID}"
PACK = {
    "mode": "payment",
    "line_items": [{"price": "price_pack_100", "quantity": 1}],
    "success_url": SUCCESS,
    "cancel_url": "http://127.0.0.1:8787/en/pricing",
    "client_reference_id": "user_1",
    "metadata": {"order_id": "o1"},
    "payment_intent_data": {"metadata": {"order_id": "o1", "from": "intent"}},
}
PLAN = {
    "mode": "subscription",
    "line_items": [{"price": "price_pro_monthly", "quantity": 1}],
    "success_url": SUCCESS,
    "subscription_data": {"metadata": {"user_id": "user_1"}},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn("stripe", ["--webhook-url", ""], log=tmp_path_factory.mktemp("stripe") / "log") as started:
        yield started


@pytest.fixture
def stand_in(server: StandIn) -> StandIn:
    server.reset()
    return server


@pytest.fixture
def api(stand_in: StandIn) -> Any:
    return client(stand_in).v1


def client(stand_in: StandIn, key: str = "sk_test_local", **options: Any) -> stripe.StripeClient:
    http = stripe.RequestsClient(timeout=60)
    options = {"max_network_retries": 2} | options
    return stripe.StripeClient(key, base_addresses={"api": stand_in.url}, http_client=http, **options)


def paid(api: Any, stand_in: StandIn, order: dict[str, Any] = PACK, **more: Any) -> Any:
    session = api.checkout.sessions.create({**order, **more})
    stand_in.control("pay", session=session.id)
    return api.checkout.sessions.retrieve(session.id)


def test_the_catalogue_is_there_with_its_prices(api: Any) -> None:
    """In USD: packs once, plans by the month and, ten times that, by the year."""
    prices = {price.id: price for price in api.prices.list({"limit": 100}).data}
    packs = [prices[f"price_pack_{size}"].unit_amount for size in (100, 500, 1000, 1500)]
    assert packs == [1000, 4000, 7000, 9500]
    monthly, annual = prices["price_premium_monthly"], prices["price_premium_annual"]
    assert (monthly.unit_amount, monthly.currency, monthly.recurring.interval) == (2800, "usd", "month")
    assert (annual.unit_amount, annual.recurring.interval, annual.type) == (28000, "year", "recurring")
    assert api.products.retrieve(monthly.product).name == "Premium"


def test_a_catalogue_of_ones_own_replaces_it(tmp_path: Any) -> None:
    """As JSON on the command line; it survives a reset."""
    own = '[{"id": "price_x", "product": "x", "amount": 0, "currency": "usd", "recurring": null}]'
    options = ["--webhook-url", "", "--catalogue", own, "--key", "sk_test_other"]
    with StandIn("stripe", options, log=tmp_path / "log") as started:
        started.reset()
        prices = client(started, "sk_test_other").v1.prices.list().data
    assert [(price.id, price.unit_amount) for price in prices] == [("price_x", 0)]


def test_a_session_has_what_was_asked_for_and_a_page(api: Any, stand_in: StandIn) -> None:
    """Open and unpaid, for a day, in test mode; no payment exists before somebody pays."""
    session = api.checkout.sessions.create(PACK)
    assert (session.object, session.status, session.payment_status) == ("checkout.session", "open", "unpaid")
    assert (session.amount_total, session.currency, session.livemode) == (1000, "usd", False)
    assert session.url == f"{stand_in.url}/c/pay/{session.id}"
    assert session.id.startswith("cs_test_")
    assert session.expires_at - session.created == 24 * 3600
    assert (session.success_url, session.payment_intent) == (SUCCESS, None)
    assert session.metadata.to_dict() == {"order_id": "o1"}


def test_session_metadata_is_not_copied_to_the_payment(api: Any, stand_in: StandIn) -> None:
    """The intent and its charge have what ``payment_intent_data`` says, and nothing else."""
    session = paid(api, stand_in, metadata={"only": "here"})
    expanded = api.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge"]})
    intent = expanded.payment_intent
    assert (
        intent.metadata.to_dict()
        == intent.latest_charge.metadata.to_dict()
        == PACK["payment_intent_data"]["metadata"]
    )
    assert (session.status, session.payment_status, session.url) == ("complete", "paid", None)
    assert (intent.status, intent.amount_received, intent.latest_charge.paid) == ("succeeded", 1000, True)


def test_line_items_come_only_when_asked_for(api: Any) -> None:
    """By expansion or by their own call; never by themselves."""
    session = api.checkout.sessions.create(PACK)
    assert "line_items" not in session
    expanded = api.checkout.sessions.retrieve(session.id, {"expand": ["line_items.data.price.product"]})
    line = expanded.line_items.data[0]
    assert (line.object, line.quantity, line.price.product.name) == ("item", 1, "Credits 100")
    listed = api.checkout.sessions.line_items.list(session.id)
    assert [one.price.id for one in listed.data] == ["price_pack_100"]


def test_fields_are_where_this_version_has_them(api: Any, stand_in: StandIn) -> None:
    """The period at the item, the subscription under ``parent``, the payment under ``payments``; not as before."""
    session = paid(api, stand_in, PLAN)
    subscription = api.subscriptions.retrieve(session.subscription)
    item = subscription.to_dict()["items"]["data"][0]
    assert item["current_period_end"] > item["current_period_start"]
    assert "current_period_end" not in subscription
    invoice = api.invoices.retrieve(session.invoice, {"expand": ["payments"]})
    details = invoice.parent.subscription_details
    assert (details.subscription, details.metadata.to_dict()) == (subscription.id, {"user_id": "user_1"})
    assert not {"subscription", "paid", "payment_intent", "charge"} & set(invoice.to_dict())
    payment = invoice.payments.data[0].payment
    asked = {"payment": {"type": "payment_intent", "payment_intent": payment.payment_intent}}
    assert [one.invoice for one in api.invoice_payments.list(asked).data] == [invoice.id]
    line = invoice.lines.data[0]
    assert (line.pricing.price_details.price, line.amount) == ("price_pro_monthly", 1200)
    assert line.parent.subscription_item_details.subscription == subscription.id
    assert (invoice.billing_reason, invoice.status, invoice.amount_paid) == (
        "subscription_create",
        "paid",
        1200,
    )


def test_lists_have_pages_in_both_directions(api: Any) -> None:
    """Newest first; the library walks through all of them."""
    made = [api.customers.create({"email": f"{number}@example.com"}).id for number in range(5)][::-1]
    first = api.customers.list({"limit": 2})
    assert ([one.id for one in first.data], first.has_more) == (made[:2], True)
    assert [one.id for one in first.auto_paging_iter()] == made
    back = api.customers.list({"limit": 2, "ending_before": made[4]})
    assert [one.id for one in back.data] == made[2:4]
    assert [one.email for one in api.customers.list({"email": "3@example.com"}).data] == ["3@example.com"]


def test_sessions_are_listed_by_time_status_and_customer(api: Any, stand_in: StandIn) -> None:
    """What a reconciliation run asks for."""
    customer = api.customers.create({"email": "a@example.com"}).id
    old = paid(api, stand_in, customer=customer)
    stand_in.advance(3600)
    new = api.checkout.sessions.create(PACK)
    since = {"created": {"gte": old.created + 1800}}
    assert [one.id for one in api.checkout.sessions.list(since).data] == [new.id]
    assert [one.id for one in api.checkout.sessions.list({"status": "complete"}).data] == [old.id]
    assert [one.id for one in api.checkout.sessions.list({"customer": customer}).data] == [old.id]
    by_payment = api.checkout.sessions.list({"payment_intent": old.payment_intent})
    assert [one.payment_status for one in by_payment.data] == ["paid"]


def test_a_session_is_expired_by_call_or_by_the_clock(api: Any, stand_in: StandIn) -> None:
    """After that it has no page, and can be neither paid nor expired again."""
    called, waited = (api.checkout.sessions.create(PACK).id for _ in range(2))
    assert api.checkout.sessions.expire(called).status == "expired"
    with pytest.raises(stripe.InvalidRequestError, match="open"):
        api.checkout.sessions.expire(called)
    stand_in.advance(24 * 3600)
    assert api.checkout.sessions.retrieve(waited).status == "expired"
    expired = [event.data.object.id for event in api.events.list({"type": "checkout.session.expired"}).data]
    assert sorted(expired) == sorted([called, waited])


def test_metadata_is_merged_and_taken_away(api: Any) -> None:
    """An empty value removes one name."""
    made = api.customers.create({"metadata": {"a": "1", "b": "2"}})
    changed = api.customers.update(made.id, {"metadata": {"b": "", "c": "3"}, "name": "Ada"})
    assert (changed.metadata.to_dict(), changed.name) == ({"a": "1", "c": "3"}, "Ada")


def test_a_deleted_customer_is_a_stub_without_subscriptions(api: Any, stand_in: StandIn) -> None:
    """Retrieve still answers; whatever was subscribed to has ended."""
    session = paid(api, stand_in, PLAN)
    assert api.customers.delete(session.customer).deleted is True
    assert api.customers.retrieve(session.customer).to_dict().keys() == {"id", "object", "deleted"}
    assert api.subscriptions.retrieve(session.subscription).status == "canceled"
    assert api.customers.list().data == []


def test_refunds_are_partial_then_full_then_refused(api: Any, stand_in: StandIn) -> None:
    """The charge counts them; more than is left is refused."""
    intent = paid(api, stand_in).payment_intent
    part = api.refunds.create({"payment_intent": intent, "amount": 300, "reason": "requested_by_customer"})
    assert (part.amount, part.status, part.payment_intent) == (300, "succeeded", intent)
    with pytest.raises(stripe.InvalidRequestError, match="greater than"):
        api.refunds.create({"payment_intent": intent, "amount": 701})
    api.refunds.create({"charge": part.charge})
    charge = api.charges.retrieve(part.charge, {"expand": ["refunds"]})
    assert (charge.amount_refunded, charge.refunded, len(charge.refunds.data)) == (1000, True, 2)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.refunds.create({"payment_intent": intent})
    assert refused.value.code == "charge_already_refunded"
    assert len(api.refunds.list({"payment_intent": intent}).data) == 2


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"line_items": [{"price": "price_none", "quantity": 1}]}, "line_items[0][price]", "resource_missing"),
        ({"line_items": [{"price": "price_pro_monthly", "quantity": 1}]}, "line_items[0]", None),
        ({"line_items": [{"price": "price_pack_100"}]}, "line_items[0][quantity]", "parameter_missing"),
        ({"line_items": [{"price": "price_pack_100", "quantity": "x"}]}, "quantity", "parameter_invalid_integer"),
        ({"line_items": [{"price": "price_pack_100", "qty": 1}]}, "line_items[0][qty]", "parameter_unknown"),
        ({"success_url": "/relative"}, "success_url", "url_invalid"),
        ({"customer": "cus_none"}, "customer", "resource_missing"),
        ({"subscription_data": {"metadata": {"a": "1"}}}, "subscription_data", None),
        ({"payment_intent_data": {"meta": "1"}}, "payment_intent_data[meta]", "parameter_unknown"),
        ({"expires_at": 1}, "expires_at", None),
        ({"metadata": {"k": "v" * 501}}, "metadata", None),
        ({"referrer": "x"}, "referrer", "parameter_unknown"),
        ({"expand": ["amount_total"]}, "expand", None),
    ],
)  # fmt: skip
def test_a_wrong_session_is_refused_with_its_parameter(
    api: Any, change: dict[str, Any], param: str, code: str | None
) -> None:
    """400, the type of Stripe's errors, and which parameter it is."""
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.checkout.sessions.create(PACK | change)
    assert (refused.value.http_status, refused.value.param, refused.value.code) == (400, param, code)


def test_what_is_not_there_is_404(api: Any) -> None:
    """As an object that is missing, or as a path that is none."""
    with pytest.raises(stripe.InvalidRequestError, match="No such customer: 'cus_none'") as missing:
        api.customers.retrieve("cus_none")
    assert (missing.value.http_status, missing.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
        api.accounts.list()


def test_a_wrong_or_missing_key_is_401_and_not_shown(stand_in: StandIn) -> None:
    """By bearer or by basic; the error repeats only the ends of the key."""
    with pytest.raises(stripe.AuthenticationError) as refused:
        client(stand_in, "sk_test_wrong_and_secret_1234").v1.customers.list()
    assert "wrong_and_secret" not in str(refused.value)
    url = f"{stand_in.url}/v1/customers"
    assert requests.get(url, timeout=60).json()["error"]["type"] == "invalid_request_error"
    assert requests.get(url, timeout=60).status_code == 401
    assert requests.get(url, auth=("sk_test_local", ""), timeout=60).status_code == 200


def test_every_answer_has_an_id_and_the_version(stand_in: StandIn) -> None:
    """A version that is not spoken is refused rather than misunderstood."""
    headers = {"Authorization": "Bearer sk_test_local", "Stripe-Version": VERSION}
    answer = requests.get(f"{stand_in.url}/v1/prices", headers=headers, timeout=60)
    assert answer.headers["Stripe-Version"] == VERSION
    assert answer.headers["Request-Id"].startswith("req_")
    old = requests.get(
        f"{stand_in.url}/v1/prices", headers=headers | {"Stripe-Version": "2020-08-27"}, timeout=60
    )
    assert (old.status_code, "Request-Id" in old.headers) == (400, True)


def test_events_are_kept_for_a_month(api: Any, stand_in: StandIn) -> None:
    """With id, object, version, time and mode, and the request that caused them."""
    customer = api.customers.create({"email": "a@example.com"}, {"idempotency_key": "customer:1"})
    paid(api, stand_in)
    event = api.events.list({"type": "checkout.session.completed"}).data[0]
    assert (event.object, event.api_version, event.livemode) == ("event", VERSION, False)
    assert api.events.retrieve(event.id).data.object.payment_status == "paid"
    caused = api.events.list({"types": ["customer.*"]}).data[0]
    assert (caused.data.object.id, caused.request.idempotency_key) == (customer.id, "customer:1")
    assert event.request.id is None
    stand_in.advance(31 * 86400)
    with pytest.raises(stripe.InvalidRequestError, match="No such event"):
        api.events.retrieve(event.id)


def test_a_free_session_needs_no_payment(api: Any, stand_in: StandIn) -> None:
    """It completes with ``no_payment_required``, and there is no intent."""
    product = api.products.create({"name": "Gift"})
    free = api.prices.create({"product": product.id, "unit_amount": 0, "currency": "usd"})
    session = paid(api, stand_in, line_items=[{"price": free.id, "quantity": 1}])
    assert (session.payment_status, session.payment_intent) == ("no_payment_required", None)
