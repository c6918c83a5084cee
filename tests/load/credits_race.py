"""A thousand runs of one owner at once against fewer credits: exactly as many succeed as were paid for.

``python -m tests.load.credits_race`` starts a stack of its own, prints the result and writes docs/credits-race.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from enhancer.adapters.dynamodb import keys
from enhancer.domain.ledger import Balance
from enhancer.domain.owners import Owner
from enhancer.domain.plans import PLANS
from enhancer.runtime import new_id, now
from local.stack import LocalStack
from tests.e2e.deployed import Deployed
from tests.e2e.people import Member
from tests.e2e.shop import Shop, session_of
from tests.support.books import audit
from tests.support.client import Client, picture
from tests.support.template import ROOT

DOCUMENT = ROOT / "docs/credits-race.md"
PLAN = "enterprise"
RUNS, CREDITS, CALLERS = 1000, 137, 32
PRICE = 10
"""Tenths that a run costs."""
TRIES, GATEWAY_BUSY = 20, 503
LIMITER_SECONDS = 0.5
"""How often the clock of the rate limiter is moved on by more than its window."""
Action = Callable[[], object]


@dataclass(frozen=True)
class Racer:
    """Whose month is used up, so that every run costs bought credits."""

    deployed: Deployed
    who: Member

    @property
    def owner(self) -> Owner:
        """Their partition."""
        return self.who.owner

    @classmethod
    def ready(cls, deployed: Deployed, client: Client, *, credits: int) -> Racer:
        """Somebody with so many credits, and nothing else."""
        racer = cls(deployed, Member(client, client.login(PLAN)))
        racer.month(PLANS[PLAN].quota_tenths)
        racer.given(credits)
        return racer

    def given(self, credits: int) -> None:
        """More credits, past the API."""
        more = {"reason": "race", "actor": "test", "entry_id": new_id("ent"), "now": now()}
        assert self.deployed.store.ledger.grant(self.owner, credits * PRICE, source=new_id("race"), **more)  # type: ignore[arg-type]

    def month(self, by: int) -> None:
        """Let more (or less) of the plan's month be used, by no run of ours."""
        month = self.deployed.store.ledger.usage_and_balance(self.owner, now=now()).month.name
        key = keys.usage(self.owner, month)
        self.deployed.store.table.update(
            key, "SET used = if_not_exists(used, :zero) + :by", values={":zero": 0, ":by": by}
        )

    @property
    def balance(self) -> Balance:
        """Their totals as they are at this moment."""
        return self.deployed.store.ledger.usage_and_balance(self.owner, now=now()).balance


@dataclass(frozen=True)
class Outcome:
    """What came of a race: answers by status, requests sent again because the gateway gave up, looks at the totals."""

    statuses: Counter[str]
    repeats: int
    seconds: float
    looks: int
    balance: Balance


def race(
    racer: Racer, runs: int, *, meanwhile: Mapping[int, Action] | None = None, unlimited: bool = False
) -> Outcome:
    """Ask for so many runs of different pictures at once, and audit the books afterwards.

    ``meanwhile``: what happens in between, by the number of the run that it is put in front of. ``unlimited``: the rate
    limiter's clock is moved on all the time, as if the calls were spread over hours; nothing else is.
    """
    others = dict(meanwhile or {})
    repeats: list[int] = []

    def run(number: int) -> str:
        client = racer.who.client.copy()
        for _ in range(TRIES):
            answer = client.generate(picture(seed=number), headers={"Idempotency-Key": f"race {number}"})
            if answer.status_code != GATEWAY_BUSY:
                break
            repeats.append(number)  # asking again with the key is safe
        if answer.status_code == 202:  # took so long that it became a job; it is held all the same
            job = racer.deployed.ended(racer.owner, answer.json()["data"]["id"])
            return {"succeeded": "200"}.get(job.status, job.status)
        code = "" if answer.ok else f" {answer.json()['error']['code']}"
        return f"{answer.status_code}{code}"

    def step(number: int) -> str:
        if number in others:
            others[number]()
        return run(number)

    started = time.monotonic()
    with _watched(racer) as looks, _limiter(racer, on=unlimited), ThreadPoolExecutor(CALLERS) as pool:
        statuses = Counter(pool.map(step, range(runs)))
    seconds = time.monotonic() - started
    check_books(racer)
    return Outcome(statuses, len(repeats), seconds, len(looks), racer.balance)


