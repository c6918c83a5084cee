"""Running a held job: settled when it is good, released whatever else happens."""

from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from enhancer.domain import errors
from enhancer.domain.errors import JobCanceled, JobExpired, ProviderTimeout
from enhancer.domain.jobs import DEADLINE_MS, JobError
from enhancer.jobs import resolve, run
from tests.support.images import size_of

PROVIDER = [raised() for raised in errors.leaves(errors.ProviderError)]
PICTURE = [errors.ImageUnreadable(format="png"), errors.OutputTooLarge(width=1, height=1, limit=1)]
UNEXPECTED = [
    RuntimeError("bug"), KeyError("width"), TimeoutError(), MemoryError(), OSError(28, "disk full"),
    ClientError({"Error": {"Code": "InternalError"}}, "Invoke"), KeyboardInterrupt(), SystemExit(1),
]  # fmt: skip


def named(problem):
    return type(problem).__name__


def test_a_good_run_is_stored_settled_and_described(world):
    """Original and result lie in the bucket, the hold is spent, the job says so."""
    caller = world.caller("pro")
    world.grant(caller, 100)
    world.hold(world.job(caller, [(2995, 0)]))
    submitted = world.submit(caller)
    job = world.finish(submitted)
    item = job.items[0]
    assert (job.status, item.status) == ("succeeded", "succeeded")
    assert world.artifacts.get(item.input.key) == submitted.original
    assert (
        size_of(world.artifacts.get(item.output.key)) == (16, 12) == (item.output.width, item.output.height)
    )
    assert world.balance(caller).spent == 5
    stored = world.jobs.get(caller.owner, job.id)
    assert (stored.status, stored.items) == (job.status, job.items)


@pytest.mark.parametrize("problem", PROVIDER + PICTURE, ids=named)
def test_a_failed_run_is_released_and_tells_why(world, problem):
    """Every error of ours gives the hold back, is recorded on the item and reaches the caller."""
    caller = world.caller("pro")
    world.predictor.script = [problem] * 3
    submitted = world.submit(caller)
    with pytest.raises(type(problem)) as failed:
        world.finish(submitted)
    assert failed.value is problem
    assert world.usage_and_balance(caller) == (0, 0, 0, 0)
    item = world.jobs.get(caller.owner, submitted.job.id).items[0]
    assert (item.status, item.error) == ("failed", JobError(problem.code, problem.details))


@pytest.mark.parametrize("problem", UNEXPECTED, ids=named)
def test_an_unexpected_crash_is_released_and_recorded_without_its_text(world, problem):
    """Nobody pays for our bugs; what is recorded is generic."""
    caller = world.caller("pro")
    world.predictor.script = [problem]
    submitted = world.submit(caller)
    with pytest.raises(type(problem)):
        world.finish(submitted)
    assert world.usage_and_balance(caller) == (0, 0, 0, 0)
    assert world.jobs.get(caller.owner, submitted.job.id).items[0].error == JobError("internal_error", {})


def test_a_bucket_that_fails_before_the_run_releases_and_never_runs(world, monkeypatch):
    """Without a stored original no model is started."""
    caller = world.caller("pro")
    submitted = world.submit(caller)

    def broken(*_put):
        raise ClientError({"Error": {"Code": "SlowDown"}}, "PutObject")

    monkeypatch.setattr(world.artifacts, "put", broken)
    with pytest.raises(ClientError):
        world.finish(submitted)
    assert world.predictor.runs == []
    assert world.usage_and_balance(caller) == (0, 0, 0, 0)


def test_a_provider_nobody_has_is_released(world):
    """A job for a provider that was switched off meanwhile costs nothing."""
    caller = world.caller("pro")
    submitted = world.submit(caller)
    with pytest.raises(KeyError):
        run.run(
            submitted.job, submitted.original, deps=replace(world.job_deps, predictors={}), seconds_max=25
        )
    assert world.usage_and_balance(caller) == (0, 0, 0, 0)


def test_a_result_that_comes_after_the_sweep_changes_nothing(world):
    """A late success finds its hold released: no charge, the job stays failed, the caller is told, nothing is kept."""
    caller = world.caller("pro")
    world.grant(caller, 100)

    def too_late(_job, _item):
        world.clock += DEADLINE_MS + 1
        world.sweep()

    world.predictor.script = [too_late]
    submitted = world.submit(caller)
    with pytest.raises(JobExpired) as expired:
        world.finish(submitted)
    assert expired.value.details == {"jobId": submitted.job.id}
    assert world.usage_and_balance(caller) == (0, 0, 100, 0)
    assert world.balance(caller).spent == 0
    assert world.jobs.get(caller.owner, submitted.job.id).items[0].error.code == "job_expired"
    assert world.kinds(caller) == ["grant", "hold", "release"]
    assert world.artifacts.keys("ai-enhancer/results/") == []


def test_a_failure_after_the_sweep_releases_only_once(world):
    """Both want to give back; the bucket gets it once and the first reason stays."""
    caller = world.caller("pro")
    world.hold(world.job(caller, [(100, 0)]))

    def too_late(_job, _item):
        world.clock += DEADLINE_MS + 1
        world.sweep()
        raise ProviderTimeout

    world.predictor.script = [too_late]
    submitted = world.submit(caller)
    with pytest.raises(ProviderTimeout):
        world.finish(submitted)
    assert world.jobs.get(caller.owner, submitted.job.id).items[0].error.code == "job_expired"
    assert world.kinds(caller).count("release") == 2
    assert world.usage_and_balance(caller)[:2] == (0, 0)


