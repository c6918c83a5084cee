"""Jobs from the outside: batches, progress, one run for many readers, and work handed over by generate."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest
from PIL import Image

from enhancer.domain.jobs import Job
from enhancer.domain.owners import Owner
from tests.e2e.deployed import Deployed
from tests.e2e.gate import gate
from tests.support.client import Client, crops, picture

Fresh = Callable[[], Client]
CALLERS = 12
SLOW = {"quality": "pro", "scale": "2"}
"""The network that takes forty times as long."""


def user(client: Client, plan: str) -> Owner:
    """Sign in with a plan."""
    return Owner("user", client.login(plan))


def test_batch_of_ten_photos_charges_the_eight_that_succeed(fresh_client: Fresh, deployed: Deployed) -> None:
    """A bad link and a damaged file fail alone, readably and free; progress only grows; each step runs once."""
    client = fresh_client()
    owner = user(client, "premium")
    photos = crops(9, 130, 96)
    keys = [client.upload(photo) for photo in [*photos[:5], photos[5][:2000], *photos[6:]]]
    items = [{"uploadKey": key} for key in keys]
    items.insert(2, {"imageUrl": "https://photos.invalid/holiday.jpg"})
    with gate(deployed, "StartPrediction") as shut:
        answer = client.start(*items, scale="2")
        assert answer.status_code == 202, answer.text
        job_id = answer.json()["data"]["id"]
        assert answer.headers["Location"] == f"/api/ai-image/jobs/{job_id}"
        percents = [client.job(job_id)["progress"]["percent"]]
        for left in (7, 3):
            shut.let(len(deployed.job(owner, job_id).open_items) - left)
            deployed.when(owner, job_id, lambda job, left=left: len(job.open_items) == left, f"{left} left")  # type: ignore[misc]
            percents.append(client.job(job_id)["progress"]["percent"])
        shut.open()
        deployed.ended(owner, job_id)
    assert percents == [0, 30, 70]
    last = client.job(job_id)
    assert last["progress"] == {"total": 10, "done": 8, "failed": 2, "percent": 100}
    assert last["status"] == "succeeded"
    errors = {item["id"]: item["error"] for item in last["items"] if item["status"] == "failed"}
    assert {place: error["code"] for place, error in errors.items()} == {
        "2": "image_url_unreachable",
        "6": "image_unreadable",
    }
    assert errors["6"]["message"].startswith("The picture is cut off")
    assert errors["2"]["message"].startswith("The picture could not be fetched from its URL")
    assert last["charge"]["total"] == 8.0
    for item in last["items"]:
        if item["output"]:
            result = Image.open(BytesIO(client.get(item["output"]["url"]).content))
            assert result.size == (item["output"]["width"], item["output"]["height"]) == (260, 192)
    job = deployed.job(owner, job_id)
    assert deployed.kinds(owner) == {"hold": 10, "settle": 8, "release": 2}
    assert deployed.used(owner) == (8, 80)
    assert len(deployed.logged("upscale", job, least=8)) == 8
    assert deployed.over(job) == "SUCCEEDED"
    history = deployed.history(job)
    assert history["TaskScheduled lambda:invoke.waitForTaskToken"] == 10  # StartPrediction
    assert history["TaskScheduled lambda:invoke"] == 11  # FinishItem for each, FinishJob; no PollPrediction
    assert history["TaskStateEntered FinishJob"] == 1
    assert history["TaskFailed"] == 0


def test_job_that_nobody_asks_about_finishes(fresh_client: Fresh, deployed: Deployed) -> None:
    """Work is driven by the state machine: without a single read the picture is made and paid for."""
    client = fresh_client()
    owner = user(client, "pro")
    answer = client.start(image=picture(seed=600))
    job = deployed.ended(owner, answer.json()["data"]["id"])
    assert (job.status, job.items[0].charge) == ("succeeded", 10)
    assert not deployed.is_unclosed(job)
    assert client.get(f"/r2-ai/{job.items[0].output.key}").status_code == 200  # type: ignore[union-attr]


def test_fifty_parallel_readers_cause_one_prediction(fresh_client: Fresh, deployed: Deployed) -> None:
    """Reading changes nothing: 50 reads, many at once, while it runs: one run of the model, one hold, one settle."""
    client = fresh_client()
    owner = user(client, "premium")

    def read(job: Job) -> str:
        return str(client.copy().job(job.id)["status"])

    with gate(deployed, "FinishItem"):
        answer = client.start(image=picture(60, 50, seed=601))
        job = deployed.running(owner, answer.json()["data"]["id"])
        with ThreadPoolExecutor(CALLERS) as pool:
            assert set(pool.map(read, [job] * 50)) == {"processing"}
    done = deployed.ended(owner, job.id)
    assert done.status == "succeeded"
    assert len(deployed.logged("upscale", done, least=1)) == 1
    assert deployed.kinds(owner) == {"hold": 1, "settle": 1}


def test_known_job_is_answered_with_304(fresh_client: Fresh, deployed: Deployed) -> None:
    """An unchanged job costs no body; an open one says when to look again."""
    client = fresh_client()
    owner = user(client, "pro")
    with gate(deployed, "StartPrediction"):
        answer = client.start(image=picture(60, 40, seed=602))
        path = answer.headers["Location"]
        assert client.get(path).headers["Retry-After"] == "2"
    deployed.ended(owner, answer.json()["data"]["id"])
    first = client.get(path)
    assert "Retry-After" not in first.headers
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_slow_generate_is_handed_over_and_runs_once(fresh_client: Fresh, deployed: Deployed) -> None:
    """After Prefer: wait=1 the answer is a 202 with the job; the same run of the model ends it, paid once."""
    client = fresh_client()
    owner = user(client, "pro")
    photo, key = picture(200, 8, seed=603), {"Idempotency-Key": "slow"}
    answer = client.generate(photo, headers={**key, "Prefer": "wait=1"}, **SLOW)
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["data"]["id"]
    assert answer.headers["Location"] == f"/api/ai-image/jobs/{job_id}"
    assert answer.headers["Preference-Applied"] == "wait=1"
    copy = client.generate(photo, headers={**key, "Prefer": "wait=0"}, **SLOW)
    assert (copy.status_code, copy.json()["data"]["id"]) == (202, job_id)
    job = deployed.ended(owner, job_id)
    assert (job.status, job.kind) == ("succeeded", "async")
    assert deployed.over(job) == "SUCCEEDED"
    assert len(deployed.logged("upscale", job, least=1)) == 1
    assert deployed.kinds(owner) == {"hold": 1, "settle": 1}
    assert deployed.used(owner) == (1, 20)
    later = client.generate(photo, headers=key, **SLOW)
    assert (later.status_code, later.json()["data"]["jobId"]) == (200, job_id)
    assert later.headers["Idempotent-Replayed"] == "true"


def test_generate_answers_at_once_when_asked_to(fresh_client: Fresh, deployed: Deployed) -> None:
    """Prefer: respond-async is a 202 with an open job, which ends by itself."""
    client = fresh_client()
    owner = user(client, "pro")
    answer = client.generate(picture(60, 50, seed=604), headers={"Prefer": "respond-async"}, **SLOW)
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "respond-async")
    assert answer.json()["data"]["status"] == "queued"
    job = deployed.ended(owner, answer.json()["data"]["id"])
    assert job.status == "succeeded"
    assert deployed.kinds(owner) == {"hold": 1, "settle": 1}


def test_parallel_copies_of_a_batch_are_one_job(fresh_client: Fresh, deployed: Deployed) -> None:
    """Ten copies with one Idempotency-Key start one execution and hold once; another batch under it is a 422."""
    client = fresh_client()
    owner = user(client, "premium")
    items = [{"uploadKey": client.upload(picture(seed=605 + number), "image/png")} for number in range(2)]
    key = {"Idempotency-Key": "batch"}

    def call(_: int) -> tuple[int, str]:
        answer = client.copy().start(*items, headers=key)
        return answer.status_code, answer.json()["data"]["id"]

    with ThreadPoolExecutor(10) as pool:
        answers = set(pool.map(call, range(10)))
    assert len(answers) == 1
    status, job_id = answers.pop()
    assert status == 202
    assert deployed.ended(owner, job_id).status == "succeeded"
    assert deployed.kinds(owner) == {"hold": 2, "settle": 2}
    other = client.start(items[0], headers=key)
    assert (other.status_code, other.json()["error"]["type"]) == (422, "idempotency_mismatch")


def test_parallel_jobs_stop_exactly_at_the_plans_cap(fresh_client: Fresh, deployed: Deployed) -> None:
    """Of 12 jobs at once a pro plan takes 3 and holds for 3; each end or cancel frees exactly one place."""
    client = fresh_client()
    owner = user(client, "pro")

    def call(number: int) -> tuple[int, str]:
        answer = client.copy().start(image=picture(seed=620 + number), **SLOW)
        body = answer.json()
        return answer.status_code, body["data"]["id"] if answer.status_code == 202 else body["error"]["code"]

    with gate(deployed, "StartPrediction"):
        with ThreadPoolExecutor(12) as pool:
            answers = sorted(pool.map(call, range(12)))
        assert [status for status, _ in answers] == [202] * 3 + [429] * 9
        assert {code for status, code in answers if status == 429} == {"too_many_jobs"}
        assert deployed.kinds(owner) == {"hold": 3}
        assert deployed.open_jobs(owner) == 3
        accepted = [job_id for status, job_id in answers if status == 202]
        assert client.cancel(accepted[0]).status_code == 200
        status, fourth = call(50)
        assert status == 202
        assert call(51) == (429, "too_many_jobs")
        for job_id in [*accepted[1:], fourth]:
            assert client.cancel(job_id).status_code == 200
        assert deployed.open_jobs(owner) == 0
        last = client.start(image=picture(seed=640)).json()["data"]["id"]
    done = deployed.ended(owner, last)
    assert done.status == "succeeded"
    assert deployed.open_jobs(owner) == 0
    assert deployed.used(owner) == (1, 10)


def test_single_picture_overtakes_a_batch_of_ten(fresh_client: Fresh, deployed: Deployed) -> None:
    """A batch runs as many lanes as its plan has, so another owner's single picture ends before the batch."""
    crowd, single = fresh_client(), fresh_client()
    many, one = user(crowd, "pro"), user(single, "pro")
    items = [{"uploadKey": crowd.upload(photo)} for photo in crops(10, 140, 110, start=20)]
    with gate(deployed, "StartPrediction") as shut:
        batch = crowd.start(*items, scale="2").json()["data"]["id"]
        shut.wait_for(3, batch)
        answer = single.start(image=picture(seed=641)).json()["data"]["id"]
        shut.let(1, answer)
        alone = deployed.ended(one, answer)
        assert len(shut.waiting(batch)) == 3
    whole = deployed.ended(many, batch)
    assert (alone.status, whole.status) == ("succeeded", "succeeded")
    assert alone.updated_at < whole.updated_at
    assert [item.status for item in whole.items] == ["succeeded"] * 10


@pytest.mark.parametrize("lanes", [1, 3])
def test_batch_runs_no_more_at_once_than_its_plan_has(
    fresh_client: Fresh, deployed: Deployed, lanes: int
) -> None:
    """A guest's second picture waits for the first; a pro batch works on three."""
    client = fresh_client()
    if lanes == 1:
        owner = Owner("guest", client.http.cookies["guest_id"].partition(".")[0])
    else:
        owner = user(client, "pro")
    items = [
        {"uploadKey": client.upload(photo)} for photo in crops(lanes + 2, 130, 100, start=40 + 10 * lanes)
    ]
    seen = []
    with gate(deployed, "FinishItem") as shut:
        job_id = client.start(*items).json()["data"]["id"]
        for left in range(len(items), 0, -1):
            shut.wait_for(min(lanes, left), job_id)
            job = deployed.job(owner, job_id)
            seen.append(sum(item.prediction is not None for item in job.open_items))
            shut.let(1, job_id)
            deployed.when(owner, job_id, lambda job, left=left: len(job.open_items) < left, "one done")  # type: ignore[misc]
    assert deployed.ended(owner, job_id).status == "succeeded"
    assert seen == [min(lanes, left) for left in range(len(items), 0, -1)]
