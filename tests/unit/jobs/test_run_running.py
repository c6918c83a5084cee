"""What runs at a provider is known to its job from before its start to its end; whatever breaks off, it is stopped."""

from contextlib import suppress

import pytest
from botocore.exceptions import ClientError

from enhancer.adapters.dynamodb import keys
from enhancer.domain.costs import estimated
from enhancer.domain.errors import (
    EnhancerError,
    JobCanceled,
    JobExpired,
    ProviderTimeout,
    ProviderUnavailable,
)
from enhancer.domain.jobs import DEADLINE_MS
from enhancer.domain.periods import day_of
from enhancer.domain.predictions import StillRunning
from enhancer.jobs import run
from enhancer.jobs.submit import EnhanceOrder
from enhancer.operations.sweep import GRACE_MS
from tests.support.books import open_holds
from tests.support.crashes import Died, Mortal
from tests.support.memory_table import MemoryTable
from tests.support.world import World

ORDER = EnhanceOrder(model="real-esrgan")
NAME = "prediction-0-1-0"
ESTIMATE = estimated("nightmareai/real-esrgan")
RUN_CALLS = 8
"""Calls of the table and the state machine by a run that is handed over, and one more."""


@pytest.fixture
def caller(world):
    """Somebody with a plan that has room."""
    return world.caller("pro")


def broken(*_given, **_more):
    raise ClientError({"Error": {"Code": "InternalServerError"}}, "UpdateItem")


def test_a_prediction_is_noted_before_it_starts_and_named_before_it_is_waited_for(world, caller):
    """Whoever looks meanwhile finds it."""
    seen = []
    world.replicate.script = [lambda job, item: seen.append((world.stored(job).items[0].prediction, item))]
    world.finish(world.submit(caller, ORDER))
    found, given = seen[0]
    assert (found.id, given.prediction.id, given.prediction.started_at) == (NAME, None, world.clock)


@pytest.mark.parametrize("place", ["name", "hand over", "execution", "settle"])
def test_a_run_that_breaks_off_after_the_creation_stops_its_prediction(world, caller, monkeypatch, place):
    """The table or the state machine fails once: nothing is left running, nothing is charged."""
    if place != "settle":
        world.replicate.script = [StillRunning(NAME)]
    if place == "execution":
        world.workflow.script = [RuntimeError("no machine")]
    else:
        what = {"name": (world.jobs, "name_prediction"), "hand over": (world.jobs, "hand_over")}
        monkeypatch.setattr(*what.get(place, (world.ledger, "settle")), broken)
    submitted = world.submit(caller, ORDER)
    with pytest.raises((ClientError, RuntimeError)):
        world.finish(submitted)
    assert world.replicate.running == {}
    assert world.usage_and_balance(caller) == (0, 0, 0, 0)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_a_run_that_crashes_while_it_waits_stops_its_prediction(world, caller, error):
    """Whatever the reason."""
    world.replicate.script = [error()]
    with pytest.raises(error):
        world.finish(world.submit(caller, ORDER))
    assert (world.replicate.running, world.replicate.canceled_names) == ({}, [NAME])


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(RUN_CALLS))
def test_after_a_crash_at_any_call_of_a_hand_over_the_sweep_stops_what_runs(call, after):
    """The process is gone and stops nothing itself; the note in the job is enough."""
    client = Mortal(MemoryTable())
    world = World(table=client)
    caller, provider = world.caller("pro"), world.replicate
    provider.script = [StillRunning(NAME)]
    world.replicate, machine = client.bind(provider, "cancel", "stop"), world.workflow
    world.workflow = client.bind(machine, "start")
    client.fate.doom(call, after=after)
    with suppress(Died, EnhancerError):
        world.finish(world.submit(caller, ORDER))
    calls = client.fate.calls
    client.fate.revive()
    assert calls == min(call + 1, RUN_CALLS - 1)
    world.clock += DEADLINE_MS + 1
    world.sweep()
    assert (provider.running, open_holds(world.records())) == ({}, 0)
    assert "RUNNING" not in {found.status for found in machine.executions.values()}


