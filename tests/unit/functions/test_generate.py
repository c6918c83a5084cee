"""POST generate, whole: money, replays, uploads, errors, and what the answer says."""

import time
from types import SimpleNamespace

import pytest

from enhancer.api.http import app as app_module
from enhancer.domain import errors
from enhancer.domain.callers import Caller
from enhancer.domain.owners import Owner
from enhancer.domain.plans import PLANS
from enhancer.domain.predictions import OutOfTime, StillRunning
from enhancer.jobs import run
from enhancer.jobs import run as run_module
from enhancer.jobs import submit as submit_module
from tests.support.events import Browser, form
from tests.support.images import jpeg, png, size_of

PATH, USAGE = "/api/ai-image/generate", "/api/ai-image/usage"


@pytest.fixture
def browser(served):
    """A browser in a network of its own."""
    return Browser(ip=f"2001:db8:{served.random.randrange(65536):x}:{served.random.randrange(65536):x}::1")


def sign_in(apps, browser, plan="pro", email=None):
    answer = browser.post_json(apps.debug_login, "/api/debug-login", {"plan": plan, "email": email})
    assert answer.status == 200, answer.content
    return answer.data["userId"]


def enhance(apps, browser, fields=None, *, image=None, headers=None):
    return browser.post_form(
        apps.generate, PATH, fields, image=png() if image is None else image, headers=headers
    )


def used(apps, browser):
    data = browser.send(apps.usage, "GET", USAGE).data
    return data["usage"]["used"], data["monthlyUsage"]["used"]


def test_a_guest_gets_a_picture_of_twice_the_size(apps, browser):
    """The whole answer of the contract, and the picture behind its URL."""
    answer = enhance(apps, browser)
    data = answer.data
    assert (data["width"], data["height"], data["model"], data["provider"]) == (
        16, 12, "local/photo", "embedded",
    )  # fmt: skip
    assert data["charge"] == {"total": 1.0, "planPortion": 1.0, "creditsPortion": 0.0}
    assert (data["usage"]["used"], data["usage"]["limit"], data["usage"]["remaining"]) == (1, 3, 2)
    assert (data["monthlyUsage"]["used"], data["monthlyUsage"]["limit"]) == (1.0, 30.0)
    assert (data["deduplicated"], data["limits"]) == (False, {"user": 20, "guest": 3})
    assert set(data["timings"]) == {"predict", "total"}
    assert (answer.headers["X-Credits-Charged"], answer.headers["X-Credits-Available"]) == ("1.0", "0.0")
    assert "predict;dur=" in answer.headers["Server-Timing"]
    result = browser.send(apps.results, "GET", data["imageUrl"])
    assert (result.status, result.headers["Content-Type"], size_of(result.content)) == (
        200,
        "image/png",
        (16, 12),
    )
    original = Browser().send(apps.results, "GET", data["originalUrl"])
    assert (original.status, size_of(original.content)) == (200, (8, 6))
    assert (original.headers["Cache-Control"], original.cookies) == ("public, max-age=900, immutable", {})


def test_a_result_is_its_owners_alone(apps, browser):
    """Another browser with the whole URL gets nothing, and its cookie jar stays its own."""
    url = enhance(apps, browser).data["imageUrl"]
    for method in ("GET", "HEAD"):
        assert Browser().send(apps.results, method, url).status == 403
    assert browser.send(apps.results, "GET", url).status == 200


def test_a_signed_in_browser_keeps_what_it_made_as_guest(apps, browser):
    """The guest's results stay reachable after signing in."""
    url = enhance(apps, browser).data["imageUrl"]
    sign_in(apps, browser)
    assert browser.send(apps.results, "GET", url).status == 200


