"""The tie between our own model's run and its job: it stops when it should, and its end wakes the waiting step."""

from dataclasses import replace

import pytest

from enhancer.api import model_watch
from enhancer.api.model_watch import CHECK_SECONDS, Watch
from enhancer.domain.errors import ImageUnreadable, JobCanceled
from enhancer.domain.refs import Ref


@pytest.fixture
def time(monkeypatch):
    """A stopwatch that the test moves."""
    passed = {"seconds": 100.0}
    monkeypatch.setattr(model_watch.time, "monotonic", lambda: passed["seconds"])
    return passed


@pytest.fixture
def reads(served, monkeypatch):
    """Counts how often the table is asked for a job."""
    asked, get = [], served.jobs.get
    monkeypatch.setattr(model_watch.runtime, "jobs", lambda: served.jobs)
    monkeypatch.setattr(served.jobs, "get", lambda *who: asked.append(who) or get(*who))
    return asked


@pytest.fixture
def job(served):
    """A job whose item is being worked on."""
    started = served.batch(served.caller("pro"))
    served.start_prediction(started, token="waiting")
    return started


def ref(job, *, attempt=1, item=0):
    return Ref(job.owner, job.id, attempt, item)


def test_a_good_end_wakes_who_waits(served, job):
    """With the token that is there when the work is done."""
    with Watch(ref(job)):
        served.start_prediction(job, token="newer")
    assert (served.workflow.woken, served.workflow.failed) == (["newer"], [])


@pytest.mark.parametrize("problem", [ImageUnreadable(format="png"), RuntimeError("secret"), MemoryError()])
def test_a_bad_end_tells_its_class_and_nothing_else(served, job, problem):
    """The waiting step fails with the name; the error goes on."""
    with pytest.raises(type(problem)), Watch(ref(job)):
        raise problem
    assert served.workflow.failed == [("waiting", type(problem).__name__)]
    assert served.workflow.woken == []


def test_a_token_that_no_longer_waits_is_no_error(served, job):
    """The execution was stopped meanwhile."""
    served.workflow.gone.add("waiting")
    with Watch(ref(job)) as watched:
        watched.check()
    assert served.workflow.woken == ["waiting"]


def test_without_a_job_nothing_is_read_and_nobody_woken(served, time, reads):
    """Called directly it only does its work."""
    with Watch(None) as watched:
        time["seconds"] += 1000
        watched.check()
    assert (reads, served.workflow.woken, served.workflow.failed) == ([], [], [])


def test_a_run_that_nobody_waits_for_wakes_nobody(served):
    """The job of a request has no token."""
    submitted = served.submit(served.caller("pro"))
    with Watch(ref(submitted.job)):
        pass
    assert served.workflow.woken == []


def test_a_job_that_is_gone_wakes_nobody(served, job):
    """Deleted while its model ran."""
    served.delete(served.cancel(job))
    with Watch(ref(job)):
        pass
    assert served.workflow.woken == []


def ended(served, job):
    served.finish_item(job, error="ProviderTimeout")


def canceled(served, job):
    served.cancel(job)


def gone(served, job):
    served.delete(served.cancel(job))


@pytest.mark.parametrize("how", [ended, canceled, gone], ids=lambda how: how.__name__)
def test_work_without_use_stops_within_the_check_interval(served, job, time, reads, how):
    """Up to two seconds later at the next tile: no sooner, so that tiles cost no reads, and no later."""
    with pytest.raises(JobCanceled), Watch(ref(job)) as watched:  # noqa: PT012 - the work that is watched
        how(served, job)
        reads.clear()
        time["seconds"] += CHECK_SECONDS - 0.001
        watched.check()
        assert reads == []
        time["seconds"] += 0.001
        watched.check()
    assert CHECK_SECONDS == 2.0


def test_work_with_a_use_goes_on_and_asks_once_per_interval(served, job, time, reads):
    """Ten checks within an interval are one read."""
    with Watch(ref(job)) as watched:
        for _ in range(3):
            time["seconds"] += CHECK_SECONDS
            for _ in range(10):
                watched.check()
        assert len(reads) == 3


def test_a_run_of_an_earlier_attempt_stops_and_wakes_nobody(served, job, time):
    """The next attempt has a run and a token of its own; a late result of the old one is dropped."""
    caller = served.caller("pro")
    owner_caller = replace(caller, owner=job.owner)
    with Watch(ref(job)):
        again = served.retry(served.cancel(job), owner_caller)
        served.start_prediction(again, token="of the next attempt")
    assert (served.workflow.woken, served.workflow.failed) == ([], [])
    with pytest.raises(JobCanceled), Watch(ref(job)) as watched:  # noqa: PT012 - the work that is watched
        time["seconds"] += CHECK_SECONDS
        watched.check()
    assert served.workflow.failed == []
