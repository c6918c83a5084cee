"""The Stripe adapter when Stripe is silent, busy or says no: which error comes, and what is not done twice."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from enhancer.adapters.stripe import client
from enhancer.adapters.stripe.gateway import Payments
from enhancer.domain.errors import (
    CheckoutUnderWay,
    IdempotencyMismatch,
    StripeNotConfigured,
    StripeUnavailable,
)
from tests.support.stripe_account import KEY, PACK, Cashier


def refused(cashier: Cashier, payments: Payments | None = None) -> StripeUnavailable:
    """Open a session and expect that Stripe cannot be asked."""
    with pytest.raises(StripeUnavailable) as raised:
        cashier.opened(payments=payments)
    return raised.value


def test_without_a_key_nobody_is_asked(cashier: Cashier) -> None:
    """Not even the stand-in."""
    cashier.stand_in.reset()
    payments = cashier.adapter(keys=[""])
    for call in (payments.is_live, lambda: payments.checkout("cs_1"), lambda: list(payments.subscriptions())):
        with pytest.raises(StripeNotConfigured):
            call()
    assert cashier.stand_in.log() == []


def test_a_rotated_key_is_looked_up_anew(cashier: Cashier) -> None:
    """Once, at the first refusal; the caller notices nothing."""
    questions: list[bool] = []

    def key(fresh: bool) -> str:  # noqa: FBT001 - the adapter's question
        questions.append(fresh)
        return KEY if any(questions) else "sk_test_old"

    payments = Payments(key, cashier.stand_in.url)
    assert cashier.opened(payments=payments).status == "open"
    assert cashier.opened(payments=payments).status == "open"
    assert questions == [False, True, False]


def test_a_key_that_stays_wrong_is_unavailable(cashier: Cashier, caplog: Any) -> None:
    """Asked twice, not for ever; an error in the log, without the key."""
    payments = cashier.adapter(keys=["sk_test_wrong"])
    cashier.stand_in.reset()
    with caplog.at_level(logging.ERROR):
        assert refused(cashier, payments).answered is False
    assert len(cashier.asked("/checkout/sessions")) == 2
    assert "sk_test" not in caplog.text


def test_a_key_that_was_taken_away_is_not_configured(cashier: Cashier) -> None:
    """The operator emptied the secret."""
    with pytest.raises(StripeNotConfigured):
        cashier.opened(payments=cashier.adapter(keys=["sk_test_old", ""]))


def test_another_customer_under_the_same_key_is_a_mismatch(cashier: Cashier) -> None:
    """Never a second customer, never a wrong one."""
    with pytest.raises(IdempotencyMismatch) as raised:
        cashier.payments.create_customer(
            owner_id="user_2", email="eve@example.com", idempotency_key="customer:user_1"
        )
    assert raised.value.details == {"header": "Idempotency-Key"}
    assert len(cashier.objects("customer")) == 1


def test_another_order_under_the_same_key_is_a_mismatch(cashier: Cashier) -> None:
    """The same key is the same order."""
    order = replace(PACK, customer=cashier.customer)
    first = cashier.payments.open(order, idempotency_key="k")
    assert cashier.payments.open(order, idempotency_key="k") == first
    with pytest.raises(IdempotencyMismatch):
        cashier.payments.open(replace(order, price="price_pack_100"), idempotency_key="k")
    assert len(cashier.objects("checkout.session")) == 1


@pytest.mark.parametrize("route", ["sessions.create", "sessions.retrieve"])
def test_a_lock_passes_or_is_under_way(cashier: Cashier, route: str) -> None:
    """Once is repeated without a word, twice is told."""
    cashier.stand_in.script(route, "lock")
    session = cashier.payments.checkout(cashier.opened().id)
    assert session.status == "open"
    cashier.stand_in.script(route, "lock", times=2)
    with pytest.raises(CheckoutUnderWay):
        cashier.payments.checkout(cashier.opened().id)


def test_a_lock_with_429_is_under_way(cashier: Cashier) -> None:
    """Stripe documents it with that status, too."""
    cashier.stand_in.script("sessions.create", "stripe_error", status=429, code="lock_timeout")
    with pytest.raises(CheckoutUnderWay):
        cashier.opened()


def test_the_same_order_at_the_same_time_is_under_way(cashier: Cashier) -> None:
    """The second one is told; there is one session."""
    cashier.stand_in.script("sessions.create", "slow", seconds=3)
    order = replace(PACK, customer=cashier.customer)
    first = threading.Thread(target=lambda: cashier.adapter().open(order, idempotency_key="k"))
    first.start()
    while not cashier.asked("/checkout/sessions"):
        time.sleep(0.02)
    with pytest.raises(CheckoutUnderWay):
        cashier.adapter(retries=0).open(order, idempotency_key="k")
    first.join()
    assert len(cashier.objects("checkout.session")) == 1


def test_an_error_of_stripes_is_told_as_answered(cashier: Cashier) -> None:
    """It is repeated for a day under this key, so another one is needed; with that it works."""
    cashier.stand_in.script("sessions.create", "stripe_error", status=500)
    assert refused(cashier).answered is True
    assert len(cashier.asked("/checkout/sessions")) == 2
    assert cashier.opened().status == "open"


def test_stripes_word_not_to_try_again_is_kept(cashier: Cashier) -> None:
    """One request."""
    cashier.stand_in.script("sessions.create", "stripe_error", status=500, should_retry=False)
    assert refused(cashier).answered is True
    assert len(cashier.asked("/checkout/sessions")) == 1


@pytest.mark.parametrize("fault", [{"kept": False, "status": 503}, {"kept": False, "should_retry": True}])
def test_a_short_outage_is_not_noticed(cashier: Cashier, fault: dict[str, Any]) -> None:
    """The repetition works."""
    cashier.stand_in.script("sessions.create", "stripe_error", **fault)
    assert cashier.opened().status == "open"


@pytest.mark.parametrize("fault", ["html", "status"])
def test_a_page_of_a_proxy_is_no_answer(cashier: Cashier, fault: str) -> None:
    """It is not Stripe's, so it is not kept under the key either."""
    cashier.stand_in.script("sessions.create", fault, status=502, times=2)
    assert refused(cashier).answered is False


