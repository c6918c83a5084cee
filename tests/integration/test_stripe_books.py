"""Stripe's own books, read from the stand-in over a real socket: page by page, with what each payment was for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import requests

from enhancer.adapters.stripe import client
from enhancer.adapters.stripe.books import StripeBooks
from enhancer.domain.errors import StripeNotConfigured, StripeUnavailable
from enhancer.domain.money import Move
from enhancer.domain.payments import CheckoutOrder
from tests.support.stripe_account import KEY, PACK, Cashier

FAR_MS = 4_000_000_000_000
SOLD: CheckoutOrder = replace(PACK, metadata={"owner": "user_1", "pack": "500"})


def moves(cashier: Cashier, *, since_ms: int = 0, before_ms: int = FAR_MS) -> list[Move]:
    """Everything between two times, newest first."""
    return list(
        StripeBooks(lambda _: KEY, cashier.stand_in.url).moves(since_ms=since_ms, before_ms=before_ms)
    )


def test_every_movement_says_what_it_was_for(cashier: Cashier) -> None:
    """Packs by the payment's metadata, plans by the invoice's lines; refunds and disputes by what they are about."""
    cashier.paid(SOLD)
    (charge,) = cashier.objects("charge")
    cashier.do("refund", charge=charge["id"], amount=1000)
    cashier.subscribed()
    plan = cashier.objects("charge")[-1]
    dispute = cashier.do("dispute", charge=plan["id"])
    cashier.do("close_dispute", dispute=dispute["id"], status="won")
    found = {one.category: one for one in reversed(moves(cashier)) if one.pack} | {
        f"plan {one.category}": one for one in moves(cashier) if one.lines
    }
    assert {name: (one.amount, one.fee, one.pack) for name, one in found.items()} == {
        "charge": (4000, 146, "500"), "refund": (-1000, 0, "500"), "plan charge": (1200, 65, ""),
        "plan dispute": (-1200, 1500, ""), "plan dispute_reversal": (1200, 0, ""),
    }  # fmt: skip
    assert [[line.price for line in one.lines] for name, one in found.items() if name[:4] == "plan"] == [
        ["price_pro_monthly"]
    ] * 3


def test_a_long_list_is_read_to_its_end(cashier: Cashier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each movement once, however small the pages; each charge and invoice is asked for at most once."""
    monkeypatch.setattr(client, "PAGE", 2)
    for _ in range(3):
        cashier.paid(SOLD)
    cashier.subscribed()
    for charge in cashier.objects("charge")[:3]:
        cashier.do("refund", charge=charge["id"])
    found = moves(cashier)
    assert len({one.id for one in found}) == len(found) == 7
    assert [one.id for one in found] == [
        one["id"] for one in reversed(cashier.objects("balance_transaction"))
    ]
    asked = Counter(call["path"] for call in cashier.stand_in.log() if call["path"].startswith("/v1/"))
    assert asked["/v1/balance_transactions"] == 4
    assert max(count for path, count in asked.items() if path.startswith("/v1/charges/")) == 1


def test_only_the_day_that_was_asked_for_is_read(cashier: Cashier) -> None:
    """From its first second to the last one before the next day."""
    cashier.paid(SOLD)
    (found,) = cashier.objects("balance_transaction")
    at = found["created"] * 1000
    assert [len(moves(cashier, since_ms=since, before_ms=before)) for since, before in (
        (at, at + 1000), (at - 1000, at), (at + 1000, FAR_MS),
    )] == [1, 0, 0]  # fmt: skip


def test_an_answer_of_another_shape_and_a_missing_key_are_said(
    cashier: Cashier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report is never made from half an answer."""
    cashier.paid(SOLD)
    with pytest.raises(StripeNotConfigured):
        list(StripeBooks(lambda _: "", cashier.stand_in.url).moves(since_ms=0, before_ms=FAR_MS))
    send: Callable[..., requests.Response] = requests.Session.send

    def changed(self: requests.Session, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        answer = send(self, request, **more)
        answer._content = answer.content.replace(b'"reporting_category"', b'"category"')
        return answer

    monkeypatch.setattr(requests.Session, "send", changed)
    with pytest.raises(StripeUnavailable):
        moves(cashier)
