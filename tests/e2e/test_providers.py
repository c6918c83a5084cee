"""Hosted models, whole: every model of the catalogue, its price and its cost, and what its provider may do to us."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from enhancer.adapters.aws.secrets import FORCED_SECONDS
from enhancer.adapters.dynamodb import keys
from enhancer.domain.costs import SPEND_CAP_MICROS, estimated
from enhancer.domain.jobs import Job
from enhancer.domain.models import model_named
from enhancer.domain.periods import day_of
from enhancer.runtime import now
from tests.e2e.deployed import Deployed
from tests.e2e.provider_cases import at, deliveries, forget
from tests.e2e.provider_lab import PLANS, REPLICATE, WORKERS, Lab, size_of
from tests.e2e.provider_play import PARAMETERS, Stage
from tests.support.client import Client, picture

WIDTH, HEIGHT = 320, 256
SLOW_SECONDS = 120.0
"""How long a slow prediction takes; less than a signature's time may be off, because the clock is moved by it."""
MODELS: dict[str, tuple[dict[str, str], tuple[int, int], float]] = {
    "local": ({"scale": "4"}, (1280, 1024), 2.0),
    "real-esrgan": ({"scale": "4", "face_enhance": "true"}, (1280, 1024), 2.5),
    "gfpgan": ({}, (640, 512), 1.0),
    "topaz": ({}, (640, 512), 5.0),
    "nano-banana": (PARAMETERS["nano-banana"], (1145, 916), 10.0),
    "sd15": (
        {"strength": "0.4", "guidance": "6", "steps": "10", "negative_prompt": "noise"},
        (320, 256),
        1.0,
    ),
    "flux-klein": (PARAMETERS["flux-klein"], (320, 256), 1.2),
}
"""Parameters, the size of the result of a picture of 320 x 256, and the price in credits."""
BILLED = {"topaz": 50_000, "nano-banana": 39_000, "sd15": 0, "flux-klein": 59 + 287}
"""Fixed costs in USD micros; the others are billed by the second."""


@pytest.fixture(scope="module")
def whole_lab(deployed: Deployed, fresh_client: Callable[[], Client]) -> Iterator[Lab]:
    """The stack as a laboratory."""
    opened = Lab(deployed, fresh_client)
    yield opened
    opened.canary.close()


@pytest.fixture
def lab(whole_lab: Lab) -> Iterator[Lab]:
    """The same, with quiet providers before and after."""
    with whole_lab.held(REPLICATE, WORKERS):
        yield whole_lab


@pytest.fixture
def stage(lab: Lab) -> Stage:
    """Somebody signed in."""
    return Stage(lab, *lab.someone())


def booked(stage: Stage, alias: str) -> dict[str, int]:
    """The record of today's cost of a model."""
    record = stage.lab.deployed.store.table.get(
        keys.spend(day_of(now()), model_named(alias).provider, alias, PLANS[0], "user")
    )
    return {name: int((record or {}).get(name, 0)) for name in ("micros", "runs", "failed")}


def check_paid(stage: Stage, alias: str, before: dict[str, int]) -> Job:
    """The one job of this stage succeeded; its price was paid, its cost is on the item and in the day's record."""
    job = stage.lab.is_over(stage.job)
    item, after = job.items[0], booked(stage, alias)
    assert (job.status, job.model_of(item).alias) == ("succeeded", alias)
    assert item.charge == round(10 * MODELS[alias][2])
    assert after == {
        "micros": before["micros"] + item.cost,
        "runs": before["runs"] + 1,
        "failed": before["failed"],
    }
    assert item.cost > 0 or alias == "sd15"
    assert item.cost == BILLED.get(alias, item.cost)
    stage.lab.check_books(stage.owner)
    stage.lab.check_tokens()
    return job


def slow_job(stage: Stage, *scripts: tuple[str, str, str, dict[str, object]]) -> Job:
    """A job at gfpgan whose prediction runs until `pass_time`, and is known by its name."""
    for _, route, kind, parameters in (at("outcome", "slow", seconds=SLOW_SECONDS), *scripts):
        stage.lab.replicate.script(route, kind, **parameters)
    answer = stage.client.start(image=picture(seed=next(stage.lab.seeds)), model="gfpgan")
    assert answer.status_code == 202, answer.text
    return once_started(stage, answer.json()["data"]["id"])


