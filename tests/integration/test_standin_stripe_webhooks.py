"""Webhooks of the Stripe stand-in: signed, retried, and delivered in every wrong way, to a receiver that verifies."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
import stripe

from local.standins.started import StandIn

FIRST, SECOND = "whsec_first_secret", "whsec_second_secret"
COMPLETED = "checkout.session.completed"
PACK = {
    "mode": "payment",
    "line_items": [{"price": "price_pack_1000", "quantity": 1}],
    "success_url": "http://127.0.0.1:8787/",
}


class Receiver(ThreadingHTTPServer):
    """Takes webhooks, and answers with the statuses it was given, then 200."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Hook)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook"
        self.taken: list[tuple[bytes, str]] = []
        self.statuses: list[int] = []

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body, _ in self.taken]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]


class Hook(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.taken.append((body, self.headers["stripe-signature"]))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(b"noted")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture(scope="module")
def server(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    options = ["--webhook-url", receiver.url, "--webhook-secret", FIRST, "--second-secret", SECOND]
    with StandIn("stripe", options, log=tmp_path_factory.mktemp("stripe") / "log") as started:
        yield started


@pytest.fixture
def stand_in(server: StandIn, receiver: Receiver) -> StandIn:
    server.reset()
    server.control("drain")
    receiver.taken.clear()
    receiver.statuses.clear()
    return server


@pytest.fixture
def api(stand_in: StandIn) -> Any:
    http = stripe.RequestsClient(timeout=60)
    return stripe.StripeClient("sk_test_local", base_addresses={"api": stand_in.url}, http_client=http).v1


def pay(api: Any, stand_in: StandIn, **order: Any) -> dict[str, Any]:
    """Pay a new session, wait for what is due, and give its completed event."""
    session = api.checkout.sessions.create(PACK)
    caused = stand_in.control("pay", session=session.id, **order)["events"]
    stand_in.control("drain")
    return next(event for event in caused if event["type"] == COMPLETED)


def verified(taken: tuple[bytes, str], secret: str = FIRST) -> bool:
    """Whether Stripe's own library takes it."""
    try:
        stripe.Webhook.construct_event(*taken, secret)
    except stripe.SignatureVerificationError:
        return False
    return True


def attempts(stand_in: StandIn) -> list[dict[str, Any]]:
    return requests.get(f"{stand_in.url}/_ctl/deliveries", timeout=60).json()["deliveries"]


def test_a_delivery_is_signed_with_every_active_secret(
    api: Any, stand_in: StandIn, receiver: Receiver
) -> None:
    """During a rotation both fit; when the first is no longer active only the second does."""
    event = pay(api, stand_in)
    assert [verified(receiver.taken[0], secret) for secret in (FIRST, SECOND, "whsec_x")] == [
        True,
        True,
        False,
    ]
    stand_in.control("webhook", active=["second"])
    stand_in.control("deliver", event=event["id"])
    assert [verified(receiver.taken[1], secret) for secret in (FIRST, SECOND)] == [False, True]


def test_a_delivery_is_the_event_as_the_api_shows_it(api: Any, stand_in: StandIn, receiver: Receiver) -> None:
    """Of a payment only what the endpoint asked for comes; the rest is in the list of events."""
    event = pay(api, stand_in)
    assert receiver.types == [COMPLETED]
    assert receiver.events[0] == api.events.retrieve(event["id"]).to_dict()
    assert [one.type for one in api.events.list().data] == [
        COMPLETED,
        "payment_intent.succeeded",
        "charge.succeeded",
    ]


@pytest.mark.parametrize("status", [500, 400, 302])
def test_what_is_not_taken_is_tried_again_later(
    api: Any, stand_in: StandIn, receiver: Receiver, status: int
) -> None:
    """On the simulated clock, with the same event and a fresh signature; a redirect is not followed."""
    receiver.statuses[:] = [status, status]
    pay(api, stand_in)
    assert len(receiver.taken) == 1
    for advance, expected in ((299, 1), (1, 2), (1500, 3), (3 * 86400, 3)):
        stand_in.advance(advance)
        stand_in.control("drain")
        assert len(receiver.taken) == expected
    assert len({event["id"] for event in receiver.events}) == 1
    assert all(verified(taken) for taken in receiver.taken)
    assert [one["status"] for one in attempts(stand_in)] == [status, status, 200]


def test_after_three_days_it_is_given_up(api: Any, stand_in: StandIn, receiver: Receiver) -> None:
    """Eleven attempts, then never again."""
    receiver.statuses[:] = [503] * 100
    pay(api, stand_in)
    for days in (2, 2, 30):
        stand_in.advance(days * 86400)
        stand_in.control("drain")
    assert len(receiver.taken) == 11


@pytest.mark.parametrize(
    ("fault", "ids", "good"),
    [("duplicate", 1, [True, True]), ("twin", 2, [True, True]), ("wrong_secret", 1, [False]), ("stale", 1, [False])],
)  # fmt: skip
def test_a_scripted_delivery_goes_as_it_should_not(
    api: Any, stand_in: StandIn, receiver: Receiver, fault: str, ids: int, good: list[bool]
) -> None:
    """Twice, as two events about one session, or with a signature that does not fit."""
    stand_in.script("webhook", fault)
    pay(api, stand_in)
    assert [verified(taken) for taken in receiver.taken] == good
    assert len({event["id"] for event in receiver.events}) == ids
    assert len({event["data"]["object"]["id"] for event in receiver.events}) == 1


def test_a_future_signature_passes_stripes_library(api: Any, stand_in: StandIn, receiver: Receiver) -> None:
    """Which is why an application needs a bound of its own."""
    stand_in.script("webhook", "future", seconds=86400)
    pay(api, stand_in)
    stamp = int(receiver.taken[0][1].split(",")[0].removeprefix("t="))
    assert verified(receiver.taken[0])
    assert stamp > time.time() + 86000


def test_a_livemode_event_says_so(api: Any, stand_in: StandIn, receiver: Receiver) -> None:
    """Though the stand-in is in test mode."""
    stand_in.script("webhook", "livemode")
    pay(api, stand_in)
    assert receiver.events[0]["livemode"] is True


def test_drop_and_delay_keep_an_event_back(api: Any, stand_in: StandIn, receiver: Receiver) -> None:
    """For ever, or for days of the simulated clock; a fault may wait for a type."""
    stand_in.script("webhook", "delay", seconds=2 * 86400, type=COMPLETED)
    stand_in.script("webhook", "drop", type="charge.refunded")
    session = api.checkout.sessions.create(PACK)
    intent = stand_in.control("pay", session=session.id)["object"]["payment_intent"]
    stand_in.control("refund", payment_intent=intent, amount=10)
    stand_in.control("drain")
    assert receiver.types == ["refund.created"]
    stand_in.advance(2 * 86400)
    stand_in.control("drain")
    assert receiver.types == ["refund.created", COMPLETED]
    assert verified(receiver.taken[1])


def test_reorder_lets_the_next_event_go_first(api: Any, stand_in: StandIn, receiver: Receiver) -> None:
    """``charge.refunded`` before ``refund.created``."""
    pay(api, stand_in)
    intent = receiver.events[0]["data"]["object"]["payment_intent"]
    stand_in.script("webhook", "reorder")
    stand_in.control("refund", payment_intent=intent)
    stand_in.control("drain")
    assert receiver.types == [COMPLETED, "charge.refunded", "refund.created"]


def test_deliver_sends_events_in_any_order_and_number(
    api: Any, stand_in: StandIn, receiver: Receiver
) -> None:
    """Nothing came by itself; then both in reverse, each three times, at once."""
    stand_in.script("webhook", "drop", times=2)
    ids = [pay(api, stand_in)["id"] for _ in range(2)]
    assert receiver.taken == []
    answers = stand_in.control("deliver", events=ids, order="reverse")["deliveries"]
    assert [one["id"] for one in receiver.events] == ids[::-1]
    assert [(one["status"], one["body"]) for one in answers] == [(200, "noted")] * 2
    stand_in.control("deliver", events=ids, order=[1, 0], times=3, parallel=True)
    assert len(receiver.taken) == 8


def test_deliver_changes_body_time_and_secret(api: Any, stand_in: StandIn, receiver: Receiver) -> None:
    """Wrong amount and currency, no metadata, live mode, a twin, a header that is none, a body that is none."""
    event = pay(api, stand_in)["id"]
    change = {"data.object.amount_total": 1, "data.object.currency": "eur", "livemode": True}
    stand_in.control("deliver", event=event, body_change=change, twin=True)
    changed = receiver.events[1]
    assert (changed["data"]["object"]["amount_total"], changed["livemode"]) == (1, True)
    assert changed["id"] != event
    stand_in.control("deliver", event=event, secret="whsec_wrong")
    stand_in.control("deliver", event=event, timestamp_offset=-301)
    stand_in.control("deliver", event=event, timestamp_offset=-250)
    stand_in.control("deliver", event=event, header="t=1,v1=ä")
    assert [verified(taken) for taken in receiver.taken[1:5]] == [True, False, False, True]
    stand_in.control("deliver", event=event, raw="{")
    assert receiver.taken[-1][0] == b"{"
    with pytest.raises(json.JSONDecodeError):
        stripe.Webhook.construct_event(*receiver.taken[-1], FIRST)


def test_an_event_about_anything_can_be_told(api: Any, stand_in: StandIn, receiver: Receiver) -> None:
    """Of a type nobody knows, about an object nobody has; the API then knows the event."""
    about = {"id": "cs_nobody", "object": "checkout.session"}
    told = stand_in.control("event", type="unheard.of", object=about, set={"livemode": True})
    assert (receiver.types, receiver.events[0]["livemode"]) == (["unheard.of"], True)
    assert api.events.retrieve(told["event"]["id"]).data.object.id == "cs_nobody"


def test_a_change_is_what_the_api_shows_afterwards(api: Any, stand_in: StandIn, receiver: Receiver) -> None:
    """For an application that asks before it believes."""
    pay(api, stand_in)
    session = receiver.events[0]["data"]["object"]["id"]
    stand_in.control(
        "change", id=session, set={"payment_status": "unpaid", "metadata": {}, "customer": "cus_x"}
    )
    shown = api.checkout.sessions.retrieve(session)
    assert (shown.payment_status, shown.metadata.to_dict(), shown.customer) == ("unpaid", {}, "cus_x")


def test_a_reset_ends_what_was_on_its_way(api: Any, stand_in: StandIn, receiver: Receiver) -> None:
    """No retry of an earlier test disturbs the next one."""
    receiver.statuses[:] = [500]
    pay(api, stand_in)
    stand_in.reset()
    stand_in.advance(3 * 86400)
    stand_in.control("drain")
    assert len(receiver.taken) == 1
    assert attempts(stand_in) == []


def test_the_url_can_be_another_or_none(api: Any, stand_in: StandIn, receiver: Receiver) -> None:
    """Without one, events are told to nobody and still listed."""
    stand_in.control("webhook", url="")
    event = pay(api, stand_in)
    assert receiver.taken == []
    stand_in.control("deliver", event=event["id"], url=receiver.url)
    assert receiver.types == [COMPLETED]