def check_books(racer: Racer) -> None:
    """Everything stored of the owner obeys every rule of money."""
    racer.month(-PLANS[PLAN].quota_tenths)  # what no run of ours used
    partition = keys.account(racer.owner)["pk"]
    records = list(racer.deployed.store.table.under(partition))
    audit({partition: PLAN}, records=records)
    assert racer.deployed.balance(racer.owner).held == 0


@contextmanager
def _watched(racer: Racer) -> Iterator[list[Balance]]:
    """Look at the totals all the time: never negative, never apart."""
    seen: list[Balance] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            seen.append(racer.balance)

    watching = threading.Thread(target=look)
    watching.start()
    try:
        yield seen
    finally:
        over.set()
        watching.join()
    assert not [one for one in seen if one.difference or min(_numbers(one)) < 0]


@contextmanager
def _limiter(racer: Racer, *, on: bool) -> Iterator[None]:
    """Move the clock of the owner's rate limiter on, as long as this lasts."""
    over = threading.Event()

    def move() -> None:
        while not over.wait(LIMITER_SECONDS):
            racer.deployed.store.table.delete(keys.rate(racer.owner, "generate"))

    moving = threading.Thread(target=move)
    if on:
        moving.start()
    try:
        yield
    finally:
        over.set()
        if on:
            moving.join()


def _numbers(balance: Balance) -> Iterable[int]:
    return [getattr(balance, name) for name in Balance.__slots__]


# -------------------------------------------------------------------------------------- the two races


def race_for(deployed: Deployed, client: Client, *, runs: int, credits: int, unlimited: bool) -> Outcome:
    """Nothing but runs: as many succeed as there are credits, the rest is refused for want of credits."""
    racer = Racer.ready(deployed, client, credits=credits)
    outcome = race(racer, runs, unlimited=unlimited)
    assert outcome.statuses == {"200": credits, "402 INSUFFICIENT_CREDITS": runs - credits}, outcome
    tenths = credits * PRICE
    assert outcome.balance == Balance(spent=tenths, granted=tenths)
    return outcome


START, PACKS, GIFTS, GIFT, BACK = 40, 2, 10, 3, 40
"""Credits at first; packs of 100 bought meanwhile; gifts, and credits in each; credits whose money goes back."""


