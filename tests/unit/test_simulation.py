"""The crown: random lives of owners, with duplicates, clock jumps and crashes; after every step the books add up.

``SIMULATION_SEQUENCES`` runs more of them, ``SIMULATION_SEED`` starts elsewhere.
"""

import os
import random
from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from enhancer.adapters.dynamodb.result_index import HOLDERS_MAX
from enhancer.adapters.dynamodb.table import ConditionFailed
from enhancer.domain.artifacts import NoArtifact
from enhancer.domain.callers import Caller
from enhancer.domain.cohorts import EVERYBODY
from enhancer.domain.errors import (
    EnhancerError,
    ImageUnreadable,
    ProviderError,
    ProviderFailed,
    ProviderForbidden,
    ProviderOutputInvalid,
    ProviderThrottled,
    ProviderUnavailable,
)
from enhancer.domain.images import NOTHING_KNOWN, About, ImageInfo
from enhancer.domain.jobs import DEADLINE_MS, Artifact, PredictionStarted, StaleAttempt
from enhancer.domain.ledger import AlreadyHeld, AlreadyResolved, BalanceChanged, KeyUsed
from enhancer.domain.predictions import OutOfTime, StillRunning
from enhancer.jobs.submit import EnhanceOrder
from enhancer.operations.sweep import Swept
from tests.support import aws
from tests.support.books import audit, open_holds
from tests.support.crashes import Died, Mortal
from tests.support.memory_table import MemoryTable
from tests.support.predictors import ScriptedPredictor
from tests.support.workflow import ScriptedWorkflow
from tests.support.world import World, at

SEQUENCES = int(os.environ.get("SIMULATION_SEQUENCES", "24"))
SEED = int(os.environ.get("SIMULATION_SEED", "1"))
STEPS = 30
GROUPS = 6
EXPECTED = (EnhancerError, AlreadyHeld, AlreadyResolved, BalanceChanged, KeyUsed, ConditionFailed, StaleAttempt,
            PredictionStarted, Died)  # fmt: skip
"""What a step may end with; anything else is a bug."""
MOMENTS = ("2026-11-20 23:59:58", "2026-11-30 23:59:58", "2026-12-31 23:59:58", "2028-02-28 23:59:58")
DAY_MS = 86_400_000
ERRORS = (
    None,
    None,
    None,
    "ProviderTimeout",
    "ImageUnreadable",
    "Lambda.Unknown",
    "ProviderThrottled",
    "ProviderFailed",
)
TRIES_MAX = 12
"""More than any chain of models has."""
ORDERS = (
    {}, {}, {"scale": 4}, {"quality": "pro"}, {"model": "real-esrgan", "scale": 2}, {"model": "topaz"},
    {"model": "real-esrgan", "scale": 4, "face": True}, {"model": "nano-banana", "prompt": "x"},
    {"model": "flux-klein", "prompt": "x"}, {"model": "gfpgan"},
)  # fmt: skip


@dataclass
class Picture:
    """A photo that needs no decoding."""

    info: ImageInfo
    about: About = NOTHING_KNOWN

    def clean_copy(self):
        return b"original", "png"


PICTURES = [Picture(ImageInfo("png", 8, 6, alpha=False, digest=f"pixels {number}")) for number in range(4)]


@dataclass
class Shelf:
    """A bucket in a dictionary."""

    stored: dict = field(default_factory=dict)

    def put(self, key, data, content_type, *, facts=None):
        self.stored[key] = data

    def get(self, key):
        if key not in self.stored:
            raise NoArtifact(key)
        return self.stored[key]

    def head(self, key):
        facts = {"width": 16, "height": 12}
        return SimpleNamespace(content_type="image/png", size=len(self.get(key)), facts=facts)

    def exists(self, key):
        return key in self.stored

    def copy_relabelled(self, key, to, *, before, after):
        self.stored[to] = self.get(key)

    def delete(self, key):
        self.stored.pop(key, None)


