"""The jobs call, whole: submit, look, list, cancel, retry, delete, and who may."""

import json

import pytest

from enhancer.domain.jobs import DEADLINE_MS
from enhancer.domain.predictions import StillRunning
from tests.support.events import Browser
from tests.support.images import png

JOBS, GENERATE, LOGIN = "/api/ai-image/jobs", "/api/ai-image/generate", "/api/debug-login"
URL = {"imageUrl": "https://pictures.example/photo.png"}


@pytest.fixture
def somebody(served):
    """Makes browsers in networks of their own."""

    def make():
        return Browser(
            ip=f"2001:db8:{served.random.randrange(65536):x}:{served.random.randrange(65536):x}::1"
        )

    return make


@pytest.fixture
def browser(somebody):
    """A guest's browser."""
    return somebody()


@pytest.fixture
def pro(apps, somebody):
    """A signed-in browser with room for several jobs."""
    found = somebody()
    assert found.post_json(apps.debug_login, LOGIN, {"plan": "pro"}).status == 200
    return found


def submit(apps, browser, items=1, *, headers=None, **more):
    wanted = [URL] * items if isinstance(items, int) else items
    return browser.post_json(apps.jobs, JOBS, {"items": wanted, **more}, headers=headers or {})


def job_of(served, answer):
    """The job of an answer as the table has it."""
    (found,) = [job for job in served.jobs.open() if job.id == answer.data["id"]]
    return found


def run(served, answer, **more):
    """Let the state machine run the job of an answer."""
    served.pages[URL["imageUrl"]] = png()
    return served.execute(job_of(served, answer), **more)


def test_a_batch_is_accepted_with_its_address_and_when_to_look(apps, pro, served):
    """202: the job, where it is, the day's usage; held, given to the state machine, nothing fetched yet."""
    answer = submit(apps, pro, 2, model="local", params={"scale": 4})
    data = answer.data
    assert answer.status == 202
    assert answer.headers["Location"] == f"{JOBS}/{data['id']}"
    assert answer.headers["Retry-After"] == "2"
    assert (data["status"], data["attempt"], data["model"], data["provider"]) == (
        "queued", 1, "local/photo", "embedded",
    )  # fmt: skip
    assert (data["params"]["scale"], data["params"]["face_enhance"]) == (4, False)
    assert data["progress"] == {"total": 2, "done": 0, "failed": 0, "percent": 0}
    assert [(item["id"], item["status"], item["input"], item["error"]) for item in data["items"]] == [
        ("0", "queued", None, None), ("1", "queued", None, None),
    ]  # fmt: skip
    assert data["charge"] == {"total": 0.0, "planPortion": 0.0, "creditsPortion": 0.0}
    assert (data["usage"]["used"], data["usage"]["limit"]) == (2, 30)
    job = job_of(served, answer)
    assert served.workflow.executions[job.execution].concurrency == 3


def test_a_finished_job_shows_its_pictures_and_what_they_cost(apps, pro, served):
    """Input, output and error of the first item are mirrored for clients of one picture."""
    answer = submit(apps, pro, [URL, {"imageUrl": "https://pictures.example/other.png"}])
    served.pages["https://pictures.example/other.png"] = png(shade=2)
    run(served, answer, errors={1: "ProviderTimeout"})
    data = pro.send(apps.jobs, "GET", answer.headers["Location"]).data
    first, second = data["items"]
    assert (data["status"], data["progress"]) == (
        "succeeded",
        {"total": 2, "done": 1, "failed": 1, "percent": 100},
    )
    assert (first["output"]["width"], first["output"]["height"]) == (16, 12)
    assert (data["input"], data["output"], data["error"]) == (first["input"], first["output"], None)
    assert second["error"]["code"] == "provider_timeout"
    assert second["error"]["message"]
    assert data["charge"] == first["charge"] == {"total": 1.0, "planPortion": 1.0, "creditsPortion": 0.0}
    assert second["charge"]["total"] == 0.0
    assert pro.send(apps.results, "GET", first["output"]["url"]).status == 200
    assert pro.send(apps.results, "GET", first["input"]["url"]).status == 200