def test_the_last_step_stops_what_a_broken_step_left_running(world, caller):
    """FinishItem failed for good: FinishJob gives back, and nothing goes on at the provider."""
    job = world.batch(caller, 1, ORDER)
    world.start_prediction(job)
    world.finish_job(job)
    assert (world.replicate.running, world.stored(job).status) == ({}, "failed")


def test_a_job_whose_execution_ended_without_it_stops_its_prediction(world, caller):
    """Stopped in the console, or timed out."""
    job = world.batch(caller, 1, ORDER)
    world.start_prediction(job)
    world.workflow.executions[job.execution].status = "ABORTED"
    world.clock += GRACE_MS + 1
    assert world.sweep().closed == 1
    assert world.replicate.running == {}


def test_a_start_whose_name_cannot_be_stored_is_stopped(world, caller, monkeypatch):
    """The table does not answer: its name is known here only."""
    job = world.batch(caller, 1, ORDER)
    monkeypatch.setattr(world.jobs, "name_prediction", broken)
    with pytest.raises(ClientError):
        world.start_prediction(job)
    assert world.replicate.running == {}


def test_a_canceled_request_stops_its_prediction_and_is_booked_once(world, caller):
    """The cancel stops it; the request that ran it books what it cost, in place of what was set aside."""

    def meanwhile(job, _item):
        world.cancel(job)

    world.replicate.script = [meanwhile]
    submitted = world.submit(caller, ORDER)
    with pytest.raises(JobCanceled):
        world.finish(submitted)
    day = day_of(world.clock)
    line = world.table.get(keys.spend(day, "replicate", "real-esrgan", "pro", "user"))
    assert (world.replicate.running, line["runs"]) == ({}, 1)
    assert world.spend.total(day) == line["micros"] == world.replicate.cost


def test_a_request_that_was_canceled_before_its_prediction_was_named_is_booked_at_its_estimate(
    world, caller, monkeypatch
):
    """It was stopped at once; what it did cost nobody knows."""
    name = world.jobs.name_prediction

    def canceled(job, item, prediction_id):
        world.cancel(job)
        name(job, item, prediction_id)

    monkeypatch.setattr(world.jobs, "name_prediction", canceled)
    submitted = world.submit(caller, ORDER)
    with pytest.raises(JobCanceled):
        world.finish(submitted)
    line = world.table.get(keys.spend(day_of(world.clock), "replicate", "real-esrgan", "pro", "user"))
    assert (world.replicate.running, line["micros"], line["runs"]) == ({}, ESTIMATE, 1)


@pytest.fixture
def claimed(world, caller, monkeypatch):
    """A job whose prediction was created, by a process that died before it could tell its name."""
    job = world.batch(caller, 1, ORDER)
    world.replicate.script = [lambda *_: (_ for _ in ()).throw(Died())]
    with suppress(Died):
        world.start_prediction(job, token="t")
    return job


def test_a_report_of_a_begin_names_the_prediction_of_a_process_that_died(world, claimed):
    """Known from then on: its end wakes the step that waits."""
    assert world.hear_begin(claimed, NAME) is True
    assert world.stored(claimed).items[0].prediction.id == NAME
    assert world.hear(claimed, NAME) is True
    assert world.replicate.stopped == []


def test_a_repeated_report_of_a_begin_changes_nothing(world, claimed):
    """The second one finds its own name."""
    world.hear_begin(claimed, NAME)
    before = world.stored(claimed)
    assert world.hear_begin(claimed, NAME) is True
    assert (world.stored(claimed), world.replicate.stopped) == (before, [])


def canceled(world, job):
    world.cancel(job)


def ended(world, job):
    world.deliver(job)
    world.finish_item(job)
    world.finish_job(job)


def next_turn(world, job):
    world.finish_item(job, error="ProviderThrottled")


def named_otherwise(world, job):
    world.hear_begin(job, NAME)


def deleted(world, job):
    canceled(world, job)
    world.delete(world.stored(job))