def test_the_fourth_picture_of_a_guests_day_is_refused(apps, browser, served):
    """429 with scope, use and reset; nothing is stored or run."""
    for shade in range(3):
        assert enhance(apps, browser, image=png(shade=shade)).status == 200
    runs = len(served.predictor.runs)
    refused = enhance(apps, browser, image=png(shade=99))
    assert (refused.status, refused.error["code"]) == (429, "daily_quota_exceeded")
    assert refused.error["details"]["scope"] == "daily"
    assert refused.headers["Retry-After"] == str(refused.json["retryAfter"]) == str(12 * 3600)
    assert len(served.predictor.runs) == runs
    served.clock += 12 * 3_600_000
    assert enhance(apps, browser, image=png(shade=99)).status == 200


def test_new_cookies_do_not_lift_a_networks_cap(apps, browser, served):
    """Fifteen pictures a day per network, whatever the cookies."""
    statuses = []
    for shade in range(16):
        served.clock += 10_000
        statuses.append(enhance(apps, Browser(ip=browser.ip), image=png(shade=shade)).status)
    assert statuses == [200] * 15 + [429]


@pytest.mark.parametrize("said", ["image/jpeg", "text/plain", "image/svg+xml", "nonsense"])
def test_the_content_decides_what_a_picture_is(apps, browser, said):
    """Neither its type nor its name: a PNG is a PNG."""
    body, content_type = form(image=png(), filename="photo.exe", content_type=said)
    answer = browser.send(apps.generate, "POST", PATH, body=body, headers={"content-type": content_type})
    result = browser.send(apps.results, "GET", answer.data["imageUrl"])
    assert (answer.status, result.headers["Content-Type"]) == (200, "image/png")


@pytest.mark.parametrize(
    "content",
    [b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
     b"<!doctype html><script>alert(1)</script>", b"%PDF-1.7\n", b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)"],
    ids=["SVG", "HTML", "PDF", "GIF that is a script"],
)  # fmt: skip
def test_what_only_says_that_it_is_a_picture_is_refused(apps, browser, served, content):
    """415 under the best of names and types; nothing is stored or charged."""
    stored = served.artifacts.keys()
    answer = enhance(apps, browser, image=content)
    assert (answer.status, answer.error["code"]) == (415, "image_format_unsupported")
    assert (used(apps, browser), served.artifacts.keys()) == ((0, 0), stored)


def test_the_same_picture_again_is_free(apps, browser, served):
    """No charge, no run, and a job of its own with the same picture, which outlives the first one."""
    first, second = enhance(apps, browser), enhance(apps, browser)
    assert second.data["deduplicated"] is True
    assert second.data["charge"] == {"total": 0.0, "planPortion": 0.0, "creditsPortion": 0.0}
    assert second.headers["X-Credits-Charged"] == "0.0"
    assert browser.send(apps.results, "GET", second.data["imageUrl"]).status == 200
    assert first.data["imageUrl"] != second.data["imageUrl"]
    assert first.data["jobId"] != second.data["jobId"]
    assert used(apps, browser) == (1, 1.0)


def test_a_repeated_key_is_one_job_and_says_so(apps, browser, served):
    """The second answer is the first one, marked as a replay; nothing is charged again."""
    headers = {"idempotency-key": "key-1"}
    first, second = (enhance(apps, browser, headers=headers) for _ in range(2))
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.data["jobId"] == first.data["jobId"]
    assert second.data["charge"] == first.data["charge"]
    assert used(apps, browser) == (1, 1.0)


def test_a_replay_of_a_free_answer_is_free_too(apps, browser):
    """Who asked again for a picture already paid for reads the same answer twice, with no charge in it."""
    enhance(apps, browser)
    headers = {"idempotency-key": "key-2"}
    first, second = (enhance(apps, browser, headers=headers) for _ in range(2))
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["X-Credits-Charged"] == first.headers["X-Credits-Charged"] == "0.0"
    assert (second.data["charge"], second.data["deduplicated"]) == (first.data["charge"], True)
    assert used(apps, browser) == (1, 1.0)


def test_a_repeated_key_with_another_picture_is_422(apps, browser):
    """The key stands for the first request."""
    headers = {"idempotency-key": "key-1"}
    enhance(apps, browser, headers=headers)
    refused = enhance(apps, browser, image=png(shade=9), headers=headers)
    assert (refused.status, refused.error["type"]) == (422, "idempotency_mismatch")


