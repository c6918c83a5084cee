"""The providers of the local stack: Stripe is a stand-in that knows the product, or the real one in test mode."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from enhancer.adapters.stripe.gateway import Payments
from enhancer.domain.payments import CheckoutOrder
from enhancer.settings import Settings
from local.processes import LocalError
from local.providers import PRICE_SETTINGS, Providers
from local.run import PROVIDER_PORTS

ORIGIN = "http://127.0.0.1:8787"
GOOD = {"ENVIRONMENT": "development", "TABLE_NAME": "t", "BUCKET_NAME": "b", "SIGNING_SECRET_NAME": "s"}
REAL = {
    "STRIPE_SECRET": "sk_test_real",
    "STRIPE_WEBHOOK_SECRET": "whsec_real",
    "PRICING_TABLE": "pro=price_1",
}


def providers(tmp_path: Path, **environ: str) -> Providers:
    return Providers(tmp_path, environ=environ, origin=ORIGIN)


def settings(found: Providers) -> Settings:
    """What the product makes of the template's parameters."""
    tables = {setting: found.parameters[name] for name, setting in PRICE_SETTINGS.items()}
    url = found.parameters.get("StripeBaseUrl", "")
    return Settings.load(GOOD | tables | {"STRIPE_BASE_URL": url})


def test_the_stand_in_sells_everything_and_tells_the_product(tmp_path: Path) -> None:
    """Started with the others; its key, its prices and where its events go fit the product."""
    found = Providers(tmp_path, environ={"PATH": os.environ["PATH"]}, origin=ORIGIN)
    with ExitStack() as stack:
        found.start(stack.callback)
        here = settings(found)
        payments = Payments(lambda fresh: found.stripe_secret["secretKey"], here.stripe_url)
        customer = payments.create_customer(owner_id="u", email="", idempotency_key="c")
        sold = [("payment", price) for price in here.credits_prices.values()]
        for table in (here.monthly_prices, here.annual_prices):
            sold += [("subscription", price) for price in table.values()]
        assert len(sold) == 12
        for number, (mode, price) in enumerate(sold):
            order = CheckoutOrder(str(number), mode, price, customer, "u", ORIGIN, ORIGIN)  # type: ignore[arg-type]
            assert payments.open(order, idempotency_key=str(number)).status == "open"
        hook = requests.post(f"{found.stripe_url}/_ctl/webhook", json={}, timeout=60).json()
    assert hook["url"] == f"{ORIGIN}/api/billing/stripe-webhook"
    assert hook["active"] == [found.stripe_secret["webhookSecret"]]
    assert f"Stripe: stand-in, {found.stripe_url}" in found.shown


def test_a_test_key_is_the_real_stripe(tmp_path: Path) -> None:
    """With its own prices; no stand-in, no address of one."""
    found = providers(tmp_path, **REAL)
    assert found.stripe_secret == {"secretKey": "sk_test_real", "webhookSecret": "whsec_real"}
    here = settings(found)
    assert (here.stripe_url, here.monthly_prices) == ("https://api.stripe.com", {"pro": "price_1"})
    assert (here.credits_prices, here.annual_prices) == ({}, {})
    assert "Stripe: the real service in test mode" in found.shown
    assert "sk_test_real" not in json.dumps([found.shown, found.parameters])


def test_a_real_stripe_without_its_webhook_secret_is_pointed_out(tmp_path: Path) -> None:
    """Its events would be refused."""
    (line,) = [
        one for one in providers(tmp_path, STRIPE_SECRET="rk_test_x").shown if one.startswith("Stripe")
    ]
    assert "STRIPE_WEBHOOK_SECRET is missing" in line


@pytest.mark.parametrize("key", ["sk_live_0123", "rk_live_0123", "pk_test_0123", "whsec_0123"])
def test_any_other_key_is_refused_before_anything_runs(tmp_path: Path, key: str) -> None:
    """A laptop moves no real money; the key is not shown."""
    started: list[object] = []
    with pytest.raises(LocalError, match="must be a test key") as refused:
        providers(tmp_path, STRIPE_SECRET=key).start(started.append)
    assert "0123" not in str(refused.value)
    assert (started, list(tmp_path.iterdir())) == ([], [])


def test_every_provider_has_a_port_of_its_own(tmp_path: Path) -> None:
    """The usual ones, so that a kept deployment finds them again."""
    found = Providers(tmp_path, ports=PROVIDER_PORTS)
    assert (found.stripe_url, len(set(PROVIDER_PORTS))) == ("http://127.0.0.1:8796", 6)
