"""One picture's life, found in the log by the id of the request that ordered it."""

import json
import time

import pytest

from enhancer import runtime
from enhancer.api import step
from enhancer.domain import errors
from enhancer.jobs import callbacks
from tests.support.callbacks import WEBHOOK_SECRET, signed
from tests.support.events import CONTEXT, Answer, Browser, http_event
from tests.support.images import png
from tests.unit.functions.test_provider_webhook import path_of
from tests.unit.functions.test_steps import event

JOBS = "/api/ai-image/jobs"


@pytest.fixture
def browser(apps, served, monkeypatch):
    """Signed in with a plan, where hosted models run."""
    monkeypatch.setattr(runtime, "enabled", lambda _: True)
    found = Browser(ip="2001:db8:7::1")
    assert found.post_json(apps.debug_login, "/api/debug-login", {"plan": "pro"}).status == 200
    return found


def ordered(apps, served, browser, request_id):
    key = browser.post_json(
        apps.uploads, "/api/ai-image/uploads", {"contentType": "image/png", "size": 999}
    ).data
    served.artifacts.put(key["uploadKey"], png(shade=len(request_id) + int(request_id[-1])), "image/png")
    answer = browser.post_json(
        apps.jobs,
        JOBS,
        {"items": [{"uploadKey": key["uploadKey"]}], "model": "real-esrgan", "params": {"scale": 2}},
        request_id=request_id,
    )
    assert answer.status == 202, answer.content
    assert answer.headers["X-Request-Id"] == request_id
    (job,) = [job for job in served.jobs.open() if job.id == answer.data["id"]]
    return job


def told(logs, request_id):
    """Every line that names the request, as its own id or as the order."""
    lines = [line for line in logs.lines if request_id in (line.get("requestId"), line.get("order"))]
    return lines, [line.get("step") or line["message"] for line in lines]


def test_a_picture_is_followed_from_the_edge_to_its_result(apps, served, browser, logs):
    """Order, a refused try, the next one, the provider's call-back, the end: all by one id, each with its turn."""
    job = ordered(apps, served, browser, "edge-4711")
    served.replicate.script = [errors.ProviderThrottled(retry_after=1)]
    with pytest.raises(errors.ProviderThrottled):
        apps.start_prediction(event(job, token="t"), CONTEXT)
    assert apps.finish_item(event(job, error="ProviderThrottled"), CONTEXT)["again"]
    apps.start_prediction(event(job, turn=1, token="t"), CONTEXT)
    body = json.dumps({"id": "prediction-0-1-1", "status": "succeeded"})
    call = http_event(
        "POST",
        path_of(served, job),
        body=body,
        headers=signed(body.encode(), WEBHOOK_SECRET, at=int(time.time())),
        request_id="call-back-1",
    )
    assert Answer(apps.provider_webhook(call, CONTEXT)).status == 204
    assert served.workflow.woken == ["t"]
    served.deliver(job)
    apps.finish_item(event(job, turn=1), CONTEXT)
    apps.finish_job(event(job), CONTEXT)
    assert served.stored(job).status == "succeeded"

    lines, names = told(logs, "edge-4711")
    assert names == [
        "request", "StartPrediction", "FinishItem", "prediction started", "StartPrediction", "request", "FinishItem",
        "FinishJob",
    ]  # fmt: skip
    assert {line["jobId"] for line in lines} == {job.id}
    steps = [line for line in lines if line["requestId"] == "edge-4711" and line["message"] != "request"]
    assert [(line.get("item"), line.get("turn")) for line in steps] == [
        (0, 0),
        (0, 0),
        (0, 1),
        (0, 1),
        (0, 1),
        (0, 0),
    ]
    assert [line["ended"] for line in steps if "ended" in line] == ["ProviderThrottled", *["done"] * 4]
    (back,) = [line for line in lines if line["requestId"] == "call-back-1"]
    assert (back["order"], back["path"], back["woken"]) == ("edge-4711", callbacks.PATH, "True")
    assert "predictionId" in next(line for line in lines if line["message"] == "prediction started")


def test_two_orders_are_told_apart_and_a_retry_is_an_order_of_its_own(apps, served, browser, logs):
    """A warm function has no memory of the one before."""
    one = ordered(apps, served, browser, "edge-1")
    two = ordered(apps, served, browser, "edge-2")
    for job in (one, two):
        apps.finish_item(event(job, error="ImageUnreadable"), CONTEXT)
        apps.finish_job(event(job), CONTEXT)
    answer = browser.send(apps.jobs, "POST", f"{JOBS}/{two.id}/retry", request_id="edge-3")
    assert answer.status == 202, answer.content
    apps.start_prediction(event(two, attempt=2, token="t"), CONTEXT)
    assert told(logs, "edge-1")[1] == ["request", "FinishItem", "FinishJob"]
    assert told(logs, "edge-2")[1] == ["request", "FinishItem", "FinishJob"]
    assert told(logs, "edge-3")[1] == ["request", "prediction started", "StartPrediction"]


def test_a_step_that_breaks_is_told_with_its_ids_and_reported(apps, served, browser, logs, monkeypatch):
    """An answer with a name is none of that."""
    job = ordered(apps, served, browser, "edge-5")
    reported = []
    monkeypatch.setattr(step.telemetry, "report", reported.append)
    monkeypatch.setattr(served.replicate, "collect", lambda *_: 1 / 0)
    apps.start_prediction(event(job, token="t"), CONTEXT)
    with pytest.raises(ZeroDivisionError):
        apps.finish_item(event(job), CONTEXT)
    with pytest.raises(errors.ProviderTimeout):
        apps.poll_prediction(event(job), CONTEXT)
    lines, _ = told(logs, "edge-5")
    assert [(line["step"], line["ended"]) for line in lines if line["message"] == "step"] == [
        ("StartPrediction", "done"), ("FinishItem", "ZeroDivisionError"), ("PollPrediction", "ProviderTimeout"),
    ]  # fmt: skip
    assert [type(one) for one in reported] == [ZeroDivisionError]
