"""Use cases with everything they need: the table, the bucket, a clock, ids from a seed, a scripted predictor."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import boto3

from enhancer import fulfilment, identity, maintenance, submission
from enhancer.adapters import pixels
from enhancer.adapters.accounts import Accounts
from enhancer.adapters.artifacts import Artifacts
from enhancer.adapters.jobs import Jobs
from enhancer.adapters.ledger import Ledger
from enhancer.adapters.rates import Rates
from enhancer.adapters.table import Table
from enhancer.domain.entitlement import Params
from enhancer.domain.ids import ordered_id, random_name
from enhancer.domain.jobs import DEADLINE_MS, Artifact, Item, Job, JobError
from enhancer.domain.ledger import Balance, Hold, add_up
from enhancer.domain.owners import Owner
from enhancer.domain.plans import PLANS
from enhancer.submission import Order, Submitted
from tests.support import aws
from tests.support.images import png
from tests.support.predictors import ScriptedPredictor

_numbers = itertools.count(1)


def at(text: str) -> int:
    """Epoch ms of a UTC time such as ``2026-11-20 12:00:00``."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


NOON = at("2026-11-20 12:00:00")


class World:
    """One test's world. Owners are new each time, so worlds may share a table."""

    def __init__(self, *, seed: int | None = None, client: Any = None) -> None:
        self.random = Random(next(_numbers) if seed is None else seed)  # noqa: S311 - reproducible on purpose
        self.client = client or boto3.client("dynamodb")
        self.table = Table(self.client, aws.TABLE)
        self.ledger, self.jobs, self.rates = Ledger(self.table), Jobs(self.table), Rates(self.table)
        self.accounts = Accounts(self.table)
        self.artifacts = Artifacts(boto3.client("s3"), aws.BUCKET)
        self.predictor = ScriptedPredictor(self.artifacts)
        self.clock = NOON
        self._shades, self._ids = itertools.count(), itertools.count()

    def now(self) -> int:
        """The time; move it by setting ``clock``."""
        return self.clock

    def new_id(self, prefix: str) -> str:
        """A fresh id; within a millisecond in the order they were asked for."""
        return ordered_id(prefix, self.clock, next(self._ids).to_bytes(4) + self.random.randbytes(12))

    def new_name(self) -> str:
        """A fresh name."""
        return random_name(self.random.randbytes(16))

    def caller(self, plan: str = "pro", *, network: str | None = None) -> identity.Caller:
        """Somebody new with this plan."""
        kind = "guest" if plan == "guest" else "user"
        owner = Owner(kind, self.new_name())
        guest = owner if kind == "guest" else None
        return identity.Caller(owner, PLANS[plan], kind, network or self.new_name(), guest)

    def grant(self, caller: identity.Caller, tenths: int, *, source: str | None = None) -> bool:
        """Give somebody credits."""
        return self.ledger.grant(
            caller.owner,
            tenths,
            source=source or self.new_name(),
            reason="gift",
            actor="tests",
            entry_id=self.new_id("ent"),
            now=self.clock,
        )

    def photo(self, data: bytes | None = None) -> pixels.Photo:
        """A decoded picture; a new one each time unless its bytes are given."""
        return pixels.read(data or png(shade=next(self._shades)), pixels_max=32_000_000)

    def submit(
        self,
        caller: identity.Caller,
        order: Order = Order(),  # noqa: B008 - frozen
        *,
        photo: pixels.Photo | None = None,
        key: str | None = None,
    ) -> Submitted:
        """Order an enhancement."""
        model, params = submission.interpret(order)
        return submission.submit(
            model,
            params,
            photo or self.photo(),
            caller=caller,
            idempotency_key=key,
            now=self.clock,
            new_id=self.new_id,
            new_name=self.new_name,
            ledger=self.ledger,
            jobs=self.jobs,
            artifacts=self.artifacts,
        )

    def finish(self, submitted: Submitted) -> Job:
        """Run what was submitted."""
        return fulfilment.finish(
            submitted,
            predictors={"embedded": self.predictor},
            artifacts=self.artifacts,
            jobs=self.jobs,
            ledger=self.ledger,
            now=self.now,
            new_id=self.new_id,
        )

    def sweep(self) -> int:
        """Let the sweep run now."""
        return maintenance.sweep(jobs=self.jobs, ledger=self.ledger, now=self.clock, new_id=self.new_id)

    def standing(self, caller: identity.Caller) -> tuple[int, int, int, int]:
        """Images of the day, plan tenths of the month, available and held tenths."""
        found = self.ledger.standing(caller.owner, now=self.clock)
        return found.day_used, found.month_used, found.balance.available, found.balance.held

    def balance(self, caller: identity.Caller) -> Balance:
        """The totals, after making sure that the entries say the same."""
        stored = self.ledger.standing(caller.owner, now=self.clock).balance
        assert stored.difference == 0
        assert add_up(self.ledger.entries(caller.owner)) == stored
        return stored

    def kinds(self, caller: identity.Caller) -> list[str]:
        """The kinds of an owner's entries, oldest first."""
        return [entry.kind for entry in self.ledger.entries(caller.owner)]

    def job(
        self,
        caller: identity.Caller,
        holds: Iterable[tuple[int, int]] = ((10, 0),),
        *,
        network: str | None = None,
    ) -> Job:
        """A job that is not stored yet, with one item per (plan, credits) pair."""
        like = self._template(caller)
        job_id = self.new_id("job")
        items = []
        for index, (plan, credits) in enumerate(holds):
            hold = Hold(job_id, index, plan, credits, self._day, self._month, network)
            items.append(replace(like.items[0], index=index, hold=hold, result_digest=self.new_name()))
        return replace(like, id=job_id, items=tuple(items))

    @property
    def _day(self) -> str:
        return datetime.fromtimestamp(self.clock / 1000, UTC).strftime("%Y-%m-%d")

    @property
    def _month(self) -> str:
        return self._day[:7]

    def _template(self, caller: identity.Caller) -> Job:
        source = Artifact("ai-enhancer/uploads/user/x/y.png", "image/png", 10, 8, 6)
        hold = Hold("", 0, 0, 0, self._day, self._month)
        item = Item(0, "processing", hold, "pixels", "result", source, "ai-enhancer/results/user/x/y.png")
        return Job(
            id="",
            owner=caller.owner,
            status="processing",
            model="local/real-esrgan",
            provider="embedded",
            params=Params(scale=2),
            output_format="png",
            fingerprint="fingerprint",
            items=(item,),
            created_at=self.clock,
            updated_at=self.clock,
            deadline=self.clock + DEADLINE_MS,
        )

    def hold(self, job: Job, *, plan: str = "pro", key: str | None = None) -> Job:
        """Store the job and take its price."""
        ids = [self.new_id("ent") for _ in job.items]
        self.ledger.hold(job, plan=PLANS[plan], key_hash=key, entry_ids=ids, now=self.clock)
        return job

    def settle(self, job: Job, index: int = 0, *, closes: bool = True) -> None:
        """Settle one item."""
        output = Artifact(job.items[index].target, "image/png", 10, 16, 12)
        entry = self.new_id("ent")
        self.ledger.settle(
            job, job.items[index], output=output, seconds=0.5, closes=closes, entry_id=entry, now=self.clock
        )

    def release(self, job: Job, index: int = 0, *, closes: bool = True) -> None:
        """Release one item."""
        error = JobError("provider_unavailable", {})
        entry = self.new_id("ent")
        self.ledger.release(job, job.items[index], error=error, closes=closes, entry_id=entry, now=self.clock)
