"""The same picture at once, deletions while others use it, cancels of what runs: races on the deployed stack."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from enhancer.domain.artifacts import incoming_key
from enhancer.domain.callers import Caller
from enhancer.domain.cohorts import EVERYBODY
from enhancer.domain.errors import ProviderFailed
from enhancer.domain.jobs import Artifact, Job, Source
from enhancer.domain.owners import Owner
from enhancer.domain.plans import PLANS
from enhancer.domain.predictions import Outcome
from enhancer.jobs import resolve, steps, submit
from enhancer.jobs.submit import EnhanceOrder
from tests.e2e.deployed import Deployed
from tests.support.client import Client, picture

Fresh = Callable[[], Client]
ROUNDS = 50
SLOW = {"quality": "pro", "scale": "2"}
PLAN = "enterprise"


@pytest.fixture
def client(fresh_client: Fresh) -> Client:
    """A browser that is signed in on the largest plan."""
    found = fresh_client()
    found.login(PLAN)
    return found


@pytest.fixture
def caller(client: Client) -> Caller:
    """The same user, for what is written past the API."""
    user = client.get("/api/auth/me").json()["data"]["id"]
    return Caller(Owner("user", user), PLANS[PLAN], "user", "network", None, access=EVERYBODY)


def remove(client: Client, job_id: str) -> requests.Response:
    """DELETE a job as the page would."""
    token = {"Origin": client.url, "X-CSRF-Token": client.http.cookies["csrf_token"]}
    return client.http.delete(f"{client.url}/api/ai-image/jobs/{job_id}", headers=token, timeout=60)


def at_once(*calls: Callable[[], requests.Response]) -> list[requests.Response]:
    """Make these calls from threads that start together."""
    barrier = threading.Barrier(len(calls))

    def after_all_are_there(call: Callable[[], requests.Response]) -> requests.Response:
        barrier.wait()
        time.sleep(random.uniform(0, 0.05))  # noqa: S311 - so that each comes first now and then
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(after_all_are_there, calls))


def paid(deployed: Deployed, caller: Caller, data: bytes) -> Job:
    """A job whose picture was made and paid for, without running a model."""
    deps = deployed.job_deps
    model, params = submit.interpret(EnhanceOrder())
    photo = deps.read_photo(data, pixels_max=10**6)
    ordered = submit.submit_photo(
        model, params, photo, kind="sync", caller=caller, idempotency_key=None, now=deps.now(), deps=deps
    )
    item = ordered.job.items[0]
    submit.store_original(item, ordered.original, deps=deps)
    deployed.put_result(item, data)
    output = Artifact(item.target, "image/png", len(data), 48, 32)
    resolve.settle(ordered.job, item, Outcome(output), seconds=0.1, closes=True, deps=deps)
    return deployed.job(caller.owner, ordered.job.id)


def half_failed(deployed: Deployed, caller: Caller, data: bytes) -> Job:
    """An ended job of two pictures: one paid for, one failed."""
    deps = deployed.job_deps
    model, params = submit.interpret(EnhanceOrder())
    keys = [incoming_key(caller.owner, deps.new_name()) for _ in range(2)]
    for key, content in zip(keys, (data, b"damaged"), strict=True):
        deployed.artifacts.put(key, content, "image/png")
    sources = [(Source("upload", key), None) for key in keys]
    job = submit.submit_batch(
        model, params, sources, caller=caller, idempotency_key=None, now=deps.now(), deps=deps
    ).job
    ready = steps.prepare_item(job, job.items[0], deps=deps)
    deployed.put_result(ready, data)
    output = Artifact(ready.target, "image/png", len(data), 48, 32)
    resolve.settle(job, ready, Outcome(output), seconds=0.1, closes=False, deps=deps)
    resolve.close(deployed.job(caller.owner, job.id), ProviderFailed(), deps=deps)
    ended = deployed.job(caller.owner, job.id)
    assert [item.status for item in ended.items] == ["succeeded", "failed"]
    return ended


def test_delete_against_retry_leaves_either_the_whole_job_or_none_of_it(
    client: Client, caller: Caller, deployed: Deployed
) -> None:
    """Fifty rounds: one of the two is refused; refused, DELETE took no picture, and retry held nothing."""
    outcomes: Counter[tuple[int, int]] = Counter()
    for number in range(ROUNDS):
        job = half_failed(deployed, caller, picture(seed=3000 + number))
        good = job.items[0]
        assert good.input
        assert good.output
        deleted, again = at_once(
            lambda job=job: remove(client.copy(), job.id),  # type: ignore[misc]
            lambda job=job: client.copy().retry(job.id),  # type: ignore[misc]
        )
        outcomes[deleted.status_code, again.status_code] += 1
        there = [deployed.artifacts.exists(one.key) for one in (good.input, good.output)]
        if deleted.status_code == 200:
            assert again.status_code in (404, 409), again.text
            assert deployed.store.jobs.get(caller.owner, job.id) is None
            assert there == [False, False]
        else:
            assert (deleted.status_code, again.status_code) == (409, 202), (deleted.text, again.text)
            assert there == [True, True]
            assert client.get(f"/r2-ai/{good.output.key}").status_code == 200
            deployed.ended(caller.owner, job.id)
    assert set(outcomes) <= {(200, 404), (200, 409), (409, 202)}
    assert deployed.open_jobs(caller.owner) == 0
    kinds = deployed.kinds(caller.owner)
    assert kinds["settle"] == ROUNDS
    assert kinds["hold"] == kinds["settle"] + kinds["release"]


def test_a_shared_result_outlives_the_deletion_of_the_job_that_paid(
    client: Client, caller: Caller, deployed: Deployed
) -> None:
    """Fifty rounds: whoever asks for the same while it is deleted has a picture that stays, free or made anew."""
    charges: Counter[float] = Counter()
    for number in range(ROUNDS):
        data = picture(seed=4000 + number)
        job = paid(deployed, caller, data)
        deleted, again = at_once(
            lambda job=job: remove(client.copy(), job.id),  # type: ignore[misc]
            lambda data=data: client.copy().generate(data),  # type: ignore[misc]
        )
        assert (deleted.status_code, again.status_code) == (200, 200), (deleted.text, again.text)
        told = again.json()["data"]
        charges[told["charge"]["total"]] += 1
        assert told["deduplicated"] is (told["charge"]["total"] == 0)
        assert client.get(told["imageUrl"].removeprefix(client.url)).status_code == 200
        assert client.get(told["originalUrl"].removeprefix(client.url)).status_code == 200
        assert job.items[0].output
        assert not deployed.artifacts.exists(job.items[0].output.key)
    assert set(charges) <= {0.0, 1.0}
    kinds = deployed.kinds(caller.owner)
    assert kinds == {"hold": ROUNDS + charges[1.0], "settle": ROUNDS + charges[1.0]}


def test_five_equal_uploads_at_once_are_one_run_and_one_charge(
    client: Client, caller: Caller, deployed: Deployed
) -> None:
    """Each has a job and a picture of its own; one of them paid."""
    data = picture(seed=5000)
    answers = at_once(*[lambda: client.copy().generate(data) for _ in range(5)])
    assert [answer.status_code for answer in answers] == [200] * 5, [answer.text for answer in answers]
    told = [answer.json()["data"] for answer in answers]
    assert sorted(one["charge"]["total"] for one in told) == [0.0, 0.0, 0.0, 0.0, 1.0]
    assert len({one["jobId"] for one in told}) == len({one["imageUrl"] for one in told}) == 5
    assert deployed.kinds(caller.owner) == {"hold": 1, "settle": 1}
    assert deployed.used(caller.owner) == (1, 10)
    payer = next(one for one in told if one["charge"]["total"])
    assert remove(client, payer["jobId"]).status_code == 200
    for one in told:
        status = client.get(one["imageUrl"].removeprefix(client.url)).status_code
        assert status == (404 if one is payer else 200)


def test_one_upload_three_times_in_a_batch_and_in_three_jobs_is_charged_once_each(
    client: Client, caller: Caller, deployed: Deployed
) -> None:
    """All start at once; the others wait in the state machine, and their holds come back."""
    for jobs, photo in ((1, picture(seed=5100)), (3, picture(seed=5101))):
        items = [{"uploadKey": client.upload(photo, "image/png")}] * (3 // jobs)
        started = at_once(*[lambda items=items: client.copy().start(*items) for _ in range(jobs)])  # type: ignore[misc]
        assert [answer.status_code for answer in started] == [202] * jobs
        assert {answer.json()["data"]["status"] for answer in started} == {"queued"}
        ended = [deployed.ended(caller.owner, answer.json()["data"]["id"]) for answer in started]
        charges = [item.charge for job in ended for item in job.items]
        assert sorted(charges) == [0, 0, 10]
        outputs = {item.output.key for job in ended for item in job.items if item.output}
        assert len(outputs) == 3
        assert all(deployed.artifacts.exists(key) for key in outputs)
    assert deployed.kinds(caller.owner)["settle"] == 2
    assert deployed.used(caller.owner) == (2, 20)


def test_when_the_one_that_runs_is_canceled_the_one_that_waits_runs_itself(
    client: Client, caller: Caller, deployed: Deployed
) -> None:
    """Charged once, for the picture that was made."""
    data = picture(1440, 8, seed=5200)
    first = client.start(image=data, **SLOW).json()["data"]["id"]
    deployed.running(caller.owner, first)
    second = client.start(image=data, **SLOW).json()["data"]["id"]
    deployed.when(caller.owner, second, lambda job: job.items[0].waited > 0, "a job that waits")
    assert deployed.used(caller.owner) == (2, 40)
    assert client.cancel(first).status_code == 200
    done = deployed.ended(caller.owner, second)
    assert (done.status, done.items[0].free, done.items[0].charge) == ("succeeded", False, 20)
    assert deployed.kinds(caller.owner) == {"hold": 2, "release": 1, "settle": 1}
    assert deployed.used(caller.owner) == (1, 20)


def void(client: Client, key: str) -> requests.Response:
    """Cancel what was ordered under a key."""
    return client.post("/api/ai-image/jobs/by-key/cancel", headers={"Idempotency-Key": key})


def test_a_run_inside_a_request_stops_when_it_is_canceled_by_its_key(
    client: Client, caller: Caller, deployed: Deployed
) -> None:
    """The caller who waits learns it, the model stops between two tiles, nothing is charged and nothing is kept."""
    data, key = picture(1440, 8, seed=5300), {"Idempotency-Key": "waits"}
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.copy().generate, data, headers=key, **SLOW)
        job = deployed.until(lambda: next(iter(deployed.jobs_of(caller.owner)), None), "the job")
        canceled = void(client, "waits")
        assert (canceled.status_code, canceled.json()["data"]["status"]) == (200, "canceled")
        assert (answer.result().status_code, answer.result().json()["error"]["code"]) == (409, "job_canceled")
    assert deployed.kinds(caller.owner) == {"hold": 1, "release": 1}
    assert deployed.used(caller.owner) == (0, 0)
    ended = deployed.job(caller.owner, job.id)
    assert (ended.status, ended.items[0].output) == ("canceled", None)
    stopped = deployed.until(lambda: deployed.logged("upscale stopped", job), "the end of the model's run")
    assert {line["errorType"] for line in stopped} == {"JobCanceled"}
    assert not deployed.artifacts.exists(ended.items[0].target)


def test_cancel_and_the_run_it_is_about_never_say_different_things(
    client: Client, caller: Caller, deployed: Deployed
) -> None:
    """Twenty rounds, canceled at any moment: either stopped and free, or finished, charged, and said to be."""
    outcomes: Counter[str] = Counter()
    for number in range(20):
        key = f"race-{number}"
        before = deployed.kinds(caller.owner)["settle"]

        def late(key: str = key, seconds: float = random.uniform(0, 2.5)) -> requests.Response:  # noqa: S311
            time.sleep(seconds)
            return void(client.copy(), key)

        run, canceled = at_once(
            lambda key=key, number=number: client.copy().generate(  # type: ignore[misc]
                picture(seed=5400 + number), headers={"Idempotency-Key": key}
            ),
            late,
        )
        charged = deployed.kinds(caller.owner)["settle"] - before
        told = json.loads(canceled.text)
        if canceled.status_code == 200:
            assert told["data"]["status"] == "canceled"
            assert (run.status_code, run.json()["error"]["code"]) == (409, "job_canceled"), run.text
            assert charged == 0
        else:
            assert (canceled.status_code, told["error"]["code"]) == (409, "job_finished"), canceled.text
            assert (run.status_code, charged) == (200, 1)
        outcomes[str(canceled.status_code)] += 1
    assert sum(outcomes.values()) == 20
    assert deployed.open_jobs(caller.owner) == 0
