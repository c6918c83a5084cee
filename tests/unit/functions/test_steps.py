"""The functions behind the state machine's steps: an event in, a decision out."""

import pytest

from enhancer.domain import errors
from enhancer.jobs.submit import EnhanceOrder
from tests.support.events import CONTEXT


@pytest.fixture
def job(served):
    """A job of one picture for a hosted model, held and started."""
    return served.batch(served.caller("pro"), 1, EnhanceOrder(model="real-esrgan"))


def event(job, **more):
    told = {
        "ownerType": job.owner.type,
        "ownerId": job.owner.id,
        "jobId": job.id,
        "attempt": 1,
        "item": 0,
        "turn": 0,
    }
    return told | more


@pytest.mark.parametrize(
    ("asked", "seconds"), [(None, 0), (0.2, 1), (1.0, 1), (7.5, 8), (30.0, 30)]
)  # fmt: skip
def test_a_failed_try_is_answered_with_again_and_whole_seconds(apps, served, job, asked, seconds):
    """Never earlier than the provider asked: rounded up, as the state machine counts."""
    served.replicate.script = [errors.ProviderThrottled(retry_after=asked)]
    with pytest.raises(errors.ProviderThrottled):
        apps.start_prediction(event(job, token="t"), CONTEXT)
    answer = apps.finish_item(event(job, error="ProviderThrottled"), CONTEXT)
    assert answer == {"again": True, "seconds": seconds}


def test_an_item_that_ended_is_answered_with_the_end(apps, served, job):
    """Settled, and nothing follows; said again however often it is asked."""
    apps.start_prediction(event(job, token="t"), CONTEXT)
    served.deliver(job)
    answers = [apps.finish_item(event(job, error=None), CONTEXT) for _ in range(2)]
    assert answers == [{"again": False, "seconds": 0}] * 2
    apps.finish_job(event(job), CONTEXT)
    assert served.stored(job).status == "succeeded"


def test_an_event_without_a_turn_is_the_first_one(apps, served, job):
    """Executions that were started by the version before go on."""
    early = event(job, token="t")
    del early["turn"]
    assert apps.start_prediction(early, CONTEXT) is None
    assert served.replicate.tries == [(job.id, 0, 1, 0)]


def test_a_poll_that_finds_nothing_fails_with_the_class_that_finish_item_knows(apps, served, job):
    """The state machine passes on its name."""
    apps.start_prediction(event(job, token="t"), CONTEXT)
    with pytest.raises(errors.ProviderTimeout):
        apps.poll_prediction(event(job), CONTEXT)