class QuickPredictor(ScriptedPredictor):
    """Its pictures are never looked at."""

    def deliver(self, job, item):
        self.artifacts.put(item.target, b"result", "image/png")
        return Artifact(item.target, "image/png", 6, 16, 12)


def read(data, *, pixels_max):
    """Decode a picture's number."""
    if data == b"damaged":
        raise ImageUnreadable(format="png")
    return PICTURES[int(data)]


class Life:
    """One random sequence of events."""

    def __init__(self, seed, table):
        self.chance = random.Random(seed)  # noqa: S311 - reproducible on purpose
        self.client = Mortal(table)
        self.world = world = World(seed=seed, table=self.client)
        world.artifacts = self.client.bind(
            Shelf(), "put", "get", "head", "exists", "copy_relabelled", "delete"
        )
        self.models = {
            "predictor": QuickPredictor(world.artifacts),
            "replicate": QuickPredictor(world.artifacts, names=True, cost=900),
            "workers_ai": QuickPredictor(world.artifacts, is_instant=True),
        }
        for name, model in self.models.items():
            setattr(world, name, self.client.bind(model, "start", "ended", "collect", "cancel"))
        world.off = set(self.chance.choice(((), (), ("local",), ("workers_ai",))))
        world.spend_cap = self.chance.choice((0, 50_000, 20_000_000, 20_000_000))
        self.deaths = 0
        world.workflow = self.client.bind(
            ScriptedWorkflow(world.now), "start", "stop", "status", "wake", "fail"
        )
        world.read = read
        world.clock = at(self.chance.choice(MOMENTS)) - DAY_MS
        network = world.new_name()
        self.callers = [world.caller(plan, network=network) for plan in ("guest", "guest", "free", "pro")]
        self.plans = {f"OWNER#{one.owner.type}#{one.owner.id}": one.plan.name for one in self.callers}
        for caller in self.callers:  # their months are nearly used up, so that credits pay, too
            quota = caller.plan.quota_tenths - self.chance.choice((15, 45, 100))
            world.settle(world.hold(world.job(caller, [(quota, 0)]), plan=caller.plan.name))
        world.clock += DAY_MS
        guest, user = self.callers[0], self.callers[3]
        self.signed_in = Caller(user.owner, user.plan, "user", network, guest.owner, access=EVERYBODY)
        self.waiting, self.jobs, self.gone, self.deleting = [], [], [], []
        self.latest = world.clock

    def live(self):
        """Thirty steps, an audit after each; then time passes, the sweep runs, and nothing is left open."""
        moves = (self.order, self.order, self.run, self.run, self.batch, self.batch, self.batch, self.step, self.step,
                 self.step, self.step, self.execute, self.execute, self.execute, self.cancel, self.retry, self.retry,
                 self.delete, self.grant, self.jump, self.sweep, self.hear)  # fmt: skip
        for _ in range(STEPS):
            move = self.chance.choice(moves)
            if self.chance.random() < 0.3:
                self.client.fate.doom(self.chance.randrange(9), after=self.chance.random() < 0.5)
            self.prepare([])
            with suppress(*EXPECTED):
                try:
                    move()
                except Died:
                    self.deaths += 1
            self.client.fate.revive()
            self.verify()
        self.world.clock = self.latest + DEADLINE_MS + 1
        self.world.sweep()
        self.verify()
        assert open_holds(self.world.records()) == 0
        assert self.world.sweep() == Swept()
        assert "RUNNING" not in {found.status for found in self.world.workflow.executions.values()}

    def verify(self):
        """The books add up, no item was started twice in an attempt, no result is made twice at once or forgotten."""
        self.latest = max(self.latest, self.world.clock)
        self.gone += [job for job in self.deleting if self.world.jobs.get(job.owner, job.id) is None]
        self.deleting = []
        audit(self.plans, self.gone, records=self.world.records(), deaths=self.deaths)
        tries = [one for model in self.models.values() for one in model.tries]
        assert len(tries) == len(set(tries))
        for caller in self.callers:
            jobs = self.world.jobs.page(caller.owner, statuses=(), limit=1000, after=None)[0]
            made = [item.result_digest for job in jobs if job.is_open for item in job.items
                    if item.status == "processing" and not item.fallback]  # fmt: skip
            assert len(made) == len(set(made)), made
            for item, found in ((item, self.index_of(job.owner, item)) for job in jobs for item in job.items
                                if item.output and item.result_digest):  # fmt: skip
                known = {(found.result_job, found.result_item), *(one[:2] for one in found.holders)}
                assert (item.hold.job_id, item.index) in known or len(found.holders) >= HOLDERS_MAX, known

    def index_of(self, owner, item):
        """What is known of an item's result."""
        return self.world.ledger.earlier(
            owner, key_hash=None, result_digest=item.result_digest, now=self.world.clock
        )

    def prepare(self, script):
        """Let the next runs and starts of every model go like this."""
        for model in self.models.values():
            model.script = list(script)

    def trouble(self):
        """A try that fails, in some way, or goes on."""
        return self.chance.choice(
            (ProviderThrottled(), ProviderThrottled(retry_after=99.0), ProviderUnavailable(), ProviderFailed(),
             ProviderOutputInvalid(), ProviderForbidden(), OutOfTime(), StillRunning("p"))
        )  # fmt: skip

    def order(self):
        caller = self.chance.choice(self.callers)
        order = EnhanceOrder(**self.chance.choice(ORDERS))
        key, kind = self.chance.choice((None, None, "a", "b")), self.chance.choice(("sync", "sync", "async"))
        submitted = self.world.submit(caller, order, photo=self.chance.choice(PICTURES), key=key, kind=kind)
        assert submitted.job.owner == caller.owner
        self.jobs.append(submitted.job)
        if submitted.fresh and submitted.job.kind == "sync":
            self.waiting.append(submitted)
            if self.chance.random() < 0.5:
                self.run()

    def run(self):
        if not self.waiting:
            return
        submitted = self.waiting.pop(self.chance.randrange(len(self.waiting)))
        steps = [self.trouble() for _ in range(self.chance.randrange(4))]
        self.prepare([*steps, self.meanwhile] if self.chance.random() < 0.15 else steps)
        self.world.finish(submitted)

    def meanwhile(self, _job, _item):
        """The model takes so long that the sweep comes first."""
        self.world.clock += DEADLINE_MS + 1
        self.world.sweep()

    def batch(self):
        files = [
            self.chance.choice((b"0", b"1", b"2", b"3", b"damaged")) for _ in range(self.chance.randint(1, 4))
        ]
        order = EnhanceOrder(**self.chance.choice(ORDERS))
        caller, key = self.chance.choice(self.callers), self.chance.choice((None, None, "batch"))
        launch = self.chance.random() < 0.8
        self.jobs.append(self.world.batch(caller, files, order, key=key, launch=launch))

    def pick(self, *, ended=False):
        """Any job there was, as it is now; one that ``ended`` badly if there is one."""
        recent = self.jobs[-6:]
        if ended:
            stored = [self.world.jobs.get(job.owner, job.id) for job in self.jobs]
            recent = [job for job in stored if job and not job.is_open and not job.items[0].output] or recent
        job = self.chance.choice(recent) if recent else None
        return self.world.jobs.get(job.owner, job.id) if job else None

    def step(self):
        """Any step of any attempt, whether it is its turn or not."""
        job = self.pick()
        if job is None:
            return
        item = self.chance.randrange(len(job.items))
        turn = max(0, job.items[item].turn + self.chance.choice((0, 0, 0, -1, 1)))
        self.prepare(self.refusals())
        match self.chance.randrange(8):
            case 0 | 1 | 2:
                self.world.start_prediction(job, item, token=self.chance.choice("xyz"), turn=turn)
            case 3:
                self.end(job, job.items[item])
            case 4:
                self.world.poll_prediction(job, item, turn=turn)
            case 5 | 6:
                self.world.finish_item(job, item, error=self.chance.choice(ERRORS), turn=turn)
            case 7:
                self.world.finish_job(job)

    def refusals(self):
        """How a start may go: it works, or it is refused."""
        refusal = self.chance.choice(
            (ProviderThrottled(), ProviderThrottled(retry_after=5.0), ProviderFailed())
        )
        return [refusal] * self.chance.randrange(2)

    def end(self, job, item):
        """The model ends, well or badly."""
        if not item.prediction or not item.input:
            return
        model = self.world.job_deps.predictor_of(job, item)
        if self.chance.random() < 0.7:
            model.deliver(job, item)
        else:
            failed = self.chance.choice((ProviderFailed, ProviderOutputInvalid))
            model.fail(job, item, failed(cost=450 if model is self.world.replicate else 0))

    def execute(self):
        """A whole execution; its steps may be delivered twice, and each item ends as it likes."""
        job = self.pick()
        if job is None or not job.is_open:
            return
        for item in job.open_items:
            turn = item.turn
            while self.one_try(job, item.index, turn) is not None:
                turn += 1
                if self.world.stored(job).items[item.index].waited > item.waited:
                    break  # for an item that may not end before the next step of this life
                assert turn < item.turn + TRIES_MAX
        if self.chance.random() < 0.8:
            self.world.finish_job(job)

    def one_try(self, job, index, turn):
        """One turn of an item, its steps once or twice; what FinishItem answered last."""
        self.prepare(self.refusals())
        for _ in range(self.chance.randint(1, 2)):
            with suppress(ProviderError):
                self.world.start_prediction(job, index, turn=turn)
        started, error = self.world.stored(job).items[index], self.chance.choice(ERRORS)
        if not error:
            self.end(job, started)
        answers = [
            self.world.finish_item(job, index, error=error, turn=turn)
            for _ in range(self.chance.randint(1, 2))
        ]
        return answers[-1]

    def hear(self):
        """A call-back, of the present try or another one."""
        if job := self.pick():
            item = self.chance.choice(job.items)
            name = QuickPredictor.name_of(job, item)
            self.world.hear(job, self.chance.choice((name, name, "strange")), item.index, turn=item.turn)

    def cancel(self):
        if job := self.pick():
            self.world.cancel(job)

    def retry(self):
        job = self.pick(ended=True)
        if job is None:
            return
        (owner,) = [caller for caller in self.callers if caller.owner == job.owner]
        caller = self.signed_in if job.owner == self.signed_in.guest and self.chance.random() < 0.5 else owner
        again = self.world.retry(job, caller, key=self.chance.choice((None, "a", "again")))
        assert again.owner == job.owner

    def delete(self):
        if job := self.pick():
            self.deleting.append(job)
            self.world.delete(job)

    def grant(self):
        caller, source = self.chance.choice(self.callers), f"gift#{self.chance.randrange(3)}"
        self.world.grant(caller, self.chance.choice((5, 50, 1000)), source=source)

    def jump(self):
        next_midnight = (self.world.clock // DAY_MS + 1) * DAY_MS
        ahead = next_midnight - self.world.clock
        self.world.clock += self.chance.choice((1, 1000, 61_000, DEADLINE_MS + 1, ahead - 1, ahead, ahead + DAY_MS,
                                                31 * DAY_MS, -3_600_000))  # fmt: skip

    def sweep(self):
        self.world.sweep()


@pytest.mark.parametrize("group", range(GROUPS))
def test_whatever_happens_in_whatever_order_the_books_add_up(group):
    """Random orders, batches, steps, cancels, retries, jumps and crashes: nothing is lost, created or left held."""
    for number in range(group, SEQUENCES, GROUPS):
        live(number, MemoryTable())


def test_a_random_life_is_the_same_in_dynamodb(cloud):
    """Every answer of the table in memory is compared with moto's, whatever the life asks for."""
    aws.empty_table()
    live(SEQUENCES, World.in_aws().table)


def live(number, table):
    try:
        Life(SEED * 100_000 + number, table).live()
    except BaseException as broken:
        broken.add_note(f"SIMULATION_SEED={SEED}, sequence {number}")
        raise
