"""The checkout page and the portal of the Stripe stand-in, used by their forms as a browser does."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
import requests
import stripe

from local.standins.started import StandIn

TITLE = "Stand-in for Stripe"
BACK = "http://127.0.0.1:8787/en/account"
PACK = {
    "mode": "payment",
    "line_items": [{"price": "price_pack_1500", "quantity": 2}],
    "success_url": "http://127.0.0.1:8787/sync?session_id={CHECKOUT_SESSION_ID}&a=1",
    "cancel_url": "http://127.0.0.1:8787/en/pricing",
}
PLAN = PACK | {"mode": "subscription", "line_items": [{"price": "price_pro_monthly", "quantity": 1}]}


class Page(HTMLParser):
    """The title, the text, and every form with its controls."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.title, self.text = "", ""
        self.forms: list[list[dict[str, str | None]]] = []
        self.links: list[str] = []
        self._tag = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag, found = tag, dict(attrs)
        if tag == "form":
            assert found["method"] == "post"
            self.forms.append([])
        if tag in ("input", "button", "select"):
            self.forms[-1].append(found)
        if tag == "a":
            self.links.append(str(found["href"]))

    def handle_data(self, data: str) -> None:
        if self._tag == "title":
            self.title += data.strip()
        elif self._tag != "style":
            self.text += " " + data.strip()

    @property
    def buttons(self) -> list[str]:
        return [str(field["value"]) for form in self.forms for field in form if field["name"] == "action"]


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
    http = stripe.RequestsClient(timeout=60)
    return stripe.StripeClient("sk_test_local", base_addresses={"api": stand_in.url}, http_client=http).v1


def opened(url: str) -> Page:
    return Page(requests.get(url, timeout=60).text)


def press(url: str, action: str, **fields: str) -> requests.Response:
    return requests.post(url, data={"action": action} | fields, allow_redirects=False, timeout=60)


def portal(api: Any, stand_in: StandIn) -> tuple[str, str]:
    """A subscription, and the address of its customer's portal."""
    session = api.checkout.sessions.create(PLAN)
    paid = stand_in.control("pay", session=session.id)["object"]
    made = api.billing_portal.sessions.create({"customer": paid["customer"], "return_url": BACK})
    assert (made.object, made.customer) == ("billing_portal.session", paid["customer"])
    return paid["subscription"], made.url


def test_the_page_says_what_is_bought_and_for_how_much(api: Any) -> None:
    """A title, four buttons, a viewport for phones, both colour schemes, no script and nothing from outside."""
    answer = requests.get(api.checkout.sessions.create(PACK).url, timeout=60)
    page = Page(answer.text)
    assert (page.title, page.buttons) == (TITLE, ["pay", "pay_later", "fail", "cancel"])
    assert "Credits 1500 × 2" in page.text
    assert "Pay 190.00 USD" in page.text
    assert "width=device-width" in answer.text
    assert "prefers-color-scheme: dark" in answer.text
    assert "<script" not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_paying_sends_the_browser_on_with_the_sessions_id(api: Any) -> None:
    """Put where the address asks for it; the page then says that all is done."""
    session = api.checkout.sessions.create(PACK)
    answer = press(session.url, "pay")
    expected = f"http://127.0.0.1:8787/sync?session_id={session.id}&a=1"
    assert (answer.status_code, answer.headers["Location"]) == (303, expected)
    assert api.checkout.sessions.retrieve(session.id).payment_status == "paid"
    again = opened(session.url)
    assert ("all done" in again.text, again.buttons) == (True, [])
    assert press(session.url, "pay").status_code == 200
    assert len(api.payment_intents.list().data) == 1


def test_paying_later_sends_the_browser_on_unpaid(api: Any) -> None:
    """The redirect proves nothing."""
    session = api.checkout.sessions.create(PACK)
    assert press(session.url, "pay_later").status_code == 303
    found = api.checkout.sessions.retrieve(session.id)
    assert (found.status, found.payment_status) == ("complete", "unpaid")