def test_texts_of_failed_items_follow_the_language(apps, pro, served):
    """The code stays the same."""
    answer = submit(apps, pro)
    run(served, answer, errors={0: "ProviderTimeout"})
    shown = [
        pro.send(apps.jobs, "GET", answer.headers["Location"], headers={"accept-language": language}).data[
            "error"
        ]
        for language in ("en", "de")
    ]
    assert shown[0]["code"] == shown[1]["code"] == "provider_timeout"
    assert shown[0]["message"] != shown[1]["message"]


def test_one_picture_in_a_form_is_a_job_too(apps, browser, served):
    """Decoded, priced and stored at once; the state machine only runs it."""
    answer = browser.post_form(apps.jobs, JOBS, {"scale": "2"}, image=png(shade=7))
    assert (answer.status, answer.data["status"]) == (202, "queued")
    assert answer.data["input"]["width"] == 8
    job = job_of(served, answer)
    assert served.artifacts.exists(job.items[0].input.key)
    assert served.execute(job).status == "succeeded"


def test_an_open_job_says_when_to_look_again_and_a_closed_one_does_not(apps, pro, served):
    """Retry-After only while there is something to wait for."""
    answer = submit(apps, pro)
    path = answer.headers["Location"]
    shown = pro.send(apps.jobs, "GET", path)
    assert (shown.headers["Retry-After"], shown.headers["Cache-Control"]) == ("2", "private, no-cache")
    run(served, answer)
    assert "Retry-After" not in pro.send(apps.jobs, "GET", path).headers


def test_a_job_that_has_not_changed_is_not_sent_again(apps, pro, served):
    """304 for its own tag, weak or in a list; a new tag as soon as anything moved."""
    answer = submit(apps, pro)
    path = answer.headers["Location"]
    tag = pro.send(apps.jobs, "GET", path).headers["ETag"]
    for known in (tag, f"W/{tag}", f'"x", {tag}'):
        same = pro.send(apps.jobs, "GET", path, headers={"if-none-match": known})
        assert (same.status, same.content, same.headers["ETag"]) == (304, b"", tag)
    run(served, answer)
    changed = pro.send(apps.jobs, "GET", path, headers={"if-none-match": tag})
    assert (changed.status, changed.data["status"]) == (200, "succeeded")
    assert changed.headers["ETag"] != tag


def test_reading_a_job_changes_nothing(apps, pro, served):
    """However often it is looked at: no run, no write, no later deadline."""
    answer = submit(apps, pro)
    before = job_of(served, answer)
    for _ in range(5):
        pro.send(apps.jobs, "GET", answer.headers["Location"])
    assert job_of(served, answer) == before
    assert served.predictor.started == []


ROUTES = [("GET", ""), ("POST", "/cancel"), ("POST", "/retry"), ("DELETE", "")]


@pytest.mark.parametrize(("method", "action"), ROUTES)
def test_a_foreign_job_answers_like_a_missing_one_byte_for_byte(apps, pro, somebody, served, method, action):
    """But for the request's id. Nobody learns that it exists, and nothing happens to it."""
    foreign, missing = submit(apps, pro).data["id"], "job_" + "0" * 36
    stranger, told = somebody(), []
    stranger.send(apps.jobs, "GET", JOBS)
    for number, job_id in enumerate((foreign, missing)):
        answer = stranger.send(apps.jobs, method, f"{JOBS}/{job_id}{action}", request_id=f"request-{number}")
        body = answer.json
        assert body.pop("requestId") == f"request-{number}"
        headers = {
            name: value for name, value in answer.headers.items()
            if name not in ("X-Request-Id", "Server-Timing", "RateLimit")
        }  # fmt: skip
        told.append((answer.status, json.dumps(body), headers, answer.cookies))
    assert told[0] == told[1]
    assert told[0][0] == 404
    assert pro.send(apps.jobs, "GET", f"{JOBS}/{foreign}").data["status"] == "queued"


