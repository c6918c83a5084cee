"""POST provider-webhook: who is believed, that it ended; everybody else changes nothing."""

import json
import time
from datetime import UTC, datetime

import pytest
from standardwebhooks import webhooks as library

from enhancer.adapters.signing import Signer
from enhancer.jobs import callbacks
from enhancer.jobs.submit import EnhanceOrder
from tests.support import aws
from tests.support.callbacks import FOREIGN_SECRET, OLD_SECRET, RECORDED_AT, WEBHOOK_SECRET, signed
from tests.support.event_cases import CASES
from tests.support.events import CONTEXT, Answer, http_event

NAME = "prediction-0-1-0"


@pytest.fixture
def job(served):
    """A job whose prediction runs; its step waits with the token ``t``."""
    made = served.batch(served.caller("pro"), 1, EnhanceOrder(model="real-esrgan"))
    served.start_prediction(made, token="t")
    return made


def path_of(served, job, key=aws.SIGNING_KEY):
    stored = served.stored(job)
    return callbacks.path_of(stored, stored.items[0], signer=Signer([key]))


def call(apps, path, body=None, *, secret=WEBHOOK_SECRET, **more):
    """What the provider sends: no cookie, no origin, its three headers."""
    data = json.dumps(
        {"id": NAME, "status": "succeeded", "output": "https://x/?s=MARKER"} if body is None else body
    )
    headers = signed(data.encode(), secret, at=int(time.time())) | more.pop("headers", {})
    return Answer(
        apps.provider_webhook(http_event("POST", path, body=more.pop("text", data), headers=headers), CONTEXT)
    )


@pytest.mark.parametrize("status", ["succeeded", "failed", "canceled", "aborted"])
def test_an_end_wakes_the_step_and_is_answered_with_nothing(apps, served, job, status):
    """204: the provider need not know more."""
    answer = call(apps, path_of(served, job), {"id": NAME, "status": status})
    assert (answer.status, answer.content, answer.cookies) == (204, b"", {})
    assert served.workflow.woken == ["t"]


@pytest.mark.parametrize("status", ["starting", "processing", "", None, 7, "SUCCEEDED", ["succeeded"], {}])
def test_what_is_no_end_wakes_nobody(apps, served, job, status):
    """It is accepted, and nothing is done."""
    assert call(apps, path_of(served, job), {"id": NAME, "status": status}).status == 204
    assert served.workflow.woken == []


@pytest.mark.parametrize("status", ["starting", "processing"])
def test_a_begin_of_what_nobody_waits_for_is_stopped(apps, served, job, status):
    """It would run, and be billed, until its own end; the one that is waited for goes on."""
    for name in (NAME, "prediction-of-nobody"):
        assert call(apps, path_of(served, job), {"id": name, "status": status}).status == 204
    assert (served.replicate.stopped, served.workflow.woken) == (["prediction-of-nobody"], [])


def test_a_call_back_that_comes_twice_is_answered_alike(apps, served, job):
    """The provider repeats what it is not sure of."""
    answers = []
    for _ in range(2):
        answers.append(call(apps, path_of(served, job)).status)
        served.workflow.gone.add("t")
    assert answers == [204, 204]
    assert served.stored(job).items[0].is_open


def test_a_call_back_for_what_has_ended_is_heard_and_changes_nothing(apps, served, job):
    """Settled once; late words are no reason for an error that would be repeated."""
    path = path_of(served, job)
    done = served.execute(job)
    assert call(apps, path).status == 204
    assert (served.stored(job), served.workflow.woken) == (done, [])


def test_another_prediction_of_the_same_name_wakes_nobody(apps, served, job):
    """Only the one that was started counts."""
    assert call(apps, path_of(served, job), {"id": "another", "status": "succeeded"}).status == 204
    assert served.workflow.woken == []


@pytest.mark.parametrize(
    "forged",
    [
        {"secret": FOREIGN_SECRET}, {"headers": {"webhook-signature": "v1,ü"}}, {"text": '{"id": "other"}'},
        {"headers": {"webhook-timestamp": "1"}}, {"headers": {"webhook-id": ""}}, {"body": [NAME]}, {"body": {}},
        {"body": {"id": 7, "status": "succeeded"}}, {"body": {"id": None}}, {"text": b"\xff\xfe"}, {"text": ""},
    ],
    ids=str,
)  # fmt: skip
def test_a_forged_or_malformed_call_back_is_refused(apps, served, job, forged):
    """400, one code for all of them, and nobody is woken."""
    answer = call(apps, path_of(served, job), **forged)
    assert (answer.status, answer.error["code"], "details" in answer.error) == (400, "webhook_invalid", False)
    assert served.workflow.woken == []


def test_a_good_signature_on_a_path_that_is_not_ours_is_refused(apps, served, job):
    """The provider signs for anybody; the path says that we asked."""
    for path in (path_of(served, job, b"foreign"), f"{callbacks.PATH}x", path_of(served, job)[:-1]):
        answer = call(apps, path)
        assert (answer.status, answer.error["code"]) == (400, "webhook_invalid")
    assert served.workflow.woken == []


def test_after_a_rotation_both_keys_and_both_secrets_hold(apps, served, job):
    """What was started before it may end after it."""
    old = path_of(served, job)
    served.secrets.store(aws.SECRET, {"signing": "new", "previous": aws.SIGNING_KEY.decode()})
    assert [call(apps, path, secret=secret).status for path in (old, path_of(served, job, b"new"))
            for secret in (WEBHOOK_SECRET, OLD_SECRET)] == [204] * 4  # fmt: skip


@pytest.mark.parametrize("stored", [{}, {"replicateWebhook": ""}, {"replicateWebhook": "whsec_"}])
def test_without_a_secret_every_call_back_is_refused(apps, served, job, stored):
    """Nothing configured is no open door."""
    served.secrets.store(aws.PROVIDERS, stored)
    assert call(apps, path_of(served, job)).status == 400
    assert served.workflow.woken == []


def test_the_log_names_the_job_and_nothing_of_the_message(apps, served, job, logs):
    """Outputs are links that anybody could follow."""
    call(apps, path_of(served, job))
    (line,) = (found for found in logs.lines if found["message"] == "request")
    assert (line["status"], line["jobId"], line["prediction"], line["woken"]) == (
        204,
        job.id,
        "succeeded",
        "True",
    )
    assert "MARKER" not in logs.text
    assert WEBHOOK_SECRET not in logs.text


@pytest.fixture
def recorded(monkeypatch):
    """The moment at which the events were signed."""
    moment = datetime.fromtimestamp(RECORDED_AT + 10, UTC)

    class Then(datetime):
        @classmethod
        def now(cls, tz=None):
            return moment

    monkeypatch.setattr(library, "datetime", Then)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("recorded", 204), ("recorded-previous-secret", 204), ("recorded-forged-path", 400),
        ("recorded-other-body", 400), ("recorded-foreign-secret", 400), ("recorded-list", 400),
    ],
)  # fmt: skip
def test_a_recorded_event_is_answered_by_what_it_is_when_its_time_is_now(
    apps, served, recorded, name, status
):
    """The recorded cases at the moment they were signed; sent twice, answered alike."""
    event = json.loads(CASES[f"provider_webhook.{name}"].text)
    assert [Answer(apps.provider_webhook(event, CONTEXT)).status for _ in range(2)] == [status] * 2
