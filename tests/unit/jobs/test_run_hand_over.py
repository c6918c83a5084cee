"""What takes longer than a request goes on in the state machine: nothing is lost, held or started twice."""

from dataclasses import replace

import pytest

from enhancer.domain.errors import JobExpired
from enhancer.domain.jobs import DEADLINE_MS, Prediction
from enhancer.domain.predictions import StillRunning


@pytest.fixture
def caller(world):
    """Somebody with room for one job at a time."""
    return world.caller("free")


def handed_over(world, caller, **more):
    world.predictor.script = [StillRunning()]
    return world.finish(world.submit(caller, **more))


def test_a_slow_run_becomes_an_async_job_with_one_execution(world, caller):
    """The hold stays, the prediction is the one that runs, and the answer is an open job."""
    job = handed_over(world, caller)
    stored = world.stored(job)
    assert (job.is_open, stored.kind, stored.status) == (True, "async", "processing")
    assert stored.items[0].prediction.started_at == world.clock
    assert (world.workflow.starts, world.workflow.executions[job.execution].items) == ([job.execution], [0])
    assert (world.usage_and_balance(caller), world.kinds(caller)) == ((1, 10, 0, 0), ["hold"])


def test_the_state_machine_waits_for_the_run_and_starts_no_other(world, caller):
    """Its first step leaves a token; the result is settled once and closes the job."""
    job = handed_over(world, caller)
    done = world.execute(job)
    assert (done.status, world.predictor.started) == ("succeeded", [])
    assert len(world.predictor.runs) == 1
    assert world.kinds(caller) == ["hold", "settle"]


def test_a_run_that_ended_before_the_state_machine_came_is_found(world, caller):
    """The token comes too late to be told of, so the step looks."""
    job = handed_over(world, caller)
    world.deliver(job)
    world.start_prediction(job, token="t")
    assert world.workflow.woken == ["t"]


def test_a_job_that_was_handed_over_takes_no_place_among_the_jobs(world, caller):
    """It was held as a single picture; its end frees no place it never took."""
    job = handed_over(world, caller)
    assert world.open_jobs(caller) == 0
    batch = world.batch(caller)
    world.execute(job)
    assert world.open_jobs(caller) == 1
    world.execute(batch)
    assert world.open_jobs(caller) == 0


def test_a_repeated_request_meanwhile_gets_the_open_job(world, caller):
    """Another copy neither runs nor holds."""
    photo = world.photo()
    job = handed_over(world, caller, photo=photo, key="k")
    again = world.finish(world.submit(caller, photo=photo, key="k"), seconds_max=0)
    assert (again.id, again.is_open, len(world.predictor.runs)) == (job.id, True, 1)
    world.execute(job)
    assert world.finish(world.submit(caller, photo=photo, key="k")).status == "succeeded"


def test_a_job_that_ended_before_it_could_be_handed_over_has_expired(world, caller):
    """The sweep was faster: no execution, nothing charged."""

    def too_slow(_job, _item):
        world.clock += DEADLINE_MS + 1
        world.sweep()
        raise StillRunning

    world.predictor.script = [too_slow]
    with pytest.raises(JobExpired):
        world.finish(world.submit(caller))
    assert world.workflow.starts == []
    assert world.usage_and_balance(caller) == (0, 0, 0, 0)


def test_an_execution_that_does_not_start_gives_the_hold_back(world, caller):
    """The caller is told of an error, and pays for nothing."""
    world.workflow.script = [RuntimeError("no machine")]
    world.predictor.script = [StillRunning()]
    submitted = world.submit(caller)
    with pytest.raises(RuntimeError):
        world.finish(submitted)
    assert world.stored(submitted.job).status == "failed"
    assert world.usage_and_balance(caller) == (0, 0, 0, 0)


def test_a_process_that_died_before_the_execution_was_started_is_repaired(world, caller):
    """The sweep starts it, once, and the run that went on alone is paid for."""
    submitted = world.submit(caller)
    job = submitted.job
    world.artifacts.put(job.items[0].input.key, submitted.original, "image/png")
    running = Prediction(job.attempt, world.clock)
    world.jobs.hand_over(job, replace(job.items[0], prediction=running), now=world.clock)
    world.clock += 60_001
    assert world.sweep().started == 1
    assert world.sweep().started == 0
    assert world.execute(world.stored(job)).status == "succeeded"
    assert world.predictor.started == []


def test_a_job_that_was_handed_over_and_forgotten_expires(world, caller):
    """Its deadline starts anew with the hand-over."""
    world.clock += 100_000
    job = handed_over(world, caller)
    world.clock += DEADLINE_MS
    assert world.sweep().expired == 0
    world.clock += 1
    assert world.sweep().expired == 1
    assert world.stored(job).items[0].error.code == "job_expired"
    assert world.predictor.canceled == [(job.id, 0, 1)]