def test_bought_credits_pay_when_the_month_is_used_up(apps, browser, served):
    """The charge tells who paid; without enough of both it is a 402 with the numbers."""
    caller = Caller(Owner("user", sign_in(apps, browser, "free")), PLANS["free"], "user", "net", None)
    served.hold(served.job(caller, [(PLANS["free"].quota_tenths - 5, 0)]), plan="free")
    served.grant(caller, 7)
    data = enhance(apps, browser).data
    assert data["charge"] == {"total": 1.0, "planPortion": 0.5, "creditsPortion": 0.5}
    refused = enhance(apps, browser, image=png(shade=8))
    assert (refused.status, refused.error["type"], refused.error["code"]) == (
        402, "insufficient_credits", "INSUFFICIENT_CREDITS",
    )  # fmt: skip
    assert refused.error["details"] == {
        "creditsRequired": 1.0, "creditsAvailable": 0.2, "required": 1.0, "available": 0.2, "upgradeUrl": "/pricing",
    }  # fmt: skip
    assert served.balance(caller).available == 2


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (errors.ProviderOutputInvalid(), 502), (errors.ProviderUnavailable(), 503), (errors.ProviderThrottled(), 503),
        (errors.ProviderTimeout(), 504), (errors.ImageUnreadable(format="png"), 400), (RuntimeError("bug"), 500),
    ],
)  # fmt: skip
def test_a_failed_run_costs_nothing(apps, browser, served, problem, status):
    """Whatever went wrong, usage is as before."""
    before = used(apps, browser)
    served.predictor.script = [problem] * 3
    assert enhance(apps, browser).status == status
    assert used(apps, browser) == before == (0, 0.0)


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("true", 400),
        ("1", 400),
        ("on", 400),
        ("yes", 400),
        ("TRUE", 400),
        ("false", 200),
        ("0", 200),
        ("", 200),
    ],
)
def test_face_enhance_is_read_in_all_usual_spellings(apps, browser, value, status):
    """On is refused for a model without it; off and empty are fine."""
    assert enhance(apps, browser, {"face_enhance": value}).status == status


@pytest.mark.parametrize("output_format", ["jpeg", "png", "webp"])
def test_the_result_comes_in_the_format_asked_for(apps, browser, output_format):
    """And is served as that type."""
    url = enhance(apps, browser, {"output_format": output_format}).data["imageUrl"]
    assert browser.send(apps.results, "GET", url).headers["Content-Type"] == f"image/{output_format}"


def test_an_upload_is_enhanced_like_a_file(apps, browser, served):
    """Prepared, stored by form, taken by key."""
    image = jpeg((20, 10))
    asked = {"contentType": "image/jpeg", "size": len(image)}
    prepared = browser.post_json(apps.uploads, "/api/ai-image/uploads", asked).data
    assert prepared["uploadKey"] == prepared["fields"]["key"]
    assert prepared["expiresAt"] == served.clock + 600_000
    served.artifacts.put(prepared["uploadKey"], image, "image/jpeg")
    answer = browser.post_form(apps.generate, PATH, {"uploadKey": prepared["uploadKey"]})
    assert (answer.data["width"], answer.data["height"]) == (40, 20)
    stranger = Browser(ip=browser.ip).post_form(apps.generate, PATH, {"uploadKey": prepared["uploadKey"]})
    assert (stranger.status, stranger.error["code"]) == (400, "upload_not_found")


def test_a_file_and_a_key_together_are_refused(apps, browser):
    """Which of two pictures is meant is never guessed."""
    refused = enhance(apps, browser, {"uploadKey": "ai-enhancer/incoming/guest/x/y"})
    assert (refused.status, refused.error["code"]) == (400, "too_many_images")