def race_with_arrivals(
    deployed: Deployed, client: Client, admin: Client, *, runs: int, unlimited: bool
) -> tuple[Outcome, int]:
    """Purchases, a refund and gifts arrive meanwhile; whatever is there in the end was spent to the last credit.

    Return the outcome and how many credits there were to be spent.
    """
    shop = Shop(deployed)
    shop.reset()
    racer = Racer.ready(deployed, client, credits=START)
    sessions = [session_of(client.post("/api/billing/credits", json={"pack": 100})) for _ in range(PACKS)]

    def pay(session: str) -> None:
        shop.script("webhook", "duplicate")
        shop.do("pay", session=session)

    def give_back() -> None:
        intent = shop.object("checkout.session", sessions[0])["payment_intent"]
        shop.do("refund", payment_intent=intent, amount=BACK * 10)

    def give() -> None:
        body = {"userId": racer.owner.id, "amount": GIFT, "reason": "race"}
        answer = admin.copy().post("/api/admin/credits/grant", json=body)
        assert answer.status_code == 200, answer.text

    part = runs // 20
    meanwhile: dict[int, Action] = {part: lambda: pay(sessions[0]), 6 * part: give_back}
    meanwhile[8 * part] = lambda: pay(sessions[1])
    meanwhile |= {2 * part + number * part // 2: give for number in range(1, 2 * GIFTS, 2)}
    outcome = race(racer, runs, meanwhile=meanwhile, unlimited=unlimited)
    shop.told()
    credits = START + 100 * PACKS + GIFTS * GIFT - BACK
    assert outcome.statuses == {"200": credits, "402 INSUFFICIENT_CREDITS": runs - credits}, outcome
    wanted = {
        "spent": credits * PRICE,
        "clawed_back": BACK * PRICE,
        "purchased": 100 * PACKS * PRICE,
        "granted": (START + GIFTS * GIFT) * PRICE,
    }
    assert outcome.balance == Balance(**wanted)
    return outcome, credits


def markdown(first: Outcome, second: Outcome, *, runs: int, credits: int, moved: int) -> str:
    """The table, as docs/credits-race.md has it."""
    rows = [
        ("runs asked for", f"{runs:,}", f"{runs:,}"),
        (
            "credits there were, at 1.0 a run",
            f"{credits}",
            f"{START} + {100 * PACKS} + {GIFTS * GIFT} - {BACK}",
        ),
        ("succeeded", f"**{first.statuses['200']}**", f"**{second.statuses['200']}**"),
        ("refused with 402", *(f"{one.statuses['402 INSUFFICIENT_CREDITS']}" for one in (first, second))),
        ("any other answer", "0", "0"),
        ("left, held, owed afterwards", "0, 0, 0", "0, 0, 0"),
        (
            "looks at the totals meanwhile; apart or below zero",
            *(f"{one.looks}; 0" for one in (first, second)),
        ),
        ("requests repeated with their key", *(f"{one.repeats}" for one in (first, second))),
        ("seconds", *(f"{one.seconds:.0f}" for one in (first, second))),
    ]
    table = "\n".join(f"| {name} | {one} | {other} |" for name, one, other in rows)
    assert second.statuses["200"] == moved
    return f"""# Race for credits

`make credits-race`: one owner asks for {runs:,} different pictures, {CALLERS} at a time, over HTTP on the deployed
local stack, with the month of the plan used up, so that every run costs one bought credit.

| what | credits only run out | credits come and go meanwhile |
|---|---|---|
{table}

Meanwhile, in the second race: {PACKS} packs of 100 are paid at Stripe (each event told twice), {GIFTS} gifts of
{GIFT} credits come from an administrator, and the money of {BACK} credits of the first pack goes back. Each time the
outcome is exact, not close: as many runs succeed as credits were there to be spent, and afterwards

    available + held + spent + expired + clawed back = purchased + granted

holds for the totals and for the sum of the entries, with one hold and one settle for each run that succeeded and
nothing at all for one that was refused. The test suite runs the first race in small: 200 runs, 37 credits.

Only one thing is not as in production: the owner's rate limit ({PLANS[PLAN].generate_per_minute} calls a minute) would
refuse most calls before they ask for credits. The limit itself is left as it is; its clock, one record in the table,
is moved on during the race, as if the calls came over hours. The cap of {PLANS[PLAN].images_per_day} images a day is
out of reach.

Machine: {os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, shared with other work.
How fast this is on AWS, and how often transactions on one account meet there, an emulator cannot show; what a
transaction that lost does (try again, or 503 and nothing written) is covered by the tests of the ledger.
"""


def main() -> None:
    """Run both on a stack of its own, print and write the table."""
    options = argparse.ArgumentParser()
    options.add_argument("--runs", type=int, default=RUNS)
    options.add_argument("--credits", type=int, default=CREDITS)
    chosen = options.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalStack(port=0, emulator_port=0, state=Path(folder) / "state") as stack,
    ):
        deployed = Deployed(stack)
        clients = [Client(stack.url, f"127.2.0.{number + 1}").meet() for number in range(3)]
        assert clients[2].post("/api/debug-login", json={"plan": "free", "role": "admin"}).status_code == 200
        first = race_for(deployed, clients[0], runs=chosen.runs, credits=chosen.credits, unlimited=True)
        second, moved = race_with_arrivals(deployed, clients[1], clients[2], runs=chosen.runs, unlimited=True)
    text = markdown(first, second, runs=chosen.runs, credits=chosen.credits, moved=moved)
    sys.stdout.write(text)
    DOCUMENT.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
