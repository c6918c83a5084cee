"""The situations in which steps are killed: how each comes about, and what production does afterwards."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

from enhancer import runtime
from enhancer.adapters.dynamodb import keys
from enhancer.domain.artifacts import incoming_key
from enhancer.domain.callers import Caller
from enhancer.domain.cohorts import EVERYBODY
from enhancer.domain.errors import ProviderTimeout
from enhancer.domain.jobs import Artifact, Item, Job, Source
from enhancer.domain.periods import month_of
from enhancer.domain.plans import PLANS
from enhancer.jobs import resolve, steps, submit
from enhancer.jobs.submit import EnhanceOrder
from functions.debug_login.app import sign_in_for_development
from tests.e2e.deployed import LATE_MS, SOON_MS, step_event
from tests.e2e.faults import Bench, Case, Scenario
from tests.support.client import picture

PRICE, BOUGHT = 10, 100
PLAN = PLANS["premium"]
PLAN_LEFT = 5
"""Half a picture: the first of a job is paid from the month and from bought credits."""
BOUNDARY = "pixels"

# -------------------------------------------------------------------------------------------- owners and jobs


def someone(bench: Bench) -> Case:
    """A signed-in user with little of the month and some bought credits left."""
    store, now = bench.deployed.store, runtime.now()
    token = runtime.new_name()
    account = sign_in_for_development(
        email=None,
        plan=PLAN.name,
        role="user",
        accounts=store.accounts,
        token=token,
        new_name=runtime.new_name,
        now=now,
    )
    owner, used = account.owner, PLAN.quota_tenths - PLAN_LEFT
    store.table.put({"pk": f"OWNER#user#{owner.id}", "sk": f"USAGE#{month_of(now)}", "used": used})
    store.ledger.grant(
        owner, BOUGHT, source="test", reason="test", actor="test", entry_id=runtime.new_id("ent"), now=now
    )
    return Case(owner, token, month=used)


def photo(bench: Bench) -> bytes:
    """A picture nobody has seen before."""
    return picture(seed=next(bench.seeds))


def upload(bench: Bench, case: Case, data: bytes) -> str:
    """Store an upload of the owner and return its key."""
    key = incoming_key(case.owner, runtime.new_name())
    bench.deployed.artifacts.put(key, data, "image/png")
    return key


def held(bench: Bench, case: Case, *pictures: bytes) -> Job:
    """A held job over uploads, whose execution was not started."""
    model, params = submit.interpret(EnhanceOrder())
    caller = Caller(case.owner, PLAN, "user", "network", None, access=EVERYBODY)
    submitted = submit.submit_batch(
        model,
        params,
        [(Source("upload", upload(bench, case, data)), None) for data in pictures],
        caller=caller,
        idempotency_key=None,
        now=runtime.now(),
        deps=replace(bench.deployed.job_deps, new_id=first_shard_id),
    )
    case.job_id = submitted.job.id
    return submitted.job


def first_shard_id(prefix: str) -> str:
    """An id of a job that the sweep finds in its first partition, so that its calls come in the same order."""
    while True:
        found = runtime.new_id(prefix)
        if prefix != "job" or keys.open_shard(found) == "OPEN#0":
            return found


def claimed(bench: Bench, case: Case, job: Job, place: int = 0) -> Item:
    """Let a picture of the job be looked at and its prediction be claimed; no model runs."""
    deps = bench.deployed.job_deps
    item = steps.prepare_item(job, job.items[place], deps=deps)
    assert item
    assert deps.jobs.claim(job, item, token="nobody", now=runtime.now())
    return item


def settled(bench: Bench, case: Case, job: Job, place: int = 0) -> None:
    """Let a picture of the job succeed, and remember what it cost."""
    deps, item = bench.deployed.job_deps, claimed(bench, case, job, place)
    bench.deployed.put_result(item)
    output = Artifact(item.target, "image/png", 9, 48, 32)
    entry_id = runtime.new_id("ent")
    deps.ledger.settle(
        job, item, output=output, seconds=0.1, closes=False, entry_id=entry_id, now=runtime.now()
    )


def waiting(bench: Bench, case: Case, job: Job) -> Job:
    """Start the job's execution; its step finds the prediction claimed and waits for a call that never comes."""
    deployed = bench.deployed
    deployed.job_deps.workflow.start(deployed.job(job.owner, job.id), concurrency=1)

    def is_waiting(job: Job) -> bool:
        return any(item.prediction and item.prediction.token != "nobody" for item in job.open_items)

    return deployed.when(job.owner, job.id, is_waiting, "waiting")


def aged(bench: Bench, case: Case, *, overdue: bool) -> None:
    """Let the job look long untouched; ``overdue``: past its deadline too."""
    key = {"pk": f"OWNER#user#{case.owner.id}", "sk": f"JOB#{case.job_id}"}
    update = "SET updated_at = :long_ago" + (", gsi1sk = :long_ago" if overdue else "")
    bench.deployed.store.table.update(key, update, values={":long_ago": 1})


# ------------------------------------------------------------------------------------------------- events