def test_a_larger_plan_may_enlarge_more(apps, browser):
    """What the guest is refused, pro gets."""
    refused = enhance(apps, browser, {"scale": "4"})
    assert (refused.status, refused.error["details"]["requiredPlan"]) == (403, "pro")
    sign_in(apps, browser, "pro")
    data = enhance(apps, browser, {"scale": "4"}).data
    assert (data["width"], data["charge"]["total"]) == (32, 2.0)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"strength": "1.1"}, "strength"), ({"guidance": "0"}, "guidance"), ({"steps": "21"}, "steps"),
        ({"prompt": "x" * 501}, "prompt"), ({"negative_prompt": "x" * 501}, "negative_prompt"),
        ({"quality": "ultra"}, "quality"), ({"output_format": "gif"}, "output_format"), ({"scale": "2.5"}, "scale"),
        ({"face_enhance": "maybe"}, "face_enhance"), ({"uploadKey": "x" * 301}, "uploadKey"), ({"mdoel": "x"}, "mdoel"),
    ],
)  # fmt: skip
def test_a_bad_field_is_named_and_its_value_is_not_repeated(apps, browser, fields, field):
    """400 with field and problem; what was sent stays with the sender."""
    refused = enhance(apps, browser, fields)
    assert (refused.status, refused.error["code"]) == (400, "invalid_fields")
    assert [entry["field"] for entry in refused.error["details"]["fields"]] == [field]
    assert "xxxxxxxx" not in refused.content.decode()
    assert used(apps, browser) == (0, 0.0)


@pytest.mark.parametrize(
    ("waited_ms", "wait", "left"),
    [(0, None, 25), (4_000, None, 21), (4_000, "wait=10", 6), (24_000, None, 1), (26_000, None, 0.1),
     (-5_000, None, 25), (31_000, None, 25), (86_400_000, None, 25)],
)  # fmt: skip
def test_the_wait_is_counted_from_the_arrival_of_the_request(
    apps, browser, served, monkeypatch, waited_ms, wait, left
):
    """A cold start, a slow bucket and decoding are inside it; a clock that cannot be right counts for nothing."""
    still = SimpleNamespace(monotonic=lambda: 0.0, perf_counter=lambda: 0.0)
    for module in (app_module, run_module, submit_module):
        monkeypatch.setattr(module, "time", still)
    browser.waited_ms = waited_ms
    enhance(apps, browser, headers={"prefer": wait} if wait else None)
    assert served.predictor.seconds[-1] == pytest.approx(left)


def test_a_slow_upload_leaves_less_time_for_the_model(apps, browser, served, monkeypatch):
    """What fetching and decoding took is not added to the wait."""
    asked = {"contentType": "image/jpeg", "size": len(image := jpeg((20, 10)))}
    key = browser.post_json(apps.uploads, "/api/ai-image/uploads", asked).data["uploadKey"]
    served.artifacts.put(key, image, "image/jpeg")
    get, late = served.artifacts.get, [0.0]
    clock = time.perf_counter

    def slowly(*given, **more):
        late[0] = 9.0
        return get(*given, **more)

    monkeypatch.setattr(served.artifacts, "get", slowly)
    monkeypatch.setattr(app_module.time, "perf_counter", lambda: clock() + late[0])
    browser.post_form(apps.generate, PATH, {"uploadKey": key})
    assert 14 < served.predictor.seconds[-1] <= 16


@pytest.mark.parametrize("ends", ["with a picture", "still running", "not begun"])
def test_an_answer_that_comes_too_late_for_the_gateway_is_not_charged(
    apps, browser, served, monkeypatch, ends
):
    """Whoever asked was told 503 by then: nothing is charged for, or goes on to, a picture that nobody was told of."""
    browser.waited_ms = 20_000
    clock, late = time.monotonic, [0.0]
    monkeypatch.setattr(run.time, "monotonic", lambda: clock() + late[0])

    def slowly(*_):
        late[0] = 9.5
        if ends != "with a picture":
            raise StillRunning() if ends == "still running" else OutOfTime

    served.predictor.script = [slowly]
    answer = enhance(apps, browser)
    assert (answer.status, answer.error["code"]) == (504, "provider_timeout")
    assert used(apps, browser) == (0, 0.0)
    assert (served.workflow.starts, served.artifacts.keys("ai-enhancer/results/")) == ([], [])