def once_started(stage: Stage, job_id: str) -> Job:
    """The job as soon as the provider runs its prediction."""

    def is_named(job: Job) -> bool:
        return any(item.prediction and item.prediction.id for item in job.open_items)

    return stage.lab.deployed.when(stage.owner, job_id, is_named, "named")


def pass_time(stage: Stage) -> None:
    """Let every slow prediction end now, by the clock of its provider."""
    stage.lab.replicate.control("clock", advance=SLOW_SECONDS)


def end_of(stage: Stage, job: Job) -> Job:
    """A slow job after its end."""
    pass_time(stage)
    return stage.lab.is_over(job)


def answered(stage: Stage) -> set[int]:
    """What the provider's call-backs were answered with; one that was not answered in time is sent again."""
    return {sent["status"] for sent in stage.lab.replicate.attempts() if sent["status"]}


def prediction(job: Job) -> str:
    """What Replicate calls the one prediction of this job."""
    found = job.items[0].prediction
    assert found
    assert found.id
    return found.id


@pytest.mark.parametrize("alias", MODELS)
def test_generate_returns_a_picture_of_the_right_size_by_the_model_asked_for(
    stage: Stage, alias: str
) -> None:
    """Each model of the catalogue: the result opens, price and cost are what the catalogue says."""
    parameters, size, price = MODELS[alias]
    before = booked(stage, alias)
    photo = picture(WIDTH, HEIGHT, seed=next(stage.lab.seeds))
    answer = stage.client.generate(photo, model=alias, **parameters)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    slug = model_named(alias).slug
    assert (data["model"], data["requestedModel"], data["charge"]["total"]) == (slug, slug, price)
    assert (data["width"], data["height"]) == size_of(stage.client, data["imageUrl"]) == size
    check_paid(stage, alias, before)


@pytest.mark.parametrize("alias", MODELS)
def test_job_ends_with_a_picture_of_the_right_size_by_the_model_asked_for(stage: Stage, alias: str) -> None:
    """The same through the state machine, from an upload."""
    parameters, size, price = MODELS[alias]
    before = booked(stage, alias)
    upload = stage.client.upload(picture(WIDTH, HEIGHT, seed=next(stage.lab.seeds)), "image/png")
    params, prompt = dict(parameters), {}
    if "prompt" in params:
        prompt["prompt"] = params.pop("prompt")
    body = {"items": [{"uploadKey": upload}], "model": alias, "params": params, **prompt}
    answer = stage.client.post("/api/ai-image/jobs", json=body)
    assert answer.status_code == 202, answer.text
    stage.lab.is_over(stage.job)
    data = stage.client.job(stage.job.id)
    assert (data["status"], data["model"], data["charge"]["total"]) == (
        "succeeded",
        model_named(alias).slug,
        price,
    )
    assert (data["output"]["width"], data["output"]["height"]) == size
    assert size_of(stage.client, data["output"]["url"]) == size
    check_paid(stage, alias, before)


def test_webhook_wakes_the_execution_without_a_sweep(stage: Stage) -> None:
    """The provider's call-back ends the wait: no poll, no sweep, no time-out."""
    job = slow_job(stage)
    ended = end_of(stage, job)
    assert ended.status == "succeeded"
    assert answered(stage) == {204}
    assert stage.lab.deployed.history(job)["TaskStateEntered PollPrediction"] == 0
    assert stage.lab.calls(stage.owner, REPLICATE).creates == 1


@pytest.mark.parametrize("signature", ["bad", "stale", "future"])
def test_forged_webhook_is_refused_and_changes_nothing(stage: Stage, signature: str) -> None:
    """A wrong key, ten minutes ago, in ten minutes: 400, and the job runs on to its own end."""
    job = slow_job(stage)
    sent = stage.lab.replicate.control("event", id=prediction(job), status="succeeded", signature=signature)
    assert (sent["status"], json.loads(sent["body"])["error"]["code"]) == (400, "webhook_invalid")
    assert stage.job == job
    assert end_of(stage, job).status == "succeeded"