def test_a_guests_job_stays_within_reach_after_signing_in(apps, browser, served):
    """Look, cancel and delete, by the browser that made it."""
    path = submit(apps, browser).headers["Location"]
    browser.post_json(apps.debug_login, LOGIN, {"plan": "pro"})
    assert browser.send(apps.jobs, "GET", path).data["status"] == "queued"
    assert browser.send(apps.jobs, "POST", f"{path}/cancel").data["status"] == "canceled"
    assert browser.send(apps.jobs, "DELETE", path).data["deleted"] is True
    assert browser.send(apps.jobs, "GET", path).status == 404


def test_a_canceled_job_is_answered_as_it_is_now(apps, pro, served):
    """200 with the job; a second time 409 with how it ended."""
    path = submit(apps, pro, 2).headers["Location"]
    canceled = pro.send(apps.jobs, "POST", f"{path}/cancel")
    assert (canceled.status, canceled.data["status"]) == (200, "canceled")
    assert canceled.data["progress"] == {"total": 2, "done": 0, "failed": 2, "percent": 100}
    assert {item["error"]["code"] for item in canceled.data["items"]} == {"job_canceled"}
    again = pro.send(apps.jobs, "POST", f"{path}/cancel")
    assert (again.status, again.error["code"], again.error["details"]["status"]) == (
        409,
        "job_finished",
        "canceled",
    )


def test_a_retry_is_accepted_like_a_new_job(apps, pro, served):
    """202 with the next attempt; with its key it is the same one; without failures 409."""
    answer = submit(apps, pro)
    path = answer.headers["Location"]
    refused = pro.send(apps.jobs, "POST", f"{path}/retry")
    assert (refused.status, refused.error["code"]) == (409, "nothing_to_retry")
    run(served, answer, errors={0: "ProviderUnavailable"})
    key = {"idempotency-key": "again"}
    for _ in range(2):
        again = pro.send(apps.jobs, "POST", f"{path}/retry", headers=key)
        assert (again.status, again.data["attempt"], again.data["status"]) == (202, 2, "queued")
        assert (again.headers["Location"], again.headers["Retry-After"]) == (path, "2")
    assert list(served.workflow.executions) == [f"{answer.data['id']}-1", f"{answer.data['id']}-2"]


def void(apps, browser, key, **more):
    """Cancel what was ordered under a key."""
    return browser.send(apps.jobs, "POST", f"{JOBS}/by-key/cancel", headers={"idempotency-key": key, **more})


def test_a_run_inside_a_request_is_canceled_by_its_key_and_costs_nothing(apps, browser, served):
    """Who waits for the answer does not know the job yet: the run ends as canceled, its late result is not kept."""
    browser.send(apps.usage, "GET", "/api/ai-image/usage")  # as the page does, so both calls are of one guest
    canceled = []
    served.predictor.script = [lambda *_: canceled.append(void(apps, browser, "k"))]
    answer = browser.post_form(
        apps.generate, GENERATE, {}, image=png(shade=8), headers={"idempotency-key": "k"}
    )
    (told,) = canceled
    assert (told.status, told.data["status"], told.data["charge"]["total"]) == (200, "canceled", 0.0)
    assert (answer.status, answer.error["code"]) == (409, "job_canceled")
    shown = browser.send(apps.jobs, "GET", f"{JOBS}/{told.data['id']}").data
    assert (shown["status"], shown["output"], shown["charge"]["total"]) == ("canceled", None, 0.0)
    assert served.artifacts.keys("ai-enhancer/results/") == []
    usage = browser.send(apps.usage, "GET", "/api/ai-image/usage").data
    assert (usage["usage"]["used"], usage["monthlyUsage"]["used"]) == (0, 0.0)


def test_a_key_that_is_canceled_before_its_run_arrives_is_void(apps, browser, served):
    """Whatever comes under it later is refused and never held; canceling it again changes nothing."""
    for _ in range(2):
        told = void(apps, browser, "k")
        assert (told.status, told.data) == (200, {"id": None, "status": "canceled"})
    headers = {"idempotency-key": "k"}
    late = browser.post_form(apps.generate, GENERATE, {}, image=png(shade=8), headers=headers)
    job = submit(apps, browser, headers=headers)
    assert [(one.status, one.error["code"]) for one in (late, job)] == [(409, "job_canceled")] * 2
    assert [record for record in served.records() if record["sk"].startswith(("JOB#", "LEDGER#"))] == []


