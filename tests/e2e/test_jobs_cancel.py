"""Stopping a job at every stage, and running again what failed: money, model and state machine agree."""

from __future__ import annotations

from collections.abc import Callable

from enhancer.domain.owners import Owner
from tests.e2e.deployed import Deployed
from tests.e2e.gate import gate
from tests.support.client import Client, picture

Fresh = Callable[[], Client]
SLOW = {"quality": "pro", "scale": "2"}


def signed_in(client: Client, plan: str) -> Owner:
    """Sign in with a plan."""
    return Owner("user", client.login(plan))


def test_cancel_of_a_batch_stops_what_runs_and_what_waits(fresh_client: Fresh, deployed: Deployed) -> None:
    """A guest's first picture runs, the second waits: both holds return, the model is told and stops."""
    client = fresh_client()
    owner = Owner("guest", client.http.cookies["guest_id"].partition(".")[0])
    photos = [picture(1440, 40, seed=700 + number) for number in range(2)]
    items = [{"uploadKey": client.upload(photo, "image/png")} for photo in photos]
    job_id = client.start(*items, **SLOW).json()["data"]["id"]
    job = deployed.running(owner, job_id)
    assert [item.status for item in job.items] == ["processing", "queued"]
    assert deployed.used(owner) == (2, 40)
    answer = client.cancel(job_id)
    assert answer.status_code == 200, answer.text
    view = answer.json()["data"]
    assert view["status"] == "canceled"
    assert [(item["status"], item["error"]["code"]) for item in view["items"]] == [
        ("canceled", "job_canceled"),
        ("canceled", "job_canceled"),
    ]
    assert deployed.used(owner) == (0, 0)
    assert deployed.kinds(owner) == {"hold": 2, "release": 2}
    assert deployed.open_jobs(owner) == 0
    assert not deployed.is_unclosed(job)
    assert [line["item"] for line in deployed.logged("cancel", job, least=1)] == [0]
    stopped = deployed.until(lambda: deployed.logged("upscale stopped", job), "the end of the model's run")
    assert [line["errorType"] for line in stopped] == ["JobCanceled"]
    assert deployed.logged("upscale", job) == []
    assert deployed.status(job) == "ABORTED"
    assert deployed.ended(owner, job_id).items[1].prediction is None


def test_result_that_comes_after_a_cancel_changes_nothing(fresh_client: Fresh, deployed: Deployed) -> None:
    """The picture is made and stored, then canceled before it is paid: a late FinishItem finds nothing to do."""
    client = fresh_client()
    owner = signed_in(client, "pro")
    job_id = client.start(image=picture(1440, 40, seed=710), **SLOW).json()["data"]["id"]
    job = deployed.running(owner, job_id)
    deployed.put_result(job.items[0])
    assert client.cancel(job_id).status_code == 200
    canceled = deployed.ended(owner, job_id)
    for step in ("FinishItem", "FinishItem", "FinishJob"):
        assert not deployed.step(step, job).get("again")
    late = deployed.step("StartPrediction", job, token="late")
    assert late["errorType"] == "StaleAttempt"
    assert deployed.job(owner, job_id) == canceled
    assert canceled.status == "canceled"
    assert canceled.items[0].output is None
    assert deployed.kinds(owner) == {"hold": 1, "release": 1}
    assert deployed.used(owner) == (0, 0)


def test_cancel_keeps_what_was_done_and_paid(fresh_client: Fresh, deployed: Deployed) -> None:
    """A finished picture of a canceled batch stays, with its price; only the unfinished one is given back."""
    client = fresh_client()
    owner = Owner("guest", client.http.cookies["guest_id"].partition(".")[0])
    photos = [picture(8, 8, seed=720), picture(1440, 40, seed=721)]
    items = [{"uploadKey": client.upload(photo, "image/png")} for photo in photos]
    job_id = client.start(*items, **SLOW).json()["data"]["id"]
    job = deployed.when(owner, job_id, lambda job: job.items[0].status == "succeeded", "half done")
    view = client.cancel(job_id).json()["data"]
    assert view["status"] == "canceled"
    assert [item["status"] for item in view["items"]] == ["succeeded", "canceled"]
    assert view["charge"]["total"] == 2.0
    assert deployed.used(owner) == (1, 20)
    assert client.get(view["items"][0]["output"]["url"]).status_code == 200
    assert deployed.kinds(owner, job) == {"hold": 2, "settle": 1, "release": 1}


