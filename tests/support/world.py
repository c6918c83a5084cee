"""Use cases with everything they need: a table, a bucket, a clock, ids from a seed, scripted predictors.

Table and bucket are in memory; `World.in_aws` has those of moto.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any, Self

import boto3

from enhancer.adapters.aws.artifacts import Artifacts
from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.accounts import Accounts
from enhancer.adapters.dynamodb.allowances import Allowances
from enhancer.adapters.dynamodb.books import Books
from enhancer.adapters.dynamodb.jobs import Jobs
from enhancer.adapters.dynamodb.ledger import Ledger
from enhancer.adapters.dynamodb.owner_data import OwnerRecords
from enhancer.adapters.dynamodb.rates import Rates
from enhancer.adapters.dynamodb.spend import Spend
from enhancer.adapters.dynamodb.stripe_links import StripeLinks
from enhancer.adapters.dynamodb.table import Table
from enhancer.adapters.images import pixels
from enhancer.billing import checkout, stripe_events
from enhancer.billing.deps import BillingDeps
from enhancer.domain.accounts import Account
from enhancer.domain.artifacts import incoming_key
from enhancer.domain.callers import Caller
from enhancer.domain.cohorts import EVERYBODY
from enhancer.domain.costs import SPEND_CAP_MICROS
from enhancer.domain.ids import ordered_id, random_name
from enhancer.domain.jobs import DEADLINE_MS, Artifact, Item, Job, JobError, Kind, Source, Submitted
from enhancer.domain.ledger import Balance, Hold, add_up
from enhancer.domain.models import Model, Params
from enhancer.domain.owners import Owner
from enhancer.domain.payments import Checkout, Interval, Snapshot
from enhancer.domain.plans import PLANS
from enhancer.domain.pricing import Split
from enhancer.domain.refs import Ref
from enhancer.jobs import manage, run, steps, submit
from enhancer.jobs.deps import JobDeps
from enhancer.jobs.submit import EnhanceOrder
from enhancer.operations import sweep
from enhancer.operations.sweep import Swept
from tests.support import aws
from tests.support.bucket import Bucket
from tests.support.cashier import PRICES, Cashier
from tests.support.compared_table import ComparedTable
from tests.support.images import png
from tests.support.memory_table import MemoryTable
from tests.support.predictors import ScriptedPredictor
from tests.support.secret_store import SecretStore
from tests.support.workflow import ScriptedWorkflow

_numbers = itertools.count(1)


def at(text: str) -> int:
    """Epoch ms of a UTC time such as ``2026-11-20 12:00:00``."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


NOON = at("2026-11-20 12:00:00")
REPLICATE_COST, WORKERS_AI_COST = 900, 346
"""What a good prediction costs there, in USD micros."""


