"""Whatever loses its other half, its machine or its owner's patience is put right without anybody's help."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from enhancer.adapters.dynamodb import keys
from enhancer.api.model_watch import Watch
from enhancer.domain.errors import ProviderFailed
from enhancer.domain.jobs import DEADLINE_MS, Item, Job, Source
from enhancer.domain.owners import Owner
from enhancer.domain.plans import plan_named
from enhancer.domain.refs import Ref
from tests.e2e.deployed import LATE_MS, SOON_MS, Deployed, kill_function, step_event
from tests.e2e.faults import Bench
from tests.support.client import Client, picture

Fresh = Callable[[], Client]
SLOW = {"quality": "pro", "scale": "2"}


@pytest.fixture
def client(fresh_client: Fresh) -> Client:
    """A browser."""
    return fresh_client()


@pytest.fixture
def owner(client: Client) -> Owner:
    """The pro user in it."""
    return Owner("user", client.login("pro"))


def slow(client: Client, deployed: Deployed, owner: Owner, seed: int) -> Job:
    """A job whose model is at work, for a minute or more, unless it is stopped."""
    answer = client.start(image=picture(1440, 40, seed=seed), **SLOW)
    return deployed.running(owner, answer.json()["data"]["id"])


def time_out(deployed: Deployed, job: Job) -> None:
    """Let the time be over in which the step of the job's one picture waits for a call-back."""
    prediction = job.items[0].prediction
    assert prediction
    deployed.states.send_task_failure(taskToken=prediction.token, error="States.Timeout")


def check_released(deployed: Deployed, owner: Owner, job: Job, code: str) -> None:
    """The job failed with this code and its hold is back, once."""
    ended = deployed.job(owner, job.id)
    assert ended.status == "failed"
    assert [item.error.code for item in ended.items if item.error] == [code]
    assert deployed.kinds(owner, job) == {"hold": 1, "release": 1}
    assert deployed.used(owner) == (0, 0)
    assert deployed.open_jobs(owner) == 0
    assert not deployed.is_unclosed(job)


def test_job_whose_execution_was_stopped_is_closed_and_released(
    client: Client, owner: Owner, deployed: Deployed
) -> None:
    """Somebody stops an execution by hand: the next sweep fails the job and gives its price back."""
    job = slow(client, deployed, owner, seed=800)
    deployed.states.stop_execution(executionArn=deployed.execution(job))
    assert deployed.sweep(0).closed == 0
    assert deployed.sweep(SOON_MS).closed == 1
    check_released(deployed, owner, job, "internal_error")
    assert deployed.sweep(SOON_MS).closed == 0


def test_job_that_was_held_but_never_started_is_run(client: Client, owner: Owner, deployed: Deployed) -> None:
    """Dead between hold and start: the sweep starts the execution, once, and the picture is made and paid."""
    done = deployed.ended(owner, client.start(image=picture(seed=801)).json()["data"]["id"])
    lost = held_only(deployed, done, client.upload(picture(seed=802), "image/png"))
    assert deployed.status(lost) is None
    assert deployed.sweep(0).started == 0
    assert deployed.sweep(SOON_MS).started == 1
    assert deployed.sweep(SOON_MS).started == 0
    ended = deployed.ended(owner, lost.id)
    assert (ended.status, deployed.over(ended)) == ("succeeded", "SUCCEEDED")
    assert deployed.kinds(owner, lost) == {"hold": 1, "settle": 1}


def held_only(deployed: Deployed, like: Job, upload: str) -> Job:
    """A held job about an upload, as submitting leaves it before it starts the execution."""
    now, job_id = deployed.job_deps.now(), deployed.job_deps.new_id("job")
    item = Item(0, "queued", replace(like.items[0].hold, job_id=job_id), source=Source("upload", upload))
    fresh = replace(
        like,
        id=job_id,
        status="queued",
        items=(item,),
        created_at=now,
        updated_at=now,
        deadline=now + DEADLINE_MS,
    )
    entries = [deployed.job_deps.new_id("ent")]
    deployed.store.ledger.hold(fresh, plan=plan_named(like.plan), key_hash=None, entry_ids=entries, now=now)
    return fresh


def test_execution_whose_job_is_gone_is_stopped(client: Client, owner: Owner, deployed: Deployed) -> None:
    """No record, no work: the sweep stops the execution, and the model ends by itself."""
    job = slow(client, deployed, owner, seed=803)
    deployed.store.table.delete(keys.job(owner, job.id))
    assert deployed.status(job) == "RUNNING"
    assert deployed.sweep(0).stopped == 0
    assert deployed.sweep(SOON_MS).stopped == 1
    assert deployed.status(job) == "ABORTED"
    stopped = deployed.until(lambda: deployed.logged("upscale stopped", job), "the end of the model's run")
    assert stopped[0]["errorType"] == "JobCanceled"