def test_cancel_of_a_finished_job_is_a_conflict(fresh_client: Fresh, deployed: Deployed) -> None:
    """What has ended stays as it is: 409 job_finished, also for a second cancel."""
    client = fresh_client()
    owner = signed_in(client, "pro")
    job_id = client.start(image=picture(seed=730)).json()["data"]["id"]
    done = deployed.ended(owner, job_id)
    refused = client.cancel(job_id)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "job_finished")
    assert deployed.job(owner, job_id) == done
    slow_id = client.start(image=picture(1440, 40, seed=731), **SLOW).json()["data"]["id"]
    assert client.cancel(slow_id).status_code == 200
    again = client.cancel(slow_id)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "job_finished")
    assert deployed.used(owner) == (1, 10)


def test_cancel_of_a_foreign_job_is_not_found(fresh_client: Fresh, deployed: Deployed) -> None:
    """Nobody else can cancel, retry, read or delete a job; it looks as missing as one that never was."""
    client, other = fresh_client(), fresh_client()
    owner = signed_in(client, "pro")
    job_id = client.start(image=picture(seed=732)).json()["data"]["id"]
    deployed.ended(owner, job_id)
    path = f"/api/ai-image/jobs/{job_id}"
    token = {"Origin": other.url, "X-CSRF-Token": other.http.cookies["csrf_token"]}
    answers = [
        other.get(path),
        other.cancel(job_id),
        other.retry(job_id),
        other.http.delete(other.url + path, headers=token, timeout=60),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert client.get(path).status_code == 200


def test_retry_runs_and_holds_only_what_failed(fresh_client: Fresh, deployed: Deployed) -> None:
    """Of three pictures one was damaged; once its file is whole, a retry makes and charges that one alone."""
    client = fresh_client()
    owner = signed_in(client, "pro")
    photos = [picture(seed=740 + number) for number in range(3)]
    keys = [
        client.upload(photo, "image/png")
        for photo in [photos[0], photos[1][: len(photos[1]) // 2], photos[2]]
    ]
    job_id = client.start(*[{"uploadKey": key} for key in keys]).json()["data"]["id"]
    first = deployed.ended(owner, job_id)
    assert [item.status for item in first.items] == ["succeeded", "failed", "succeeded"]
    assert client.job(job_id)["progress"] == {"total": 3, "done": 2, "failed": 1, "percent": 100}
    deployed.artifacts.put(keys[1], photos[1], "image/png")
    again = [client.retry(job_id, headers={"Idempotency-Key": "again"}) for _ in range(2)]
    assert [answer.status_code for answer in again] == [202, 202]
    assert again[0].json()["data"]["id"] == job_id
    second = deployed.ended(owner, job_id)
    assert (second.attempt, second.status) == (2, "succeeded")
    assert [item.status for item in second.items] == ["succeeded"] * 3
    assert [second.items[place] for place in (0, 2)] == [first.items[place] for place in (0, 2)]
    assert deployed.kinds(owner) == {"hold": 4, "settle": 3, "release": 1}
    assert deployed.used(owner) == (3, 30)
    assert len(deployed.logged("upscale", second, least=3)) == 3
    assert deployed.history(second)["TaskScheduled lambda:invoke.waitForTaskToken"] == 1
    nothing = client.retry(job_id)
    assert (nothing.status_code, nothing.json()["error"]["code"]) == (409, "nothing_to_retry")


def test_retry_of_a_canceled_job_runs_it_anew(fresh_client: Fresh, deployed: Deployed) -> None:
    """A canceled picture can be made after all; the first attempt's late result and steps do not count."""
    client = fresh_client()
    owner = signed_in(client, "pro")
    with gate(deployed, "FinishItem") as shut:
        job_id = client.start(image=picture(seed=750), **SLOW).json()["data"]["id"]
        shut.wait_for(1, job_id)
        first = deployed.job(owner, job_id)
        assert client.cancel(job_id).status_code == 200
        assert client.retry(job_id).status_code == 202
        for step in ("FinishItem", "FinishJob"):
            assert not deployed.step(step, first).get("again")
    done = deployed.ended(owner, job_id)
    assert (done.status, done.attempt) == ("succeeded", 2)
    assert done.items[0].target != first.items[0].target
    assert deployed.kinds(owner) == {"hold": 2, "release": 1, "settle": 1}
    assert deployed.used(owner) == (1, 20)