class World:
    """One test's world. Owners are new each time, so worlds may share a table."""

    def __init__(self, *, seed: int | None = None, table: Any = None, artifacts: Any = None) -> None:
        self.random = Random(next(_numbers) if seed is None else seed)  # noqa: S311 - reproducible on purpose
        self.signing_keys = [b"newest", b"older"]
        self.use(table or MemoryTable())
        self.artifacts: Artifacts = artifacts or Bucket()
        self.secrets = SecretStore()
        self.predictor = ScriptedPredictor(self.artifacts)
        self.replicate = ScriptedPredictor(self.artifacts, names=True, cost=REPLICATE_COST)
        self.workers_ai = ScriptedPredictor(self.artifacts, is_instant=True, cost=WORKERS_AI_COST)
        self.off: set[str] = set()
        self.spend_cap, self.chance = SPEND_CAP_MICROS, 0.0
        self.notices: list[tuple[str, Owner, dict[str, Any]]] = []
        self.cashier = Cashier(self.now)
        self.parked: list[tuple[str, str]] = []
        self.workflow = ScriptedWorkflow(self.now)
        self.pages: dict[str, bytes | BaseException] = {}
        self.clock = NOON
        self._shades, self._ids = itertools.count(), itertools.count()

    @classmethod
    def in_aws(cls, *, seed: int | None = None) -> Self:
        """One whose table and bucket are those of moto; the table in memory is compared with it at each call."""
        table = ComparedTable(Table(boto3.client("dynamodb"), aws.TABLE))
        return cls(seed=seed, table=table, artifacts=Artifacts(boto3.client("s3"), aws.BUCKET))

    def use(self, table: Any) -> None:
        """Work on this table."""
        self.table: Any = table
        self.ledger, self.jobs, self.rates = Ledger(table), Jobs(table), Rates(table)
        self.allowances = Allowances(table, lambda: self.signing_keys)
        self.accounts, self.owner_records = (
            Accounts(table, self.allowances),
            OwnerRecords(table, self.allowances),
        )
        self.links, self.spend, self.books = StripeLinks(table), Spend(table), Books(table)

    def records(self) -> list[dict[str, Any]]:
        """Everything in the table."""
        found: list[dict[str, Any]] = self.table.records()
        return found

    def now(self) -> int:
        """The time; move it by setting ``clock``."""
        return self.clock

    def new_id(self, prefix: str) -> str:
        """A fresh id; within a millisecond in the order they were asked for."""
        return ordered_id(prefix, self.clock, next(self._ids).to_bytes(4) + self.random.randbytes(12))

    def new_name(self) -> str:
        """A fresh name."""
        return random_name(self.random.randbytes(16))

    def caller(self, plan: str = "pro", *, network: str | None = None) -> Caller:
        """Somebody new with this plan."""
        kind = "guest" if plan == "guest" else "user"
        owner = Owner(kind, self.new_name())
        guest = owner if kind == "guest" else None
        return Caller(owner, PLANS[plan], kind, network or self.new_name(), guest, access=EVERYBODY)

    def grant(self, caller: Caller, tenths: int, *, source: str | None = None) -> bool:
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
        caller: Caller,
        order: EnhanceOrder = EnhanceOrder(),  # noqa: B008 - frozen
        *,
        photo: pixels.Photo | None = None,
        key: str | None = None,
        kind: Kind = "sync",
    ) -> Submitted:
        """Order an enhancement."""
        model, params = submit.interpret(order)
        return submit.submit_photo(
            model,
            params,
            photo or self.photo(),
            kind=kind,
            caller=caller,
            idempotency_key=key,
            now=self.clock,
            deps=self.job_deps,
        )

    @property
    def job_deps(self) -> JobDeps:
        """What running a job needs."""
        return JobDeps(
            predictors={
                "embedded": self.predictor,
                "replicate": self.replicate,
                "workers_ai": self.workers_ai,
            },
            artifacts=self.artifacts,
            jobs=self.jobs,
            ledger=self.ledger,
            spend=self.spend,
            workflow=self.workflow,  # type: ignore[arg-type]
            now=self.now,
            new_id=self.new_id,
            new_name=self.new_name,
            read_photo=self.read,
            download=self.download,
            enabled=self.enabled,
            spend_cap=lambda: self.spend_cap,
            notify=self.notify,
            chance=lambda: self.chance,
        )

    def notify(self, kind: str, owner: Owner, **fields: Any) -> None:
        """Somebody is told something."""
        self.notices.append((kind, owner, fields))

    @property
    def billing_deps(self) -> BillingDeps:
        """What dealing with Stripe needs."""
        return BillingDeps(
            payments=self.cashier,  # type: ignore[arg-type]
            links=self.links,
            accounts=self.accounts,
            ledger=self.ledger,
            books=self.books,
            prices=PRICES,
            live=False,
            promotion_codes=False,
            now=self.now,
            new_id=self.new_id,
            park=lambda parked, _: self.parked.append((parked.reason, parked.about)),
        )

    def person(self, plan: str = "free") -> Account:
        """A user who has signed in."""
        return self.accounts.open(
            Owner("user", self.new_name()), plan=plan, role="user", email="a@example.com", now=self.clock
        )

    def again(self, account: Account) -> Account:
        """The account as it is now."""
        found = self.accounts.get(account.owner)
        assert found, "the account is gone"
        return found

    def visitor(self, account: Account, *, key: str | None = None, to: str | None = None) -> checkout.Visitor:
        """Their browser, on the page."""
        return checkout.Visitor(self.again(account), aws.ORIGIN, "en", to, key)

    def bought(self, account: Account, size: int = 500, *, later: bool = False) -> Checkout:
        """A pack, paid at Stripe; no event of it was applied yet."""
        url = checkout.buy(self.visitor(account), size, deps=self.billing_deps)
        return self.cashier.pay(url.rpartition("/")[2], later=later)

    def subscribed(self, account: Account, plan: str = "pro", interval: Interval = "monthly") -> Snapshot:
        """A subscription, paid at Stripe; no event of it was applied yet."""
        url = checkout.subscribe(self.visitor(account), plan, interval, deps=self.billing_deps)
        paid = self.cashier.pay(url.rpartition("/")[2])
        return self.cashier.subscribed[paid.subscription or ""]

    def told(self, *, since: int = 0) -> list[stripe_events.Outcome]:
        """Apply every event that Stripe sent so far, in order."""
        return [
            stripe_events.apply_event(event, deps=self.billing_deps)
            for event in self.cashier.events_told[since:]
        ]

    def enabled(self, model: Model) -> bool:
        """Whether a model may run: all but what is ``off``, by provider or alias."""
        return not {model.provider, model.alias} & self.off

    def finish(self, submitted: Submitted, *, seconds_max: float = 25.0) -> Job:
        """Run what was submitted."""
        return run.finish(submitted, deps=self.job_deps, seconds_max=seconds_max)

    def upload(self, caller: Caller, data: bytes | None = None) -> str:
        """Store a picture as the caller's upload; return its key."""
        key = incoming_key(caller.owner, self.new_name())
        self.artifacts.put(key, data or png(shade=next(self._shades)), "image/png")
        return key

    def batch(
        self,
        caller: Caller,
        pictures: int | Sequence[bytes | Source] = 1,
        order: EnhanceOrder = EnhanceOrder(),  # noqa: B008 - frozen
        *,
        key: str | None = None,
        prompts: Sequence[str | None] = (),
        launch: bool = True,
    ) -> Job:
        """Order a batch of so many new pictures, or of these files and sources, and give it to the state machine."""
        wanted = [None] * pictures if isinstance(pictures, int) else pictures
        sources = [
            found if isinstance(found, Source) else Source("upload", self.upload(caller, found))
            for found in wanted
        ]
        model, params = submit.interpret(order)
        submitted = submit.submit_batch(
            model,
            params,
            list(zip(sources, prompts or [None] * len(sources), strict=True)),
            caller=caller,
            idempotency_key=key,
            now=self.clock,
            deps=self.job_deps,
        )
        if launch and submitted.fresh:
            run.launch(submitted.job, concurrency=caller.plan.jobs_at_once, deps=self.job_deps)
        return submitted.job

    def start_prediction(self, job: Job, item: int = 0, *, token: str = "token", turn: int = 0) -> None:  # noqa: S107
        """Step StartPrediction of this attempt."""
        steps.start_prediction(self.ref(job, item, turn), token, deps=self.job_deps)

    def poll_prediction(self, job: Job, item: int = 0, *, turn: int = 0) -> None:
        """Step PollPrediction."""
        steps.poll_prediction(self.ref(job, item, turn), deps=self.job_deps)

    def finish_item(
        self, job: Job, item: int = 0, *, error: str | None = None, turn: int = 0
    ) -> float | None:
        """Step FinishItem; the seconds until the next try, None when the item has ended."""
        return steps.finish_item(self.ref(job, item, turn), error, deps=self.job_deps)

    def finish_job(self, job: Job) -> None:
        """Step FinishJob."""
        steps.finish_job(self.ref(job), deps=self.job_deps)

    def hear_begin(self, job: Job, prediction_id: str, item: int = 0, *, turn: int = 0) -> bool:
        """The provider says that a prediction has begun; whether it goes on."""
        return steps.prediction_began(self.ref(job, item, turn), prediction_id, deps=self.job_deps)

    def hear(self, job: Job, prediction_id: str, item: int = 0, *, turn: int = 0) -> bool:
        """The provider calls back; whether somebody was woken."""
        return steps.prediction_ended(self.ref(job, item, turn), prediction_id, deps=self.job_deps)

    def deliver(self, job: Job, item: int = 0) -> None:
        """The model that was started for this item ends."""
        stored = self.stored(job)
        found = self.job_deps.predictor_of(stored, stored.items[item])
        found.deliver(stored, stored.items[item])  # type: ignore[attr-defined]

    def execute(self, job: Job, *, errors: dict[int, str] | None = None) -> Job:
        """Run the whole execution; items with an error fail with it in every try instead of ending well.

        It stops at an item that waits for one of another job.
        """
        for item in [found.index for found in job.open_items]:
            error, turn, again = (errors or {}).get(item), job.items[item].turn, True
            while again:
                self.start_prediction(job, item, token=f"token of {item}", turn=turn)
                if not error and self.stored(job).items[item].is_open:
                    self.deliver(job, item)
                again, turn = self.finish_item(job, item, error=error, turn=turn) is not None, turn + 1
                if self.stored(job).items[item].waited:
                    return self.stored(job)
        self.finish_job(job)
        self.workflow.executions[job.execution].status = "SUCCEEDED"
        return self.stored(job)

    def cancel(self, job: Job) -> Job:
        """Cancel it as its owner."""
        return manage.cancel(self.stored(job), deps=self.job_deps)

    def retry(self, job: Job, caller: Caller, *, key: str | None = None) -> Job:
        """Retry it as this caller."""
        return manage.retry(self.stored(job), caller=caller, idempotency_key=key, deps=self.job_deps)

    def delete(self, job: Job) -> None:
        """Delete it as its owner."""
        manage.delete(self.stored(job), deps=self.job_deps)

    def stored(self, job: Job) -> Job:
        """The job as it is in the table now."""
        found = self.jobs.get(job.owner, job.id)
        assert found, "the job is gone"
        return found

    def read(self, data: bytes, *, pixels_max: int) -> pixels.Photo:
        """Decode a picture."""
        return pixels.read(data, pixels_max=pixels_max)

    def download(self, url: str) -> bytes:
        """What lies under a URL: set in ``pages``."""
        found = self.pages[url]
        if isinstance(found, BaseException):
            raise found
        return found

    @staticmethod
    def ref(job: Job, item: int = 0, turn: int = 0) -> Ref:
        """What a step of this attempt is told."""
        return Ref(owner=job.owner, job_id=job.id, attempt=job.attempt, item=item, turn=turn)

    def sweep(self) -> Swept:
        """Let the sweep run now."""
        return sweep.sweep(deps=self.job_deps, owner_records=self.owner_records)

    def open_jobs(self, caller: Caller) -> int:
        """How many of the plan's jobs at once are taken."""
        found = self.table.get(keys.account(caller.owner)) or {}
        count: int = found.get("open_jobs", 0)
        return count

    def usage_and_balance(self, caller: Caller) -> tuple[int, int, int, int]:
        """Images of the day, plan tenths of the month, available and held tenths."""
        found = self.ledger.usage_and_balance(caller.owner, now=self.clock)
        return found.day_used, found.month_used, found.balance.available, found.balance.held

    def balance(self, caller: Caller) -> Balance:
        """The totals, after making sure that the entries say the same."""
        stored = self.ledger.usage_and_balance(caller.owner, now=self.clock).balance
        assert stored.difference == 0
        assert add_up(self.ledger.entries(caller.owner)) == stored
        return stored

    def kinds(self, caller: Caller) -> list[str]:
        """The kinds of an owner's entries, oldest first."""
        return [entry.kind for entry in self.ledger.entries(caller.owner)]

    def job(
        self,
        caller: Caller,
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

    def _template(self, caller: Caller) -> Job:
        source = Artifact("ai-enhancer/uploads/user/x/y.png", "image/png", 10, 8, 6)
        hold = Hold("", 0, 0, 0, self._day, self._month)
        item = Item(
            index=0,
            status="processing",
            hold=hold,
            digest="pixels",
            result_digest="result",
            input=source,
            target="ai-enhancer/results/user/x/y.png",
            output_format="png",
        )
        return Job(
            id="",
            owner=caller.owner,
            status="processing",
            model="local/photo",
            provider="embedded",
            params=Params(scale=2),
            fingerprint="fingerprint",
            items=(item,),
            created_at=self.clock,
            updated_at=self.clock,
            deadline=self.clock + DEADLINE_MS,
        )

    def hold(self, job: Job, *, plan: str = "pro", key: str | None = None) -> Job:
        """Store the job and take its price."""
        ids = [self.new_id("ent") for _ in job.open_items]
        self.ledger.hold(job, plan=PLANS[plan], key_hash=key, entry_ids=ids, now=self.clock)
        return job

    def settle(
        self, job: Job, index: int = 0, *, closes: bool = True, paid: tuple[int, int] | None = None
    ) -> None:
        """Settle one item; ``paid``: plan and credits where that is less than the hold."""
        output = Artifact(job.items[index].target, "image/png", 10, 16, 12)
        entry = self.new_id("ent")
        self.ledger.settle(
            job,
            job.items[index],
            output=output,
            seconds=0.5,
            closes=closes,
            entry_id=entry,
            now=self.clock,
            paid=Split(*paid) if paid else None,
        )

    def release(self, job: Job, index: int = 0, *, closes: bool = True) -> None:
        """Release one item."""
        error = JobError("provider_unavailable", {})
        entry = self.new_id("ent")
        self.ledger.release(job, job.items[index], error=error, closes=closes, entry_id=entry, now=self.clock)
