"""The crown: random lives of owners, with duplicates, clock jumps and crashes; after every step the books add up.

``SIMULATION_SEQUENCES`` runs more of them, ``SIMULATION_SEED`` starts elsewhere.
"""

import os
import random
from contextlib import suppress
from dataclasses import dataclass, field

import boto3
import pytest

from enhancer.adapters.table import ConditionFailed
from enhancer.domain.errors import EnhancerError, ProviderUnavailable
from enhancer.domain.images import ImageInfo
from enhancer.domain.jobs import DEADLINE_MS
from enhancer.domain.ledger import AlreadyHeld, AlreadyResolved, FundsMoved, KeyUsed
from enhancer.submission import Order
from tests.support import aws
from tests.support.books import audit, open_holds
from tests.support.crashes import Died, MortalClient
from tests.support.world import World, at

SEQUENCES = int(os.environ.get("SIMULATION_SEQUENCES", "96"))
SEED = int(os.environ.get("SIMULATION_SEED", "1"))
STEPS = 30
GROUPS = 6
EXPECTED = (EnhancerError, AlreadyHeld, AlreadyResolved, FundsMoved, KeyUsed, ConditionFailed, Died)
"""What a step may end with; anything else is a bug."""
MOMENTS = ("2026-11-20 23:59:58", "2026-11-30 23:59:58", "2026-12-31 23:59:58", "2028-02-28 23:59:58")
DAY_MS = 86_400_000


@dataclass
class Picture:
    """A photo that needs no decoding."""

    info: ImageInfo

    def clean_copy(self):
        return b"original", "png"


PICTURES = [Picture(ImageInfo("png", 8, 6, alpha=False, digest=f"pixels {number}")) for number in range(4)]


@dataclass
class Shelf:
    """A bucket in a dictionary."""

    stored: dict = field(default_factory=dict)

    def put(self, key, data, content_type):
        self.stored[key] = data

    def exists(self, key):
        return key in self.stored


class Life:
    """One random sequence of events."""

    def __init__(self, seed, client):
        self.chance = random.Random(seed)  # noqa: S311 - reproducible on purpose
        self.client = MortalClient(client)
        self.world = World(seed=seed, client=self.client)
        self.world.artifacts = self.world.predictor.artifacts = Shelf()
        self.world.clock = at(self.chance.choice(MOMENTS))
        network = self.world.new_name()
        self.callers = [
            self.world.caller(plan, network=network) for plan in ("guest", "guest", "free", "pro")
        ]
        self.plans = {f"OWNER#{one.owner.type}#{one.owner.id}": one.plan.name for one in self.callers}
        self.waiting, self.held, self.done = [], [], []
        self.latest = self.world.clock

    def live(self):
        """Thirty steps, an audit after each; then time passes, the sweep runs, and nothing is left held."""
        moves = (self.order, self.order, self.order, self.run, self.run, self.batch, self.resolve, self.resolve,
                 self.repeat, self.grant, self.jump, self.sweep)  # fmt: skip
        for _ in range(STEPS):
            move = self.chance.choice(moves)
            if self.chance.random() < 0.3:
                self.client.doom(self.chance.randrange(4), after=self.chance.random() < 0.5)
            with suppress(*EXPECTED):
                move()
            self.client.revive()
            self.latest = max(self.latest, self.world.clock)
            audit(self.plans)
        self.world.clock = self.latest + DEADLINE_MS + 1
        self.world.sweep()
        audit(self.plans)
        assert open_holds() == 0
        assert self.world.sweep() == 0

    def order(self):
        caller = self.chance.choice(self.callers)
        order = Order(scale=self.chance.choice((None, 2, 4)), quality=self.chance.choice(("standard", "pro")))
        key = self.chance.choice((None, None, "a", "b"))
        submitted = self.world.submit(caller, order, photo=self.chance.choice(PICTURES), key=key)
        assert submitted.job.owner == caller.owner
        if submitted.original:
            self.waiting.append(submitted)
            if self.chance.random() < 0.5:
                self.run()

    def run(self):
        if not self.waiting:
            return
        submitted = self.waiting.pop(self.chance.randrange(len(self.waiting)))
        self.done.append(submitted.job)
        step = self.chance.choice((None, None, None, ProviderUnavailable(), self.meanwhile))
        self.world.predictor.script = [step] if step else []
        self.world.finish(submitted)

    def meanwhile(self, _job, _item):
        """The model takes so long that the sweep comes first."""
        self.world.clock += DEADLINE_MS + 1
        self.world.sweep()

    def batch(self):
        caller = self.chance.choice(self.callers)
        prices = [
            (self.chance.choice((0, 10)), self.chance.choice((0, 5, 30)))
            for _ in range(self.chance.randint(1, 3))
        ]
        network = caller.network if caller.is_guest else None
        job = self.world.job(caller, prices, network=network)
        self.held.append(job)
        self.world.hold(job, plan=caller.plan.name, key=self.chance.choice((None, "batch")))

    def resolve(self):
        if not self.held:
            return
        job = self.chance.choice(self.held)
        stored = self.world.jobs.get(job.owner, job.id)
        unresolved = [item.index for item in stored.items if item.status == "processing"] if stored else []
        if unresolved:
            index = self.chance.choice(unresolved)
            how = self.chance.choice((self.world.settle, self.world.release))
            how(job, index, closes=len(unresolved) == 1)

    def repeat(self):
        """Anything that happened, once more."""
        if not self.held + self.done:
            return
        job = self.chance.choice(self.held + self.done)
        stored = self.world.jobs.get(job.owner, job.id)
        if stored is None:
            return
        index = self.chance.randrange(len(stored.items))
        if stored.items[index].status == "processing":
            self.world.hold(job)
        else:
            self.chance.choice((self.world.settle, self.world.release))(job, index)

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


@pytest.fixture(scope="module")
def client(cloud):
    """One client for all lives; building one takes longer than a life."""
    return boto3.client("dynamodb")


@pytest.mark.parametrize("group", range(GROUPS))
def test_whatever_happens_in_whatever_order_the_books_add_up(client, group):
    """Random orders, runs, grants, duplicates, jumps and crashes: no credit is ever lost, created or left held."""
    for number in range(group, SEQUENCES, GROUPS):
        aws.empty_table()
        try:
            Life(SEED * 100_000 + number, client).live()
        except BaseException as broken:
            broken.add_note(f"SIMULATION_SEED={SEED}, sequence {number}")
            raise