def test_webhook_with_a_changed_path_is_refused(stage: Stage) -> None:
    """Well signed by the provider, but about an item that our own signature does not name."""
    job = slow_job(stage)
    url = requests.get(f"{stage.lab.replicate.url}/_ctl/log", timeout=60).json()["requests"]
    (create,) = [call for call in url if call["path"].endswith("/predictions") and call["method"] == "POST"]
    path = json.loads(create["body"])["webhook"]
    sent = stage.lab.replicate.control("event", id=prediction(job), url=path.replace(".1.0.0.", ".1.1.0."))
    assert (sent["status"], json.loads(sent["body"])["error"]["code"]) == (400, "webhook_invalid")
    assert end_of(stage, job).status == "succeeded"


def test_webhook_about_another_prediction_changes_nothing(stage: Stage) -> None:
    """An id that this item never had: heard, and not believed."""
    job = slow_job(stage)
    (create,) = [call for call in stage.lab.replicate.log() if call["method"] == "POST"]
    sent = stage.lab.replicate.control("event", id="unknown", url=json.loads(create["body"])["webhook"])
    assert sent["status"] == 204
    assert stage.job == job
    assert end_of(stage, job).status == "succeeded"


def test_webhook_that_lies_about_the_end_wakes_a_step_that_asks_for_itself(stage: Stage) -> None:
    """Well signed but untrue: the provider itself is asked, the prediction is stopped, nothing is charged."""
    job = slow_job(stage)
    sent = stage.lab.replicate.control("event", id=prediction(job), status="succeeded")
    assert sent["status"] == 204
    ended = stage.lab.is_over(job)
    assert [item.error.code for item in ended.items if item.error] == ["provider_timeout"]
    stage.lab.check_books(stage.owner)


def test_late_and_repeated_webhooks_change_nothing(stage: Stage) -> None:
    """After the end the same news is heard twice more: 204, and job, ledger and calls stay as they were."""
    job = end_of(stage, slow_job(stage))
    kinds, calls = stage.lab.deployed.kinds(stage.owner), stage.lab.calls(stage.owner, REPLICATE)
    found = stage.lab.replicate.predictions()[0]["id"]
    for _ in range(2):
        assert stage.lab.replicate.control("event", id=found, webhook_id="msg_again")["status"] == 204
    assert stage.job == job
    assert stage.lab.deployed.kinds(stage.owner) == kinds == {"hold": 1, "settle": 1}
    assert stage.lab.calls(stage.owner, REPLICATE) == calls


def test_deployed_sweep_wakes_a_job_whose_webhook_was_lost(stage: Stage) -> None:
    """The function itself, with its own rights: it asks the provider and wakes the execution."""
    job = slow_job(stage, at("webhook", "never"))
    deployed = stage.lab.deployed
    pass_time(stage)
    deployed.until(lambda: stage.lab.predictions_of(stage.owner)[0]["completed_at"], "the end of it")
    long_ago = {"pk": f"OWNER#user#{stage.owner.id}", "sk": f"JOB#{job.id}"}
    deployed.store.table.update(
        long_ago,
        "SET #items[0].prediction.started_at = :then",
        names={"#items": "items"},
        values={":then": now() - 60_000},
    )
    reply = deployed.functions.invoke(FunctionName=deployed.stack.physical_id("Sweep"), Payload=b"{}")
    assert "FunctionError" not in reply, reply["Payload"].read()
    assert stage.lab.is_over(job).status == "succeeded"


def test_deployed_sweep_stops_the_prediction_of_an_overdue_job(stage: Stage) -> None:
    """Past its deadline the provider is told to stop, and everything is given back."""
    job = slow_job(stage)
    deployed = stage.lab.deployed
    key = {"pk": f"OWNER#user#{stage.owner.id}", "sk": f"JOB#{job.id}"}
    deployed.store.table.update(key, "SET gsi1sk = :then", values={":then": 1})
    reply = deployed.functions.invoke(FunctionName=deployed.stack.physical_id("Sweep"), Payload=b"{}")
    assert "FunctionError" not in reply, reply["Payload"].read()
    ended = deployed.ended(stage.owner, job.id)
    assert [item.error.code for item in ended.items if item.error] == ["job_expired"]
    assert [one["status"] for one in stage.lab.predictions_of(stage.owner)] == ["canceled"]
    stage.lab.check_books(stage.owner)


def test_cancel_reaches_the_provider_and_is_free(stage: Stage) -> None:
    """The provider is told to stop, the job stays canceled, the price is back."""
    job = slow_job(stage)
    assert stage.client.cancel(job.id).status_code == 200
    assert stage.lab.calls(stage.owner, REPLICATE).cancels == 1
    assert [one["status"] for one in stage.lab.replicate.predictions()] == ["canceled"]
    ended = stage.lab.is_over(job)
    assert (ended.status, ended.items[0].charge) == ("canceled", 0)
    stage.lab.check_books(stage.owner)