def test_a_run_that_ended_before_it_was_canceled_stays_and_is_said_to(apps, browser):
    """409 with its end; the picture that was charged for is there."""
    headers = {"idempotency-key": "k"}
    done = browser.post_form(apps.generate, GENERATE, {}, image=png(shade=8), headers=headers)
    refused = void(apps, browser, "k")
    assert (refused.status, refused.error["code"]) == (409, "job_finished")
    assert refused.error["details"] == {"jobId": done.data["jobId"], "status": "succeeded"}
    again = browser.post_form(apps.generate, GENERATE, {}, image=png(shade=8), headers=headers)
    assert again.data["imageUrl"] == done.data["imageUrl"]


def test_a_key_cancels_only_what_its_own_caller_ordered(apps, browser, somebody):
    """Somebody else's key of the same name stands for nothing of mine; without a key nothing can be meant."""
    headers = {"idempotency-key": "k"}
    done = browser.post_form(
        apps.generate, GENERATE, {"quality": "standard"}, image=png(shade=8), headers=headers
    )
    assert void(apps, somebody(), "k").data["id"] is None
    assert browser.send(apps.jobs, "GET", f"{JOBS}/{done.data['jobId']}").data["status"] == "succeeded"
    refused = browser.send(apps.jobs, "POST", f"{JOBS}/by-key/cancel")
    assert (refused.status, refused.error["code"]) == (400, "invalid_idempotency_key")


def test_a_key_cancels_what_the_browser_ordered_before_it_signed_in(apps, browser, served):
    """The guest's run ends; the user's own key of that name stays free."""
    headers = {"idempotency-key": " k"}
    ordered = submit(apps, browser, headers=headers)
    assert browser.post_json(apps.debug_login, LOGIN, {"plan": "pro"}).status == 200
    told = void(apps, browser, "k ")
    assert (told.status, told.data["id"], told.data["status"]) == (200, ordered.data["id"], "canceled")
    assert served.jobs.open() == []
    assert submit(apps, browser, headers=headers).status == 202


def test_the_key_of_a_deleted_job_says_that_it_was_deleted(apps, browser):
    """Neither another request nor a new run: 409 job_deleted for all who ask with it."""
    headers = {"idempotency-key": "k"}
    done = browser.post_form(apps.generate, GENERATE, {}, image=png(shade=8), headers=headers)
    assert browser.send(apps.jobs, "DELETE", f"{JOBS}/{done.data['jobId']}").status == 200
    again = browser.post_form(apps.generate, GENERATE, {}, image=png(shade=8), headers=headers)
    other = browser.post_form(apps.generate, GENERATE, {}, image=png(shade=9), headers=headers)
    assert [(one.status, one.error["code"]) for one in (again, void(apps, browser, "k"), other)] == [
        (409, "job_deleted"), (409, "job_deleted"), (422, "idempotency_mismatch"),
    ]  # fmt: skip


def test_a_deleted_job_is_gone_with_its_pictures(apps, pro, served):
    """409 while it is open; afterwards 404 everywhere."""
    answer = submit(apps, pro)
    path = answer.headers["Location"]
    refused = pro.send(apps.jobs, "DELETE", path)
    assert (refused.status, refused.error["code"]) == (409, "job_open")
    run(served, answer)
    output = pro.send(apps.jobs, "GET", path).data["output"]["url"]
    deleted = pro.send(apps.jobs, "DELETE", path)
    assert (deleted.status, deleted.data) == (200, {"id": answer.data["id"], "deleted": True})
    assert [pro.send(apps.jobs, "GET", path).status, pro.send(apps.jobs, "DELETE", path).status] == [404, 404]
    assert pro.send(apps.results, "GET", output).status == 404


