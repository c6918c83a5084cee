"""Idempotency keys and scripted faults of the Stripe stand-in, met by Stripe's own library."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import stripe

from local.standins.started import StandIn

PACK = {
    "mode": "payment",
    "line_items": [{"price": "price_pack_500", "quantity": 1}],
    "success_url": "http://127.0.0.1:8787/",
}
FORM = {"email": "ada@example.com"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn("stripe", ["--webhook-url", ""], log=tmp_path_factory.mktemp("stripe") / "log") as started:
        yield started


@pytest.fixture
def stand_in(server: StandIn) -> StandIn:
    server.reset()
    return server


def client(stand_in: StandIn, *, retries: int = 0, timeout: float = 60) -> Any:
    http = stripe.RequestsClient(timeout=timeout)
    made = stripe.StripeClient(
        "sk_test_local", base_addresses={"api": stand_in.url}, http_client=http, max_network_retries=retries
    )
    return made.v1


def post(stand_in: StandIn, form: dict[str, str], key: str, path: str = "customers") -> requests.Response:
    headers = {"Authorization": "Bearer sk_test_local", "Idempotency-Key": key}
    return requests.post(f"{stand_in.url}/v1/{path}", data=form, headers=headers, timeout=60)


def count(stand_in: StandIn, kind: str) -> int:
    return len(requests.get(f"{stand_in.url}/_ctl/objects/{kind}", timeout=60).json()["objects"])


def test_the_same_key_gives_the_same_answer_once(stand_in: StandIn) -> None:
    """Status and body byte for byte, a new request id, and no second object."""
    first, second = (post(stand_in, FORM, "k1") for _ in range(2))
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["Original-Request"] == first.headers["Request-Id"] != second.headers["Request-Id"]
    assert count(stand_in, "customer") == 1


def test_a_key_with_other_parameters_is_an_idempotency_error(stand_in: StandIn) -> None:
    """400 for another form and for another path alike."""
    api = client(stand_in)
    api.customers.create(FORM, {"idempotency_key": "k1"})
    with pytest.raises(stripe.IdempotencyError):
        api.customers.create({"email": "eve@example.com"}, {"idempotency_key": "k1"})
    assert post(stand_in, FORM, "k1", "refunds").json()["error"]["type"] == "idempotency_error"
    assert count(stand_in, "customer") == 1


def test_a_500_is_replayed_until_the_key_is_a_day_old(stand_in: StandIn) -> None:
    """The library's own retries see the same 500 again; another key, or a day, helps."""
    stand_in.script("customers.create", "stripe_error", status=500)
    api = client(stand_in, retries=1)
    with pytest.raises(stripe.APIError):
        api.customers.create(FORM, {"idempotency_key": "k1"})
    assert len([call for call in stand_in.log() if call["method"] == "POST"]) == 2
    assert post(stand_in, FORM, "k1").status_code == 500
    assert post(stand_in, FORM, "k2").status_code == 200
    stand_in.advance(24 * 3600)
    assert post(stand_in, FORM, "k1").status_code == 200


def test_a_500_after_the_work_hides_what_was_done(stand_in: StandIn) -> None:
    """``after`` does the work, answers 500 and keeps that answer."""
    stand_in.script("customers.create", "stripe_error", status=500, after=True)
    assert [post(stand_in, FORM, "k1").status_code for _ in range(2)] == [500, 500]
    assert count(stand_in, "customer") == 1


def test_a_refused_request_leaves_its_key_free(stand_in: StandIn) -> None:
    """Parameters that do not pass are not kept: the right ones may use the key."""
    assert post(stand_in, {"nonsense": "1"}, "k1").status_code == 400
    assert post(stand_in, FORM, "k1").status_code == 200