def test_a_settle_that_fails_releases_and_does_not_give_the_result_away(world, monkeypatch):
    """When the books cannot be written, nothing is charged and nothing is handed out."""
    caller = world.caller("pro")
    submitted = world.submit(caller)

    def broken(*_job, **_more):
        raise ClientError({"Error": {"Code": "InternalServerError"}}, "TransactWriteItems")

    monkeypatch.setattr(world.ledger, "settle", broken)
    with pytest.raises(ClientError):
        world.finish(submitted)
    assert world.usage_and_balance(caller) == (0, 0, 0, 0)
    assert world.jobs.get(caller.owner, submitted.job.id).status == "failed"


@pytest.fixture
def no_waiting(monkeypatch):
    """Polling sleeps on a clock of its own: seconds pass, time does not."""
    passed = {"seconds": 0.0, "then": lambda: None}

    def sleep(seconds):
        passed["seconds"] += seconds
        passed["then"]()

    monkeypatch.setattr(run.time, "sleep", sleep)
    monkeypatch.setattr(run.time, "monotonic", lambda: passed["seconds"])
    return passed


def test_a_repeated_request_waits_for_the_first_and_gets_its_result(world, no_waiting):
    """The second copy runs nothing and ends with the first one's picture."""
    caller, photo = world.caller("pro"), world.photo()
    first = world.submit(caller, photo=photo, key="k")
    again = world.submit(caller, photo=photo, key="k")
    finished = []
    no_waiting["then"] = lambda: finished or finished.append(world.finish(first))
    assert world.finish(again).items[0].output == finished[0].items[0].output
    assert len(world.predictor.runs) == 1


def test_a_repeated_request_gets_the_firsts_error(world):
    """A replay of a failed run tells the same error with its details and starts nothing."""
    caller, photo = world.caller("pro"), world.photo()
    world.predictor.script = [errors.ProviderTimeout(provider="embedded", seconds=25)]
    with pytest.raises(errors.ProviderTimeout):
        world.finish(world.submit(caller, photo=photo, key="k"))
    with pytest.raises(errors.ProviderTimeout) as told:
        world.finish(world.submit(caller, photo=photo, key="k"))
    assert told.value.details == {"provider": "embedded", "seconds": 25}
    assert len(world.predictor.runs) == 1


def test_a_repeated_request_waits_a_bounded_time_and_gets_the_open_job(world, no_waiting):
    """A first request that hangs gives the second one its job in time, never a hanging answer."""
    caller, photo = world.caller("pro"), world.photo()
    first = world.submit(caller, photo=photo, key="k")
    job = world.finish(world.submit(caller, photo=photo, key="k"), seconds_max=7)
    assert (job.id, job.is_open) == (first.job.id, True)
    assert 7.0 <= no_waiting["seconds"] < 8.0
    assert world.predictor.runs == []


def test_a_repeated_request_that_will_not_wait_gets_the_open_job_at_once(world, no_waiting):
    """With nothing to wait for there is no pause."""
    caller, photo = world.caller("pro"), world.photo()
    world.submit(caller, photo=photo, key="k")
    assert world.finish(world.submit(caller, photo=photo, key="k"), seconds_max=0).is_open
    assert no_waiting["seconds"] == 0


def test_a_repeated_request_for_a_canceled_job_is_told_so(world, no_waiting):
    """Also in the moment between the cancel and the release of its hold."""
    caller, photo = world.caller("pro"), world.photo()
    first = world.submit(caller, photo=photo, key="k").job
    world.jobs.cancel(first, now=world.clock)
    for _ in range(2):
        with pytest.raises(JobCanceled):
            world.finish(world.submit(caller, photo=photo, key="k"))
        world.clock += 1
        world.sweep()
    assert world.stored(first).items[0].status == "canceled"


@pytest.mark.parametrize("leaf", errors.leaves(errors.ProviderError), ids=lambda leaf: leaf.__name__)
def test_a_recorded_error_comes_back_as_itself(leaf):
    """What an item failed with is raised again, class and details."""
    problem = resolve.problem_of(JobError(leaf.code, {"jobId": "x"}))
    assert (type(problem), problem.details) == (leaf, {"jobId": "x"})


@pytest.mark.parametrize("end", ["canceled", "expired"])
def test_a_model_that_stopped_because_nobody_wants_it_is_not_tried_again(world, end):
    """It finds its job ended between two tiles; the caller learns why, not that the model failed."""
    caller = world.caller("pro")

    def ends(job, _item):
        if end == "canceled":
            world.cancel(job)
        else:
            world.clock += DEADLINE_MS + 1
            world.sweep()
        raise JobCanceled

    world.predictor.script = [ends]
    with pytest.raises(JobCanceled if end == "canceled" else JobExpired):
        world.finish(world.submit(caller))
    assert len(world.predictor.runs) == 1
    assert (world.kinds(caller), world.artifacts.keys("ai-enhancer/results/")) == (["hold", "release"], [])