def test_too_many_requests_are_no_answer(cashier: Cashier) -> None:
    """Asked once; the key stays good."""
    cashier.stand_in.script("sessions.create", "stripe_error", status=429, code="rate_limit")
    assert refused(cashier).answered is False
    assert len(cashier.asked("/checkout/sessions")) == 1


@pytest.mark.parametrize("fault", ["hang", "hang_after", "hang_mid_body"])
def test_silence_ends_soon_and_is_no_answer(cashier: Cashier, fault: str) -> None:
    """Two tries of the time that was given."""
    payments = cashier.adapter(timeout=(0.5, 0.3))
    cashier.stand_in.script("sessions.retrieve", fault, seconds=60, times=2)
    started = time.monotonic()
    with pytest.raises(StripeUnavailable) as raised:
        payments.checkout("cs_1")
    assert raised.value.answered is False
    assert time.monotonic() - started < 50


def test_by_itself_it_waits_no_longer_than_a_function_may() -> None:
    """Two tries and the pause between them end before 29 s."""
    connect, read = client.TIMEOUT
    assert (client.RETRIES + 1) * (connect + read) + 0.5 * client.RETRIES < 22


@pytest.mark.parametrize("fault", ["reset_after", "hang_after", "hang_mid_body"])
def test_an_answer_that_is_lost_does_not_make_a_second_one(cashier: Cashier, fault: str) -> None:
    """One customer and one session, thanks to our key."""
    payments = cashier.adapter(timeout=(5, 1.5))
    for route in ("customers.create", "sessions.create"):
        cashier.stand_in.script(route, fault, **({} if fault == "reset_after" else {"seconds": 60}))
    customer = payments.create_customer(owner_id="user_3", email="", idempotency_key="customer:user_3")
    session = cashier.opened(payments=payments, customer=customer)
    assert [one["id"] for one in cashier.objects("customer")] == [cashier.customer, customer]
    assert [one["id"] for one in cashier.objects("checkout.session")] == [session.id]