def test_a_declined_card_is_told_on_the_page(api: Any) -> None:
    """Where another try can be made."""
    session = api.checkout.sessions.create(PACK)
    page = Page(press(session.url, "fail").text)
    assert ("declined" in page.text, page.buttons[0]) == (True, "pay")
    assert press(session.url, "pay").status_code == 303


def test_cancel_sends_the_browser_back_and_leaves_the_session_open(api: Any) -> None:
    """It can still be paid from its address; without an address to go back to there is no such button."""
    session = api.checkout.sessions.create(PACK)
    assert press(session.url, "cancel").headers["Location"] == PACK["cancel_url"]
    assert api.checkout.sessions.retrieve(session.id).status == "open"
    without = api.checkout.sessions.create(
        {name: value for name, value in PACK.items() if name != "cancel_url"}
    )
    assert "cancel" not in opened(without.url).buttons


def test_an_expired_or_unknown_session_has_no_buttons(api: Any, stand_in: StandIn) -> None:
    """Nor do they work."""
    session = api.checkout.sessions.create(PACK)
    api.checkout.sessions.expire(session.id)
    assert ("timed out" in opened(session.url).text, opened(session.url).buttons) == (True, [])
    press(session.url, "pay")
    assert api.checkout.sessions.retrieve(session.id).payment_status == "unpaid"
    assert requests.get(f"{stand_in.url}/c/pay/cs_none", timeout=60).status_code == 404


def test_a_name_is_shown_as_text(api: Any) -> None:
    """Whatever a product is called."""
    product = api.products.create({"name": "<script>alert(1)</script>"})
    price = api.prices.create({"product": product.id, "unit_amount": 100, "currency": "usd"})
    session = api.checkout.sessions.create({**PACK, "line_items": [{"price": price.id, "quantity": 1}]})
    assert "<script" not in requests.get(session.url, timeout=60).text


def test_the_portal_cancels_and_resumes(api: Any, stand_in: StandIn) -> None:
    """With the period; the page shows what is so now."""
    subscription, url = portal(api, stand_in)
    page = opened(url)
    assert (page.title, page.buttons, page.links) == (TITLE, ["cancel", "switch"], [BACK])
    assert "Pro, 12.00 USD per month" in page.text
    answer = press(url, "cancel", subscription=subscription)
    assert (answer.status_code, stand_in.url + answer.headers["Location"]) == (303, url)
    assert api.subscriptions.retrieve(subscription).cancel_at is not None
    assert opened(url).buttons == ["resume", "switch"]
    press(url, "resume", subscription=subscription)
    assert api.subscriptions.retrieve(subscription).cancel_at is None


def test_the_portal_switches_the_plan(api: Any, stand_in: StandIn) -> None:
    """To any plan of the catalogue in that currency; a price that is none is told on the page."""
    subscription, url = portal(api, stand_in)
    assert press(url, "switch", subscription=subscription, price="price_team_monthly").status_code == 303
    found = api.subscriptions.retrieve(subscription).to_dict()
    assert found["items"]["data"][0]["price"]["id"] == "price_team_monthly"
    refused = press(url, "switch", subscription=subscription, price="price_pack_100")
    assert "must be recurring" in refused.text


def test_the_portal_is_of_one_customer_and_for_an_hour(api: Any, stand_in: StandIn) -> None:
    """Another customer's subscription is out of its reach, and an old link opens nothing."""
    subscription, _ = portal(api, stand_in)
    _, other = portal(api, stand_in)
    assert press(other, "cancel", subscription=subscription).status_code == 400
    assert api.subscriptions.retrieve(subscription).cancel_at is None
    stand_in.advance(3600)
    assert requests.get(other, timeout=60).status_code == 404
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        api.billing_portal.sessions.create({"customer": "cus_none"})
