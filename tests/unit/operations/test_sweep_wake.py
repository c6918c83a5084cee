"""Call-backs that were lost: the sweep asks the provider, and wakes whoever waits in vain."""

import pytest

from enhancer.domain import errors
from enhancer.jobs.submit import EnhanceOrder
from enhancer.operations.sweep import SILENCE_MS, Swept


@pytest.fixture
def job(world):
    """A job of two pictures whose first prediction runs."""
    made = world.batch(world.caller("pro"), 2, EnhanceOrder(model="real-esrgan"))
    world.start_prediction(made, 0, token="t")
    return made


def failed(world, job):
    stored = world.stored(job)
    world.replicate.fail(stored, stored.items[0], errors.ProviderFailed())


@pytest.mark.parametrize("ends", [lambda world, job: world.deliver(job), failed], ids=["well", "badly"])
def test_a_step_whose_call_back_was_lost_is_woken(world, job, ends):
    """The prediction has ended, well or not, and nobody said so."""
    ends(world, job)
    world.clock += SILENCE_MS
    assert world.sweep() == Swept(woken=1)
    assert world.workflow.woken == ["t"]


def test_a_step_that_no_longer_waits_is_not_counted(world, job):
    """The call-back came just before."""
    world.deliver(job)
    world.workflow.gone.add("t")
    world.clock += SILENCE_MS
    assert world.sweep() == Swept()


def test_a_young_prediction_is_not_asked_about(world, job):
    """Its call-back may still be on its way."""
    world.deliver(job)
    world.clock += SILENCE_MS - 1
    world.replicate.looks = [RuntimeError("asked")]
    assert world.sweep() == Swept()
    assert world.workflow.woken == []


def test_a_prediction_that_still_runs_is_left_alone(world, job):
    """Silence is no end."""
    world.clock += SILENCE_MS
    assert world.sweep() == Swept()
    assert (world.workflow.woken, world.replicate.canceled) == ([], [])


@pytest.mark.parametrize(
    "problem", [errors.ProviderUnavailable(), errors.ProviderThrottled(), errors.ProviderForbidden()],
    ids=lambda problem: type(problem).__name__,
)  # fmt: skip
def test_a_provider_that_does_not_answer_is_asked_again_by_the_next_sweep(world, job, problem):
    """Nothing is broken by that, and nothing is lost."""
    world.deliver(job)
    world.clock += SILENCE_MS
    world.replicate.looks = [problem]
    assert world.sweep() == Swept()
    assert world.sweep() == Swept(woken=1)


def test_a_bug_in_one_job_is_counted_and_keeps_no_other_asleep(world, job):
    """Each job is on its own."""
    other = world.batch(world.caller("pro"), 1, EnhanceOrder(model="real-esrgan"))
    world.start_prediction(other, token="u")
    for found in (job, other):
        world.deliver(found)
    world.clock += SILENCE_MS
    world.replicate.looks = [KeyError("bug")]
    assert world.sweep() == Swept(woken=1, broken=1)


def test_a_prediction_nobody_waits_for_is_not_asked_about(world):
    """It was handed over, and the state machine has not come yet: its first step looks itself."""
    world.replicate.script = [errors.ProviderThrottled(retry_after=25.0)]
    job = world.finish(world.submit(world.caller("pro"), EnhanceOrder(model="real-esrgan")))
    world.clock += SILENCE_MS
    world.replicate.looks = [RuntimeError("asked")]
    assert world.stored(job).items[0].prediction is None
    assert world.sweep() == Swept()


def test_a_woken_job_goes_on_to_its_end(world, job):
    """As if the call-back had come."""
    world.deliver(job)
    world.clock += SILENCE_MS
    world.sweep()
    world.finish_item(job)
    assert world.stored(job).items[0].status == "succeeded"