def test_success_after_a_cancel_is_ignored(stage: Stage) -> None:
    """The provider does not hear the cancel and reports a result: nothing is stored, settled or charged."""
    job = slow_job(stage, at("cancel", "status", status=500))
    assert stage.client.cancel(job.id).status_code == 200
    pass_time(stage)
    deliveries(1)(stage)
    assert answered(stage) == {204}
    ended = stage.lab.is_over(job)
    assert (ended.status, ended.items[0].output) == ("canceled", None)
    assert stage.lab.calls(stage.owner, REPLICATE).downloads == 0
    assert stage.lab.deployed.kinds(stage.owner) == {"hold": 1, "release": 1}
    stage.lab.check_books(stage.owner)


def test_retry_after_a_failure_runs_once_more_and_is_paid_once(stage: Stage) -> None:
    """The first attempt failed at the provider; the second is held anew, runs and is charged."""
    stage.lab.replicate.script("outcome", "failed", error="E1001: out of memory")
    answer = stage.client.start(image=picture(seed=next(stage.lab.seeds)), model="gfpgan")
    failed = stage.lab.is_over(stage.job)
    assert (failed.status, failed.id) == ("failed", answer.json()["data"]["id"])
    assert stage.client.retry(failed.id).status_code == 202
    ended = stage.lab.is_over(stage.lab.deployed.job(stage.owner, failed.id))
    assert (ended.status, ended.attempt, ended.items[0].charge) == ("succeeded", 2, 10)
    assert stage.lab.deployed.kinds(stage.owner) == {"hold": 2, "release": 1, "settle": 1}
    assert stage.lab.calls(stage.owner, REPLICATE).made == 2
    stage.lab.check_books(stage.owner)


@pytest.mark.parametrize("seconds", [1, 4])
def test_slow_prediction_is_handed_over_and_made_once(stage: Stage, seconds: int) -> None:
    """Whoever waits for less than it takes gets 202 with the job; the one prediction becomes its result."""
    stage.lab.replicate.script("outcome", "slow", seconds=SLOW_SECONDS)
    photo = picture(seed=next(stage.lab.seeds))
    answer = stage.client.generate(photo, model="gfpgan", headers={"Prefer": f"wait={seconds}"})
    assert answer.status_code == 202, answer.text
    ended = end_of(stage, once_started(stage, stage.job.id))
    assert (ended.status, ended.items[0].charge) == ("succeeded", 10)
    assert (
        stage.lab.calls(stage.owner, REPLICATE).creates,
        stage.lab.calls(stage.owner, REPLICATE).made,
    ) == (1, 1)
    stage.lab.check_books(stage.owner)


def test_rotated_token_is_picked_up_without_a_deploy(stage: Stage) -> None:
    """A wrong token is refused; once the right one is in the secret store, the next call reads it and works."""
    stack, client = stage.lab.deployed.stack, stage.client
    secrets, name = stack.client("secretsmanager"), stack.physical_id("ProviderSecret")
    right = stack.providers.secret

    def generate() -> requests.Response:
        return client.generate(picture(seed=next(stage.lab.seeds)), model="gfpgan")

    try:
        wrong = json.dumps({**right, "replicate": "r8_withdrawn"})
        secrets.put_secret_value(SecretId=name, SecretString=wrong)
        for _ in range(5):  # one of several warm processes may still keep the right one
            forget(stage.lab, "Generate")
            refused = generate()
            if refused.status_code == 403:
                break
        before = stage.lab.calls(stage.owner, REPLICATE).made
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "provider_forbidden")
    finally:
        secrets.put_secret_value(SecretId=name, SecretString=json.dumps(right))
    time.sleep(FORCED_SECONDS + 1)  # the store is not asked more often than that
    assert generate().status_code == 200
    tokens = [
        call["headers"]["authorization"] for call in stage.lab.replicate.log() if call["method"] == "POST"
    ]
    assert tokens[-2:] == ["Bearer r8_withdrawn", f"Bearer {right['replicate']}"]
    assert stage.lab.calls(stage.owner, REPLICATE).made == before + 1


