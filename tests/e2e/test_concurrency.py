"""Limits, money and idempotency under parallel requests, on the deployed stack."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from enhancer.domain.jobs import Job
from enhancer.domain.ledger import AlreadyResolved, add_up
from enhancer.domain.owners import Owner
from enhancer.domain.periods import day_of, day_reset_ms
from tests.e2e.conftest import Store
from tests.e2e.deployed import Deployed
from tests.load.credits_race import race_for
from tests.support.client import Client, picture
from tests.support.world import World

Fresh = Callable[[], Client]
ROUNDS = 30
CALLERS = 12
"""At once. Each starts a process in the emulator; on a busy machine many more would not all answer within 30 s."""


def guest_of(client: Client) -> Owner:
    """The guest behind a client's cookie."""
    return Owner("guest", client.http.cookies["guest_id"].partition(".")[0])


def test_parallel_generates_of_one_guest_stop_exactly_at_the_day_cap(
    fresh_client: Fresh, store: Store
) -> None:
    """Of 200 parallel different pictures exactly 3 succeed; all others are 429 with the time to wait."""
    client = fresh_client()
    browsers = [client.copy() for _ in range(CALLERS)]

    def call(number: int) -> tuple[int, str | None, dict[str, object]]:
        answer = browsers[number % CALLERS].copy().generate(picture(seed=number))
        return answer.status_code, answer.headers.get("Retry-After"), answer.json()

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(call, range(200)))
    assert Counter(status for status, _, _ in answers) == {200: 3, 429: 197}
    now = int(time.time() * 1000)
    for status, retry_after, body in answers:
        if status == 429:
            assert body["retryAfter"] == int(retry_after or 0)
            code = body["error"]["code"]  # type: ignore[index]
            longest = 60 if code == "rate_limited" else (day_reset_ms(now) - now) / 1000 + 60
            assert code in ("rate_limited", "daily_quota_exceeded")
            assert 1 <= int(retry_after or 0) <= longest
    owner = guest_of(client)
    kinds = Counter(entry.kind for entry in store.ledger.entries(owner))
    assert kinds == {"hold": 3, "settle": 3}
    usage_and_balance = store.ledger.usage_and_balance(owner, now=now)
    assert (
        usage_and_balance.day_used,
        usage_and_balance.month_used,
        usage_and_balance.balance.difference,
    ) == (3, 30, 0)


def test_parallel_copies_with_one_key_are_one_job_and_one_charge(fresh_client: Fresh, store: Store) -> None:
    """50 copies with one Idempotency-Key get the same job and picture; it is held and settled once."""
    client = fresh_client()
    owner = Owner("user", client.login("premium"))
    photo = picture(48, 48, seed=7)

    def call(_: int) -> tuple[int, str, str]:
        answer = client.copy().generate(photo, headers={"Idempotency-Key": "one-and-only"})
        data = answer.json().get("data", {})
        return answer.status_code, data.get("jobId"), data.get("imageUrl")

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = set(pool.map(call, range(50)))
    assert len(answers) == 1
    assert answers.pop()[0] == 200
    kinds = Counter(entry.kind for entry in store.ledger.entries(owner))
    assert kinds == {"hold": 1, "settle": 1}
    assert client.usage()["monthlyUsage"]["used"] == 1.0


def test_same_key_with_another_picture_is_a_mismatch(fresh_client: Fresh) -> None:
    """A key stands for one body; another one is 422 and costs nothing."""
    client = fresh_client()
    key = {"Idempotency-Key": "fixed"}
    assert client.generate(picture(seed=8), headers=key).status_code == 200
    again = client.generate(picture(seed=8), headers=key)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
    other = client.generate(picture(seed=9), headers=key)
    assert (other.status_code, other.json()["error"]["type"]) == (422, "idempotency_mismatch")
    assert client.usage()["usage"]["used"] == 1


