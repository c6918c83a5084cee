"""What may be asked of the jobs call: bodies, and pages of the list."""

import pytest

from enhancer.adapters.dynamodb.jobs import to_record
from enhancer.domain.artifacts import incoming_key
from enhancer.domain.callers import Caller
from enhancer.domain.cohorts import EVERYBODY
from enhancer.domain.owners import Owner
from enhancer.domain.plans import PLANS
from tests.support.events import Browser
from tests.support.images import png

JOBS, LOGIN = "/api/ai-image/jobs", "/api/debug-login"
URL = {"imageUrl": "https://pictures.example/photo.png"}
CURSOR = "job_" + "0" * 36


@pytest.fixture
def pro(apps, served):
    """A signed-in browser."""
    found = Browser(ip=f"2001:db8:{served.random.randrange(65536):x}:{served.random.randrange(65536):x}::1")
    found.user_id = found.post_json(apps.debug_login, LOGIN, {"plan": "pro"}).data["userId"]
    return found


@pytest.fixture
def caller(pro, served):
    """The same person for the use cases."""
    return Caller(Owner("user", pro.user_id), PLANS["pro"], "user", "net", None, access=EVERYBODY)


def nothing_happened(served, caller):
    """No hold, no job, no execution."""
    assert served.usage_and_balance(caller) == (0, 0, 0, 0)
    assert served.jobs.open() == []
    assert served.workflow.starts == []
    return True


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"items": []}, "items"), ({"items": [URL] * 11}, "items"), ({"items": [{}]}, "items.0"),
        ({"items": [URL, URL | {"uploadKey": "x"}]}, "items.1"), ({"items": [URL | {"size": 1}]}, "items.0.size"),
        ({"items": [URL | {"prompt": " "}]}, "items.0.prompt"),
        ({"items": [URL | {"prompt": "x" * 501}]}, "items.0.prompt"),
        ({"items": [URL | {"prompt": 5}]}, "items.0.prompt"), ({"items": [{"uploadKey": 5}]}, "items.0.uploadKey"),
        ({"items": [{"imageUrl": "x" * 2001}]}, "items.0.imageUrl"), ({"items": URL}, "items"),
        ({"items": "x"}, "items"),
        ({"items": [URL], "params": {"scael": 2}}, "params.scael"),
        ({"items": [URL], "params": {"scale": "big"}}, "params.scale"),
        ({"items": [URL], "params": {"prompt": "x"}}, "params.prompt"), ({"items": [URL], "params": []}, "params"),
        ({"items": [URL], "extra": 1}, "extra"), ({"items": [URL], "model": 5}, "model"), ([], "body"),
    ],
)  # fmt: skip
def test_a_bad_body_is_refused_with_the_place_and_nothing_happens(apps, pro, caller, served, body, field):
    """400 at the door: no hold, no job, and the value is not repeated."""
    refused = pro.post_json(apps.jobs, JOBS, body)
    assert (refused.status, refused.error["code"]) == (400, "invalid_fields")
    assert [entry["field"] for entry in refused.error["details"]["fields"]] == [field]
    assert "xxxxxxxx" not in refused.content.decode()
    assert nothing_happened(served, caller)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "image_missing"),
        ({"items": [URL], "uploadKey": "x"}, 400, "too_many_images"),
        ({"items": [URL | {"prompt": "a castle"}]}, 400, "option_not_supported"),
        ({"items": [URL], "prompt": "a castle"}, 400, "option_not_supported"),
        ({"items": [URL], "params": {"face_enhance": True}}, 400, "option_not_supported"),
        ({"items": [URL], "params": {"scale": 3}}, 400, "scale_not_supported"),
        ({"items": [URL], "params": {"scale": 6}}, 403, "plan_required"),
        ({"items": [URL], "model": "esrgan"}, 400, "unknown_model"),
        ({"items": [URL], "model": "real-esrgan"}, 403, "provider_disabled"),
        ({"items": [{"uploadKey": "ai-enhancer/incoming/user/somebody/x"}]}, 400, "upload_not_found"),
        ({"items": [{"uploadKey": "ai-enhancer/results/user/somebody/x.png"}]}, 400, "upload_not_found"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_held(apps, pro, caller, served, body, status, code):
    """The same verdicts as for a single run."""
    refused = pro.post_json(apps.jobs, JOBS, body)
    assert (refused.status, refused.error["code"]) == (status, code)
    assert nothing_happened(served, caller)


def test_a_foreign_upload_is_refused_like_a_missing_one(apps, pro, caller, served):
    """The place is named, and nobody learns that it exists."""
    foreign = served.upload(served.caller("pro"))
    mine, missing = served.upload(caller), incoming_key(caller.owner, served.new_name())
    told = []
    too_long = incoming_key(caller.owner, "💥" * 230)
    for key in (foreign, missing, too_long, ""):
        refused = pro.post_json(apps.jobs, JOBS, {"items": [{"uploadKey": mine}, {"uploadKey": key}]})
        assert (refused.status, refused.error["code"]) == (400, "upload_not_found")
        told.append(refused.error)
    assert told == told[:1] * 4
    assert told[0]["details"] == {"field": "items.1.uploadKey"}
    assert nothing_happened(served, caller)


def test_ten_uploads_are_one_job(apps, pro, caller, served):
    """As many as a job takes."""
    keys = [{"uploadKey": served.upload(caller)} for _ in range(10)]
    answer = pro.post_json(apps.jobs, JOBS, {"items": keys})
    assert (answer.status, answer.data["progress"]["total"], answer.data["usage"]["used"]) == (202, 10, 10)


def test_a_file_and_items_together_are_refused(apps, pro, served):
    """Which pictures are meant is never guessed."""
    refused = pro.post_form(apps.jobs, JOBS, {"uploadKey": "x"}, image=png())
    assert (refused.status, refused.error["code"]) == (400, "too_many_images")


def sixty(served, caller):
    """Sixty jobs, every third one failed; return their ids, newest first."""
    made = []
    for number in range(60):
        served.clock += 1
        job = served.job(caller, [(1, 0)])
        key = {"pk": f"OWNER#user#{caller.owner.id}", "sk": f"JOB#{job.id}"}
        status = "failed" if number % 3 == 0 else "succeeded"
        served.table.put({**key, **to_record(job), "status": status})
        made.append(job.id)
    return made[::-1]


def walk(apps, browser, query):
    """Every id of a walk from page to page, and the pages' sizes."""
    found, sizes, cursor = [], [], ""
    while True:
        answer = browser.send(apps.jobs, "GET", JOBS, query=query + (f"&cursor={cursor}" if cursor else ""))
        ids = [job["id"] for job in answer.data["jobs"]]
        found += ids
        sizes.append(len(ids))
        cursor = answer.data["nextCursor"]
        if not cursor:
            return found, sizes


@pytest.mark.parametrize(
    ("query", "sizes"),
    [
        ("limit=7", [7] * 8 + [4]),
        ("limit=20", [20] * 3),
        ("limit=60", [60]),
        ("limit=100", [60]),
        ("", [20] * 3),
    ],
)
def test_a_walk_over_sixty_jobs_meets_each_once_newest_first(apps, pro, caller, served, query, sizes):
    """No page repeats or skips one, and the last one says that it is the last."""
    ids = sixty(served, caller)
    assert walk(apps, pro, query) == (ids, sizes)


@pytest.mark.parametrize(
    ("status", "step"), [("failed", slice(2, None, 3)), ("failed,canceled", slice(2, None, 3))]
)
def test_a_filtered_walk_meets_each_match_once(apps, pro, caller, served, status, step):
    """Pages are full of matches, however many others lie between them."""
    ids = sixty(served, caller)
    assert walk(apps, pro, f"status={status}&limit=6") == (ids[step], [6, 6, 6, 2])
    assert walk(apps, pro, "status=queued") == ([], [0])


@pytest.mark.parametrize(
    "query",
    ["status=FOO", "status=failed,FOO", "limit=0", "limit=101", "limit=12abc", "limit=-1", "cursor=x", "cursor=12abc",
     "cursor=", f"cursor={CURSOR}x", "cursor=" + "0" * 101],
)  # fmt: skip
def test_a_bad_filter_limit_or_cursor_is_400(apps, pro, query):
    """Strictly read, in the envelope, never a 500."""
    refused = pro.send(apps.jobs, "GET", JOBS, query=query)
    assert (refused.status, refused.error["code"]) == (400, "invalid_fields")
    assert [entry["field"] for entry in refused.error["details"]["fields"]] == [query.partition("=")[0]]


def test_a_foreign_cursor_shows_nothing_of_its_owner(apps, pro, caller, served):
    """It is only a place in time: every page is the caller's own."""
    foreign = served.batch(served.caller("pro"))
    served.clock += 1
    mine = served.batch(caller)
    served.clock -= 1000
    older = served.batch(caller)
    shown = pro.send(apps.jobs, "GET", JOBS, query=f"cursor={foreign.id}").data["jobs"]
    assert [job["id"] for job in shown] == [older.id]
    shown = pro.send(apps.jobs, "GET", JOBS).data["jobs"]
    assert {job["id"] for job in shown} == {mine.id, older.id}


def test_single_runs_are_in_the_list(apps, pro, served):
    """Everything that was enhanced is found in one place."""
    made = pro.post_form(apps.generate, "/api/ai-image/generate", image=png(shade=61)).data["jobId"]
    (shown,) = pro.send(apps.jobs, "GET", JOBS, query="status=succeeded").data["jobs"]
    assert (shown["id"], shown["progress"]["done"]) == (made, 1)


def test_an_empty_list_has_no_next_page(apps, pro):
    """Nobody has jobs at first."""
    assert pro.send(apps.jobs, "GET", JOBS).data == {"jobs": [], "nextCursor": None}