def test_what_a_run_is_expected_to_cost_is_set_aside_while_it_runs(stage: Stage) -> None:
    """The day's total counts the estimate at once, and the true cost in its place when the run has ended."""
    spend, day = stage.lab.deployed.job_deps.spend, day_of(now())
    before = spend.total(day)
    job = slow_job(stage)
    assert spend.total(day) == before + estimated(job.model)
    assert spend.total(day) != before + end_of(stage, job).items[0].cost
    assert spend.total(day) == before + stage.job.items[0].cost


def test_owners_who_run_at_once_stop_exactly_at_the_days_spend_cap(lab: Lab) -> None:
    """Room for three predictions, eight owners in parallel: three are made, five are told and pay nothing."""
    places, estimate = 3, estimated(model_named("gfpgan").slug)
    spend, key = lab.deployed.job_deps.spend, keys.spend_total(day_of(now()))
    used = SPEND_CAP_MICROS - spend.total(day_of(now())) - places * estimate - estimate // 2
    people = [lab.someone() for _ in range(8)]
    photos = [picture(seed=next(lab.seeds)) for _ in people]
    lab.replicate.script("outcome", "slow", seconds=SLOW_SECONDS, times=len(people))
    lab.deployed.store.table.update(key, "ADD used :used", values={":used": used})
    try:
        with ThreadPoolExecutor(len(people)) as pool:
            orders = zip(people, photos, strict=True)
            answers = list(pool.map(lambda one: one[0][0].start(image=one[1], model="gfpgan"), orders))
        assert {answer.status_code for answer in answers} == {202}
        jobs = [lab.deployed.jobs_of(owner)[0] for _, owner in people]

        def decided(job: Job) -> bool:
            return not job.is_open or any(item.prediction and item.prediction.id for item in job.items)

        found = [lab.deployed.when(job.owner, job.id, decided, "decided") for job in jobs]
        assert sorted(job.is_open for job in found) == [False] * 5 + [True] * places
        assert len(lab.replicate.predictions()) == places
        assert spend.total(day_of(now())) <= SPEND_CAP_MICROS
        lab.replicate.control("clock", advance=SLOW_SECONDS)
        ends = Counter(
            job.items[0].error.code if job.items[0].error else "" for job in map(lab.is_over, jobs)
        )
        assert ends == {"": places, "provider_exhausted": 5}
    finally:
        lab.deployed.store.table.update(key, "ADD used :used", values={":used": -used})
    for _, owner in people:
        lab.check_books(owner)


def test_pictures_of_a_job_wait_for_their_turns_at_an_account_low_on_credit(stage: Stage) -> None:
    """One create at a time is let through: none of three fails, and each is made once."""
    stage.lab.replicate.control("credit", low=True, every_s=1, spent=True)
    uploads = [stage.client.upload(picture(seed=next(stage.lab.seeds)), "image/png") for _ in range(3)]
    body = {"items": [{"uploadKey": upload} for upload in uploads], "model": "gfpgan"}
    assert stage.client.post("/api/ai-image/jobs", json=body).status_code == 202
    job = stage.lab.is_over(stage.job)
    assert [(item.status, item.charge) for item in job.items] == [("succeeded", 10)] * 3
    assert stage.lab.calls(stage.owner, REPLICATE).made == 3
    stage.lab.check_books(stage.owner)


@pytest.mark.parametrize("status", ["starting", "processing"])
def test_prediction_that_begins_when_nobody_waits_for_it_is_stopped(stage: Stage, status: str) -> None:
    """Of another one under the same signed path is told that it began: it is canceled; the job's own goes on."""
    job = slow_job(stage)
    (create,) = [call for call in stage.lab.replicate.log() if call["method"] == "POST"]
    order = json.loads(create["body"])
    headers = {"Authorization": create["headers"]["authorization"]}
    stray = requests.post(
        f"{stage.lab.replicate.url}/v1/predictions",
        json={"version": order["version"], "input": order["input"]},
        headers=headers,
        timeout=60,
    ).json()
    sent = stage.lab.replicate.control("event", id=stray["id"], status=status, url=order["webhook"])
    assert sent["status"] == 204
    states = {one["id"]: one["status"] for one in stage.lab.replicate.predictions()}
    assert (states[stray["id"]], states[prediction(job)] in ("starting", "processing")) == ("canceled", True)
    assert end_of(stage, job).status == "succeeded"