def test_a_key_in_flight_is_409(stand_in: StandIn) -> None:
    """Of two at once one wins, and the library's retry of the other gets the same object."""
    stand_in.script("customers.create", "slow", seconds=0.4)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: post(stand_in, FORM, "k1"), range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    stand_in.script("customers.create", "slow", seconds=0.4)
    api = client(stand_in, retries=2)
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: api.customers.create(FORM, {"idempotency_key": "k2"}).id, range(2)))
    assert made[0] == made[1]


def test_a_key_has_at_most_255_characters(stand_in: StandIn) -> None:
    """One more is 400."""
    assert post(stand_in, FORM, "k" * 255).status_code == 200
    assert post(stand_in, FORM, "k" * 256).status_code == 400


def test_a_lock_is_409_and_passes_with_the_librarys_retry(stand_in: StandIn) -> None:
    """Nothing is kept of it."""
    stand_in.script("sessions.create", "lock")
    session = client(stand_in, retries=1).checkout.sessions.create(PACK)
    assert (session.status, count(stand_in, "checkout.session")) == ("open", 1)


def test_a_429_is_a_rate_limit_error_and_is_not_retried(stand_in: StandIn) -> None:
    """The library leaves that to its caller."""
    stand_in.script("any", "stripe_error", status=429, code="rate_limit")
    with pytest.raises(stripe.RateLimitError):
        client(stand_in, retries=2).prices.list()
    assert len(stand_in.log()) == 1


def test_stripe_should_retry_false_stops_the_library(stand_in: StandIn) -> None:
    """One request, whatever the number of retries."""
    stand_in.script("prices.list", "stripe_error", status=500, should_retry=False)
    with pytest.raises(stripe.APIError):
        client(stand_in, retries=2).prices.list()
    assert len(stand_in.log()) == 1


def test_an_error_that_is_not_kept_passes_with_a_retry(stand_in: StandIn) -> None:
    """``kept: false`` plays a 503 of a machine in front."""
    stand_in.script("customers.create", "stripe_error", status=503, kept=False)
    assert client(stand_in, retries=1).customers.create(FORM).email == "ada@example.com"


def test_a_reset_after_the_work_does_it_once(stand_in: StandIn) -> None:
    """The connection breaks when all is done; the retry with the same key gets that answer."""
    stand_in.script("sessions.create", "reset_after")
    session = client(stand_in, retries=1).checkout.sessions.create(PACK)
    assert (session.amount_total, count(stand_in, "checkout.session")) == (4000, 1)


def test_a_hang_ends_in_a_connection_error(stand_in: StandIn) -> None:
    """And nothing was done for a client that gave up."""
    stand_in.script("sessions.create", "hang", seconds=0.5)
    with pytest.raises(stripe.APIConnectionError):
        client(stand_in, timeout=0.2).checkout.sessions.create(PACK)
    time.sleep(0.5)
    assert count(stand_in, "checkout.session") == 0


def test_a_page_of_html_is_an_api_error(stand_in: StandIn) -> None:
    """What a proxy in front answers."""
    stand_in.script("prices.retrieve", "html", status=502)
    with pytest.raises(stripe.APIError):
        client(stand_in).prices.retrieve("price_pack_100")


def test_a_scripted_error_has_its_type_and_code(stand_in: StandIn) -> None:
    """A declined card, for one."""
    script = {"status": 402, "type": "card_error", "code": "card_declined", "message": "Declined."}
    stand_in.script("refunds.create", "stripe_error", **script)
    with pytest.raises(stripe.CardError, match="Declined") as declined:
        client(stand_in).refunds.create({"charge": "ch_1"})
    assert declined.value.code == "card_declined"


def test_an_unknown_route_or_fault_is_refused(stand_in: StandIn) -> None:
    """A test that scripts nothing should not pass."""
    for order in ({"route": "nowhere", "fault": "reset"}, {"route": "webhook", "fault": "reset"}):
        answer = requests.post(f"{stand_in.url}/_ctl/script", json=order, timeout=60)
        assert answer.status_code == 400
