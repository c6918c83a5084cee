"""A process that dies at any call of a run that fails over, in a request or step by step: the books stay right."""

from contextlib import suppress

import pytest

from enhancer.domain.errors import EnhancerError, ProviderFailed, ProviderThrottled
from enhancer.domain.jobs import DEADLINE_MS, StaleAttempt
from enhancer.jobs.submit import EnhanceOrder
from tests.support.books import audit, open_holds
from tests.support.crashes import Died, Mortal
from tests.support.memory_table import MemoryTable
from tests.support.world import World

ORDER = EnhanceOrder(model="nano-banana", prompt="a castle")
REQUEST_CALLS, STEP_CALLS, TURNS_MAX = 22, 40, 8
STANDING = {None: (1, 2960, 500, 0), "flux-klein": (2, 2972, 500, 0), "nano-banana": (2, 3000, 440, 0)}
"""Images, month, available and held credits by the model whose picture was paid for."""


def lived(way, *, doomed=None, after=False):
    """A run whose first model is throttled and then down; return world, caller and client.

    10.0 is held, of which 4.0 are the plan's; the cheaper model costs 1.2.
    """
    client = Mortal(MemoryTable())
    world = World(table=client)
    caller = world.caller("pro")
    world.grant(caller, 500)
    world.settle(world.hold(world.job(caller, [(2960, 0)])))
    world.replicate.script = [ProviderThrottled(), ProviderFailed()]
    client.fate.calls = 0
    if doomed is not None:
        client.fate.doom(doomed, after=after)
    way(world, caller, client)
    client.fate.revive()
    return world, caller, client


def in_a_request(world, caller, _client):
    with suppress(Died, EnhancerError):
        world.finish(world.submit(caller, ORDER))


def by_steps(world, caller, client):
    """As the state machine does: a step that dies is delivered again, by a new process."""
    held = []
    with suppress(Died):
        held.append(world.batch(caller, 1, ORDER))
    client.fate.revive() if not held else None
    for turn in range(TURNS_MAX if held else 0):
        error = stepped(client, lambda turn=turn: world.start_prediction(held[0], turn=turn))
        again = stepped(client, lambda turn=turn, error=error: again_after(world, held[0], turn, error))
        if not again:
            break
    if held:
        stepped(client, lambda: world.finish_job(held[0]))
        world.workflow.executions[held[0].execution].status = "SUCCEEDED"


def again_after(world, job, turn, error):
    """What FinishItem answers: True when another turn follows. A prediction that runs ends meanwhile."""
    item = world.stored(job).items[0]
    if item.prediction and item.is_open and item.turn == turn:
        world.deliver(job)
    return world.finish_item(job, turn=turn, error=error) is not None


def stepped(client, step):
    """Do it, twice if it dies; the class of its error, else what it answers."""
    for _ in range(2):
        try:
            return step()
        except Died:
            client.fate.revive()
        except (EnhancerError, StaleAttempt) as failed:
            return type(failed).__name__
    return None


WAYS = [(in_a_request, REQUEST_CALLS), (by_steps, STEP_CALLS)]
POINTS = [(way, call) for way, calls in WAYS for call in range(calls)]


def plans(caller):
    return {f"OWNER#user#{caller.owner.id}": "pro"}


@pytest.mark.parametrize(("way", "calls"), WAYS, ids=["request", "steps"])
def test_a_whole_run_makes_fewer_calls_than_the_crashes_cover(way, calls):
    """Every call of a run is a point where it dies below, and one lies behind its end."""
    world, caller, client = lived(way)
    assert client.fate.calls == calls - 1
    assert world.usage_and_balance(caller) == (2, 2972, 500, 0)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("way", "call"), POINTS, ids=[f"{way.__name__}-{call}" for way, call in POINTS])
def test_after_a_crash_at_any_call_of_a_failover_the_charge_is_its_price_or_nothing(way, call, after):
    """The books add up at once and after the sweep; one picture is paid for, of the model that made it, or none."""
    world, caller, _ = lived(way, doomed=call, after=after)
    audit(plans(caller), records=world.records(), deaths=1)
    world.clock += DEADLINE_MS + 1
    world.sweep()
    audit(plans(caller), records=world.records(), deaths=1)
    assert open_holds(world.records()) == 0
    jobs, _ = world.jobs.page(caller.owner, statuses=("succeeded",), limit=9, after=None)
    made = [job.model_of(job.items[0]).alias for job in jobs if job.model == "google/nano-banana"]
    assert world.usage_and_balance(caller) == STANDING[made[0] if made else None]
    assert len(made) == world.kinds(caller).count("settle") - 1