@pytest.mark.parametrize("meanwhile", [canceled, ended, next_turn, named_otherwise, deleted])
def test_a_prediction_that_begins_when_nobody_waits_for_it_is_stopped(world, claimed, meanwhile):
    """Its job or turn is over, or another one is what the job waits for."""
    meanwhile(world, claimed)
    assert world.hear_begin(claimed, "prediction-late") is False
    assert world.replicate.stopped == ["prediction-late"]


def lost(world):
    """Creates whose answer is lost while the provider reports that they began."""

    def create(job, item, **_more):
        world.hear_begin(job, f"lost-{item.turn}", turn=item.turn)
        raise ProviderUnavailable

    return create


@pytest.mark.parametrize(("model", "turns"), [("real-esrgan", 3), ("gfpgan", 3)])
def test_a_begin_reported_while_a_request_gives_its_try_up_is_stopped(
    world, caller, monkeypatch, model, turns
):
    """The next try, or the release, is the last that sees its name; with a fallback and without."""
    monkeypatch.setattr(world.replicate, "predict", lost(world))
    with suppress(ProviderUnavailable):
        world.finish(world.submit(caller, EnhanceOrder(model=model)))
    assert world.replicate.stopped == [f"lost-{turn}" for turn in range(turns)]


def test_a_begin_reported_while_a_request_runs_out_of_time_is_stopped(world, caller, monkeypatch):
    """The state machine tries again, and only its prediction is left."""
    monkeypatch.setattr(world.replicate, "predict", lost(world))
    job = world.finish(world.submit(caller, ORDER), seconds_max=1.0)
    assert (world.stored(job).kind, world.replicate.stopped) == ("async", ["lost-0"])
    assert world.stored(job).items[0].prediction is None


def test_a_begin_reported_while_a_step_gives_its_try_up_is_stopped(world, caller, monkeypatch):
    """The claim is given back; what it was for does not go on."""
    job = world.batch(caller, 1, ORDER)
    monkeypatch.setattr(world.replicate, "start", lost(world))
    with pytest.raises(ProviderUnavailable):
        world.start_prediction(job)
    assert world.replicate.stopped == ["lost-0"]


def test_a_begin_reported_while_a_broken_step_is_decided_is_stopped(world, claimed, monkeypatch):
    """The list did not show it yet, its report comes between the look and the next turn."""
    monkeypatch.setattr(world.replicate, "cancel", lambda job, _item: world.hear_begin(job, "late"))
    world.finish_item(claimed, error="Lambda.Unknown")
    assert world.replicate.stopped == ["late"]


def test_a_begin_reported_while_its_job_is_ended_is_stopped(world, claimed, monkeypatch):
    """The sweep read the job before the report, and ends it after."""
    monkeypatch.setattr(world.replicate, "cancel", lambda job, _item: world.hear_begin(job, "late"))
    world.clock += DEADLINE_MS + 1
    assert world.sweep().expired == 1
    assert world.replicate.stopped == ["late"]


def test_a_run_whose_caller_is_gone_stops_its_prediction(world, caller):
    """Nobody was told of a job that could be looked at later."""
    world.replicate.script = [StillRunning(NAME)]
    with pytest.raises(ProviderTimeout):
        run.finish(world.submit(caller, ORDER), deps=world.job_deps, seconds_max=25, gone_after=-1)
    assert (world.replicate.running, world.workflow.starts) == ({}, [])
    assert world.usage_and_balance(caller) == (0, 0, 0, 0)


@pytest.mark.parametrize("end", [None, ProviderUnavailable(cost=77)])
def test_a_run_that_ends_after_its_job_has_expired_is_booked_once(world, caller, end):
    """By the sweep that ended the job, at the estimate; the day's total covers what was booked."""

    def ends_late(_job, _item):
        world.clock += DEADLINE_MS + 1
        assert world.sweep().expired == 1
        if end:
            raise end

    world.replicate.script, world.replicate.cost = [ends_late], 77
    day = day_of(world.clock)
    with pytest.raises(JobExpired):
        world.finish(world.submit(caller, ORDER))
    line = world.table.get(keys.spend(day, "replicate", "real-esrgan", "pro", "user"))
    assert (line["micros"], line["runs"], world.spend.total(day)) == (ESTIMATE, 1, ESTIMATE)