def test_an_answer_lost_twice_is_found_by_the_same_key_later(cashier: Cashier) -> None:
    """Told as no answer; whoever comes again with the key gets the session that was made."""
    order = replace(PACK, customer=cashier.customer)
    cashier.stand_in.script("sessions.create", "reset_after", times=2)
    with pytest.raises(StripeUnavailable) as raised:
        cashier.payments.open(order, idempotency_key="k")
    assert raised.value.answered is False
    found = cashier.payments.open(order, idempotency_key="k")
    assert [one["id"] for one in cashier.objects("checkout.session")] == [found.id]


def test_nobody_there_is_no_answer(cashier: Cashier) -> None:
    """A connection that cannot be made."""
    assert refused(cashier, Payments(lambda fresh: KEY, "http://127.0.0.1:9", retries=0)).answered is False


def test_a_refusal_is_logged_without_what_was_sent_or_said(
    cashier: Cashier, capsys: Any, caplog: Any
) -> None:
    """Codes and the request's id; neither messages nor addresses."""
    cashier.stand_in.script(
        "customers.create", "stripe_error", status=400, code="email_invalid", param="email",
        message="Invalid email address: eve@example.com",
    )  # fmt: skip
    with caplog.at_level(logging.DEBUG), pytest.raises(StripeUnavailable) as raised:
        cashier.payments.create_customer(owner_id="user_2", email="eve@example.com", idempotency_key="k")
    assert raised.value.answered is True
    told = "".join(capsys.readouterr()) + caplog.text
    (line,) = [record for record in caplog.records if record.getMessage() == "stripe refuses"]
    assert (vars(line)["code"], vars(line)["param"], vars(line)["status"]) == ("email_invalid", "email", 400)
    assert vars(line)["request"].startswith("req_")
    assert "eve@" not in told
    assert KEY not in told


def test_a_price_that_is_not_there_is_ours_to_repair(cashier: Cashier) -> None:
    """Not a payment that is missing: the table of prices is wrong."""
    with pytest.raises(StripeUnavailable):
        cashier.opened(price="price_none")


@pytest.mark.parametrize(
    "told", [{}, {"object": "checkout.session", "id": "cs_1"}, {"id": "cs_1", "created": "soon"}]
)
def test_an_answer_of_another_shape_is_unavailable(cashier: Cashier, told: dict[str, Any]) -> None:
    """Never half a session."""
    cashier.stand_in.script("sessions.retrieve", "status", status=200, json=told)
    with pytest.raises(StripeUnavailable):
        cashier.payments.checkout("cs_1")


def test_nothing_is_told_to_stripe_that_it_does_not_need(cashier: Cashier) -> None:
    """No telemetry, no kept connections; our key on what makes something."""
    cashier.opened()
    (call,) = cashier.asked("/checkout/sessions")
    assert "x-stripe-client-telemetry" not in call["headers"]
    assert (call["headers"]["connection"], call["headers"]["idempotency-key"]) == ("close", "checkout:1")


def test_proxies_and_passwords_of_the_machine_are_not_used(
    cashier: Cashier, monkeypatch: Any, tmp_path: Any
) -> None:
    """A ``.netrc`` would be sent instead of our key."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login sk_test_other password x\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    payments = cashier.adapter(retries=0)
    assert cashier.opened(payments=payments).status == "open"
    assert cashier.asked("/checkout/sessions")[-1]["headers"]["authorization"] == f"Bearer {KEY}"