def test_parallel_generates_spend_bought_credits_exactly(fresh_client: Fresh, store: Store) -> None:
    """With the month used up and 7 credits bought, exactly 7 of 40 parallel runs succeed and the rest are 402."""
    client = fresh_client()
    owner, now = Owner("user", client.login("premium")), int(time.time() * 1000)
    month = {"pk": f"OWNER#user#{owner.id}", "sk": f"USAGE#{day_of(now)[:7]}", "used": 10_000}
    store.table.put(month)
    store.ledger.grant(owner, 70, source="test", reason="test", actor="test", entry_id="ent_0", now=now)

    def call(number: int) -> int:
        return client.copy().generate(picture(seed=100 + number)).status_code

    with ThreadPoolExecutor(CALLERS) as pool:
        statuses = Counter(pool.map(call, range(40)))
    assert statuses == {200: 7, 402: 33}
    balance = store.ledger.usage_and_balance(owner, now=now).balance
    assert (balance.available, balance.held, balance.spent, balance.difference) == (0, 0, 70, 0)
    assert add_up(store.ledger.entries(owner)) == balance
    refused = client.generate(picture(seed=999)).json()["error"]
    assert refused["details"]["creditsRequired"] == 1.0
    assert refused["details"]["creditsAvailable"] == 0.0


def test_two_hundred_runs_at_once_spend_exactly_the_credits_there_are(
    fresh_client: Fresh, deployed: Deployed
) -> None:
    """Of 200 runs against 37 credits 37 succeed and 163 are 402; no total is ever below zero, every book adds up."""
    outcome = race_for(deployed, fresh_client(), runs=200, credits=37, unlimited=False)
    assert outcome.statuses == {"200": 37, "402 INSUFFICIENT_CREDITS": 163}


def test_rate_limit_is_exact_across_processes(fresh_client: Fresh) -> None:
    """Of 75 quick calls of a guest exactly 15 pass the limit of generate, whatever cookie they bring."""
    client = fresh_client()

    def call(_: int) -> str:
        twin = Client(client.url, client.address)
        twin.http.cookies.set("csrf_token", "t")
        answer = twin.generate(None)
        return str(answer.json()["error"]["code"])

    started = time.monotonic()
    with ThreadPoolExecutor(CALLERS) as pool:
        codes = Counter(pool.map(call, range(75)))
    refilled = int((time.monotonic() - started) / 4)
    assert codes["image_missing"] + codes["rate_limited"] == 75
    assert 15 <= codes["image_missing"] <= 15 + refilled


def test_dropping_the_cookie_does_not_lift_the_network_cap(fresh_client: Fresh, deployed: Deployed) -> None:
    """Guests of one network together get five times a guest's day, then 429 network_quota_exceeded."""
    client = fresh_client()
    for number in range(5):
        twin = Client(client.url, client.address).meet()
        for image in range(3):
            deployed.forget_network(client.address, "RATE#")
            answer = twin.generate(picture(seed=300 + 3 * number + image))
            assert answer.status_code == 200, answer.text
    deployed.forget_network(client.address, "RATE#")
    refused = Client(client.url, client.address).meet().generate(picture(seed=400))
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "network_quota_exceeded")


@pytest.mark.parametrize("first", ["settle", "release"])
def test_of_a_settle_and_a_release_at_once_exactly_one_happens(store: Store, first: str) -> None:
    """Thirty rounds in either order: charged and handed out, or given back, and never both or neither."""
    world = World(table=store.table)
    caller = world.caller("enterprise")
    world.grant(caller, ROUNDS * 10)
    won: Counter[str] = Counter()
    for _ in range(ROUNDS):
        job = world.hold(world.job(caller, [(0, 10)]), plan="enterprise")
        barrier = Barrier(2)

        def resolve(kind: str, job: Job = job, barrier: Barrier = barrier) -> str | None:
            barrier.wait()
            try:
                getattr(world, kind)(job)
            except AlreadyResolved:
                return None
            return kind

        kinds = [first, "release" if first == "settle" else "settle"]
        with ThreadPoolExecutor(2) as pool:
            (winner,) = filter(None, pool.map(resolve, kinds))
        won[winner] += 1
        stored = world.stored(job)
        assert stored.status == {"settle": "succeeded", "release": "failed"}[winner]
        assert stored.open_items == []
    balance = world.balance(caller)
    assert (balance.held, balance.spent) == (0, won["settle"] * 10)
    assert balance.available == won["release"] * 10
    assert won.total() == ROUNDS