def test_a_repeated_submission_with_its_key_is_one_job(apps, pro, served):
    """The same key and body: the same job, one hold, one execution; another body: 422."""
    key = {"idempotency-key": "k"}
    first, second = (submit(apps, pro, headers=key) for _ in range(2))
    assert (first.status, second.status) == (202, 202)
    assert first.data["id"] == second.data["id"]
    assert second.data["usage"]["used"] == 1
    assert len(served.workflow.starts) == 1
    other = submit(apps, pro, 2, headers=key)
    assert (other.status, other.error["code"]) == (422, "idempotency_mismatch")


def test_too_many_jobs_at_once_are_told_when_to_come_back(apps, browser, served):
    """429 with scope, limit and a wait, for a guest's second job."""
    assert submit(apps, browser).status == 202
    refused = submit(apps, browser)
    assert (refused.status, refused.error["code"]) == (429, "too_many_jobs")
    assert refused.error["details"] == {"scope": "jobs", "limit": 1}
    assert refused.headers["Retry-After"] == str(refused.json["retryAfter"]) == "5"


def test_reads_and_writes_have_limits_of_their_own(apps, browser, served):
    """Looking counts as any other call, changing as a call of jobs: neither uses up the other."""
    read = browser.send(apps.jobs, "GET", JOBS)
    assert read.headers["RateLimit-Policy"] == '"other";q=60;w=60'
    written = submit(apps, browser, [{}])
    assert written.headers["RateLimit-Policy"] == '"jobs";q=10;w=60'
    statuses = [submit(apps, browser, [{}]).status for _ in range(10)]
    assert statuses == [400] * 9 + [429]
    assert browser.send(apps.jobs, "GET", JOBS).status == 200


def test_a_slow_single_run_is_accepted_as_a_job(apps, browser, served):
    """Generate answers 202 in time, with the job that will have the picture."""
    served.predictor.script = [StillRunning()]
    answer = browser.post_form(apps.generate, GENERATE, image=png(shade=41), headers={"prefer": "wait=3"})
    assert (answer.status, answer.data["status"]) == (202, "processing")
    assert answer.headers["Preference-Applied"] == "wait=3"
    assert answer.headers["Location"] == f"{JOBS}/{answer.data['id']}"
    assert answer.headers["Retry-After"] == "2"
    served.execute(job_of(served, answer))
    shown = browser.send(apps.jobs, "GET", answer.headers["Location"])
    assert (shown.data["status"], shown.data["charge"]["total"]) == ("succeeded", 1.0)


def test_who_does_not_want_to_wait_gets_the_job_at_once(apps, browser, served):
    """Nothing runs inside the request; it takes one of the plan's jobs at once."""
    answer = browser.post_form(
        apps.generate, GENERATE, image=png(shade=42), headers={"prefer": "respond-async"}
    )
    assert (answer.status, answer.headers["Preference-Applied"]) == (202, "respond-async")
    assert served.predictor.runs == []
    assert list(served.workflow.executions) == [f"{answer.data['id']}-1"]
    assert submit(apps, browser).status == 429


def test_a_repeated_run_that_is_still_going_gets_its_job(apps, browser, served):
    """A double click is no error: the second answer is where the picture will be."""
    headers = {"idempotency-key": "k", "prefer": "wait=0"}
    picture = png(shade=43)
    first, second = (
        browser.post_form(apps.generate, GENERATE, image=picture, headers=headers) for _ in range(2)
    )
    assert (first.status, second.status) == (202, 202)
    assert first.data["id"] == second.data["id"]
    served.execute(job_of(served, first))
    third = browser.post_form(apps.generate, GENERATE, image=picture, headers=headers)
    assert (third.status, third.data["jobId"]) == (200, first.data["id"])
    assert third.headers["Idempotent-Replayed"] == "true"


def test_an_expired_job_shows_why(apps, pro, served):
    """The sweep ended it; nothing was charged."""
    answer = submit(apps, pro)
    served.clock += DEADLINE_MS + 1
    served.sweep()
    data = pro.send(apps.jobs, "GET", answer.headers["Location"]).data
    assert (data["status"], data["error"]["code"], data["charge"]["total"]) == ("failed", "job_expired", 0.0)