def call(case: Case, path: str, body: bytes, content_type: str, **headers: str) -> dict[str, Any]:
    """The event of a POST by the owner's browser."""
    return {
        "version": "2.0",
        "rawPath": path,
        "headers": {
            "origin": runtime.settings().app_origin,
            "x-csrf-token": "token",
            "content-type": content_type,
            "idempotency-key": "one",
            **headers,
        },
        "cookies": ["csrf_token=token", f"session_id={case.token}"],
        "requestContext": {
            "http": {"method": "POST", "path": path, "sourceIp": "127.0.0.1"},
            "requestId": "fault",
            "stage": "$default",
        },
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


def form(case: Case, path: str, data: bytes, **headers: str) -> dict[str, Any]:
    """The event of a form with one picture."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="p.png"\r\n\r\n'
    body = head.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()
    return call(case, path, body, f"multipart/form-data; boundary={BOUNDARY}", **headers)


# ------------------------------------------------------------------------------------------------ situations


def create_single(bench: Bench) -> Case:
    case = someone(bench)
    case.event = form(case, "/api/ai-image/jobs", photo(bench))
    return case


def create_batch(bench: Bench) -> Case:
    case = someone(bench)
    items = [{"uploadKey": upload(bench, case, photo(bench))} for _ in range(2)]
    case.event = call(case, "/api/ai-image/jobs", json.dumps({"items": items}).encode(), "application/json")
    return case


def generate_later(bench: Bench) -> Case:
    case = someone(bench)
    case.event = form(case, "/api/ai-image/generate", photo(bench), prefer="respond-async")
    return case


def generate_slow(bench: Bench) -> Case:
    case = someone(bench)
    case.event = form(case, "/api/ai-image/generate", photo(bench), prefer="wait=1")
    return case


def start_fresh(bench: Bench) -> Case:
    case = someone(bench)
    case.event = {**step_event(held(bench, case, photo(bench))), "token": "nobody"}
    return case


def start_broken(bench: Bench) -> Case:
    case = someone(bench)
    data = photo(bench)
    case.event = {**step_event(held(bench, case, data[: len(data) // 2])), "token": "nobody"}
    return case


def start_paid_before(bench: Bench) -> Case:
    case = someone(bench)
    data = photo(bench)
    job = held(bench, case, data, data)
    settled(bench, case, job)
    case.event = {**step_event(job, 1), "token": "nobody"}
    return case


def finish_good(bench: Bench) -> Case:
    case = someone(bench)
    job = held(bench, case, photo(bench))
    bench.deployed.put_result(claimed(bench, case, job))
    case.event = {**step_event(job), "error": None}
    return case


def finish_failed(bench: Bench) -> Case:
    case = someone(bench)
    job = held(bench, case, photo(bench))
    claimed(bench, case, job)
    case.event = {**step_event(job), "error": "States.Timeout"}
    return case


def finish_job_done(bench: Bench) -> Case:
    case = someone(bench)
    job = held(bench, case, photo(bench))
    settled(bench, case, job)
    case.event = step_event(job)
    return case


def finish_job_half(bench: Bench) -> Case:
    case = someone(bench)
    job = held(bench, case, photo(bench), photo(bench))
    settled(bench, case, job)
    case.event = step_event(job)
    return case


def poll_nothing(bench: Bench) -> Case:
    case = someone(bench)
    job = held(bench, case, photo(bench))
    claimed(bench, case, job)
    case.event = step_event(job)
    return case


def poll_result(bench: Bench) -> Case:
    case = someone(bench)
    job = held(bench, case, photo(bench))
    bench.deployed.put_result(claimed(bench, case, job))
    case.event = step_event(job)
    return case


def cancel_running(bench: Bench) -> Case:
    """One picture is done and paid, one runs, one waits."""
    case = someone(bench)
    job = held(bench, case, photo(bench), photo(bench), photo(bench))
    settled(bench, case, job)
    claimed(bench, case, job, 1)
    waiting(bench, case, job)
    case.event = call(case, f"/api/ai-image/jobs/{job.id}/cancel", b"", "application/json")
    return case


def retry_failed(bench: Bench) -> Case:
    """One picture is done and paid, one failed."""
    case = someone(bench)
    job = held(bench, case, photo(bench), photo(bench))
    settled(bench, case, job)
    deps = bench.deployed.job_deps
    resolve.close(bench.deployed.job(job.owner, job.id), ProviderTimeout(), deps=deps)
    case.event = call(case, f"/api/ai-image/jobs/{job.id}/retry", b"", "application/json")
    return case


def sweep_overdue(bench: Bench) -> Case:
    case = someone(bench)
    job = held(bench, case, photo(bench))
    claimed(bench, case, job)
    waiting(bench, case, job)
    aged(bench, case, overdue=True)
    return case


def sweep_canceled(bench: Bench) -> Case:
    case = cancel_running(bench)
    job = bench.deployed.job(case.owner, case.job_id)
    assert bench.deployed.job_deps.jobs.cancel(job, now=runtime.now() - 1000)
    case.event = {}
    return case


def sweep_never_started(bench: Bench) -> Case:
    case = someone(bench)
    held(bench, case, photo(bench))
    aged(bench, case, overdue=False)
    return case


def sweep_stopped(bench: Bench) -> Case:
    case = someone(bench)
    job = held(bench, case, photo(bench))
    claimed(bench, case, job)
    waiting(bench, case, job)
    bench.deployed.job_deps.workflow.stop(job.execution)
    aged(bench, case, overdue=False)
    return case


# ------------------------------------------------------------------------------------------------- afterwards


def ask_again(bench: Bench, scenario: Scenario, case: Case) -> None:
    """The caller repeats the request with its key; the sweep runs; started executions run to their end."""
    scenario.deliver(bench, case)
    sweep(bench, scenario, case)


def sweep(bench: Bench, _: Scenario, case: Case) -> None:
    """The sweep runs within two minutes; what it or somebody else started comes to its end."""
    deployed = bench.deployed
    deployed.sweep(SOON_MS)
    for job in deployed.jobs_of(case.owner):
        deployed.ended(job.owner, job.id)


def ask_again_and_expire(bench: Bench, scenario: Scenario, case: Case) -> None:
    """The same; a job that was not handed over ends at its deadline."""
    scenario.deliver(bench, case)
    bench.deployed.sweep(SOON_MS)
    if any(job.kind == "sync" for job in bench.deployed.jobs_of(case.owner)):
        bench.deployed.sweep(LATE_MS)
    sweep(bench, scenario, case)


def deliver_again(bench: Bench, scenario: Scenario, case: Case) -> None:
    """The state machine repeats the step, and goes on with those that follow."""
    scenario.deliver(bench, case)
    go_on(bench, case)


def go_on(bench: Bench, case: Case) -> None:
    """The steps after this one: a look at the result if nobody called back, FinishItem for each, FinishJob."""
    deployed = bench.deployed
    job = deployed.job(case.owner, case.job_id)
    for item in job.open_items:
        if "Lambda Invoke" in case.effects and item.target:
            deployed.until(lambda item=item: deployed.artifacts.exists(item.target), "a result")  # type: ignore[misc]
        looked = bench.run("poll_prediction", step_event(job, item.index)).outcome
        error = None if looked == "done" else looked
        bench.run("finish_item", {**step_event(job, item.index), "error": error})
    bench.run("finish_job", step_event(job))


def never_again(bench: Bench, _: Scenario, case: Case) -> None:
    """The step is not repeated and nothing follows: the sweep ends the job at its deadline."""
    bench.deployed.sweep(LATE_MS)


def step_fails(bench: Bench, scenario: Scenario, case: Case) -> None:
    """The state machine gives up on the step: FinishItem learns that it failed, FinishJob ends the job."""
    job = bench.deployed.job(case.owner, case.job_id)
    bench.run("finish_item", {**step_event(job, case.event.get("item", 0)), "error": "Lambda.Unknown"})
    bench.run("finish_job", step_event(job))


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("jobs: one picture", "jobs", create_single, ask_again, PRICE),
    Scenario("jobs: two uploads", "jobs", create_batch, ask_again, 2 * PRICE),
    Scenario("generate: respond-async", "generate", generate_later, ask_again, PRICE),
    Scenario("generate: handed over", "generate", generate_slow, ask_again_and_expire, PRICE),
    Scenario("StartPrediction: an upload", "start_prediction", start_fresh, deliver_again, PRICE),
    Scenario("StartPrediction: given up", "start_prediction", start_fresh, step_fails, PRICE),
    Scenario("StartPrediction: a damaged file", "start_prediction", start_broken, deliver_again, 0),
    Scenario("StartPrediction: paid for before", "start_prediction", start_paid_before, deliver_again, PRICE),
    Scenario("PollPrediction: nothing there", "poll_prediction", poll_nothing, deliver_again, 0),
    Scenario("PollPrediction: a result", "poll_prediction", poll_result, deliver_again, PRICE),
    Scenario("FinishItem: a result", "finish_item", finish_good, deliver_again, PRICE),
    Scenario("FinishItem: never again", "finish_item", finish_good, never_again, PRICE),
    Scenario("FinishItem: a failure", "finish_item", finish_failed, deliver_again, 0),
    Scenario("FinishJob: all ended", "finish_job", finish_job_done, deliver_again, PRICE),
    Scenario("FinishJob: one left open", "finish_job", finish_job_half, deliver_again, PRICE),
    Scenario("cancel: one done, one running, one waiting", "jobs", cancel_running, ask_again, PRICE),
    Scenario("retry: one of two", "jobs", retry_failed, ask_again, 2 * PRICE),
    Scenario("sweep: overdue", "sweep", sweep_overdue, sweep, 0),
    Scenario("sweep: canceled, not ended", "sweep", sweep_canceled, sweep, PRICE),
    Scenario("sweep: held, never started", "sweep", sweep_never_started, sweep, PRICE),
    Scenario("sweep: execution stopped", "sweep", sweep_stopped, sweep, 0),
)