def test_overdue_job_is_stopped_and_released_by_the_sweep(
    client: Client, owner: Owner, deployed: Deployed
) -> None:
    """Past its deadline a job fails, its execution and its model are stopped, its price is back; a late end is void."""
    job = slow(client, deployed, owner, seed=804)
    assert deployed.sweep(LATE_MS).expired == 1
    check_released(deployed, owner, job, "job_expired")
    assert deployed.status(job) == "ABORTED"
    deployed.put_result(job.items[0])
    assert deployed.step("FinishItem", job) == {"again": False, "seconds": 0}
    check_released(deployed, owner, job, "job_expired")


def test_killed_model_fails_its_job_after_the_steps_time(
    client: Client, owner: Owner, deployed: Deployed
) -> None:
    """The model dies and nobody calls back: the step times out, one look decides, the price is back."""
    job = slow(client, deployed, owner, seed=805)
    kill_function(deployed, "Upscale")
    time_out(deployed, job)
    ended = deployed.ended(owner, job.id)
    assert deployed.over(ended) == "SUCCEEDED"
    check_released(deployed, owner, job, "provider_timeout")
    history = deployed.history(job)
    assert history["TaskScheduled lambda:invoke"] == 3  # PollPrediction, FinishItem, FinishJob
    assert deployed.logged("upscale", job) == []


def test_lost_call_back_is_made_up_for_by_one_look(client: Client, owner: Owner, deployed: Deployed) -> None:
    """The picture is there but the call-back was lost: the step times out, PollPrediction finds it, it is paid."""
    job = slow(client, deployed, owner, seed=806)
    kill_function(deployed, "Upscale")
    deployed.put_result(job.items[0])
    time_out(deployed, job)
    ended = deployed.ended(owner, job.id)
    assert ended.status == "succeeded"
    assert deployed.kinds(owner, job) == {"hold": 1, "settle": 1}


def test_model_that_fails_fails_its_job_at_once(client: Client, owner: Owner, deployed: Deployed) -> None:
    """The original is gone when the model wants it: its error comes back by the token, the price is returned."""
    done = deployed.ended(owner, client.start(image=picture(seed=807)).json()["data"]["id"])
    assert done.items[0].input
    original, before = done.items[0].input.key, deployed.used(owner)
    lost = held_only(deployed, done, client.upload(picture(seed=808), "image/png"))
    gone = replace(lost.items[0], input=replace(done.items[0].input, key=f"{original}.gone"), target="x")
    deployed.store.jobs.prepare(lost, gone, now=deployed.job_deps.now())
    assert deployed.sweep(SOON_MS).started == 1
    ended = deployed.ended(owner, lost.id)
    assert ended.status == "failed"
    assert deployed.kinds(owner, lost) == {"hold": 1, "release": 1}
    assert deployed.used(owner) == before


def test_model_that_breaks_off_fails_its_job_at_once(
    client: Client, owner: Owner, deployed: Deployed
) -> None:
    """An error of the model that came by its token ends the job with that error, not with a time-out later."""
    job = slow(client, deployed, owner, seed=809)
    kill_function(deployed, "Upscale")
    with Bench(deployed).open(), pytest.raises(ProviderFailed), Watch(Ref.from_event(step_event(job))):
        raise ProviderFailed
    deployed.ended(owner, job.id)
    check_released(deployed, owner, job, "provider_failed")
    assert deployed.history(job)["TaskScheduled lambda:invoke.waitForTaskToken"] == 1


def test_job_whose_execution_ended_without_it_can_be_canceled(
    client: Client, owner: Owner, deployed: Deployed
) -> None:
    """There is nothing left to stop, and the hold is given back all the same."""
    done = deployed.ended(owner, client.start(image=picture(seed=810)).json()["data"]["id"])
    lost = held_only(deployed, done, client.upload(picture(seed=811), "image/png"))
    document = {**step_event(replace(lost, attempt=99)), "items": [], "concurrency": 1}
    deployed.states.start_execution(
        stateMachineArn=deployed.machine, name=lost.execution, input=json.dumps(document)
    )
    assert deployed.over(lost) == "SUCCEEDED"
    answer = client.cancel(lost.id)
    assert (answer.status_code, answer.json()["data"]["status"]) == (200, "canceled")
    assert deployed.kinds(owner, lost) == {"hold": 1, "release": 1}
    assert not deployed.is_unclosed(lost)
