"""Cancel in the browser: what the page calls stopped is never charged, and what was charged is shown."""

from __future__ import annotations

import pytest

from tests.e2e.browser import Open, photo

pytestmark = pytest.mark.browser
RUNS = """async () => {
    const answer = await fetch("/api/ai-image/jobs?status=queued,processing");
    return (await answer.json()).data.jobs.length > 0;
}"""


def test_cancel_before_the_server_knows_the_run_returns_to_the_settings(visit: Open):
    """Its key is void, so it cannot run later; photo and settings are kept."""
    seen = visit()
    seen.page.route("**/api/ai-image/generate", lambda route: None)
    page = seen.choose(photo(tint=190))
    page.click("#enhance")
    page.wait_for_selector("main[data-state=running]")
    page.click("#cancel")
    page.wait_for_selector("#notice [data-code=canceled]")
    assert page.get_attribute("main", "data-state") == "ready"


def test_run_that_is_stopped_while_the_model_works_costs_nothing(visit: Open):
    """The page says "stopped" once the server has agreed; the job is canceled, and nothing is charged."""
    seen = visit()
    page = seen.choose(photo(360, 270, tint=191))
    page.click("#models [data-value='local/real-esrgan']")
    page.click("#qualities [data-value=pro]")
    with page.expect_response("**/jobs/by-key/cancel") as told:
        page.click("#enhance")
        while not page.evaluate(RUNS):  # each look is a request, which the run would have to wait for
            page.wait_for_timeout(250)
        page.click("#cancel")
    assert told.value.status == 200
    page.wait_for_selector("#notice [data-code=canceled]")
    assert page.get_attribute("main", "data-state") == "ready"
    assert "Nothing was charged" in page.inner_text("#notice")
    (job,) = page.request.get("/api/ai-image/jobs").json()["data"]["jobs"]
    assert (job["status"], job["charge"]["total"], job["output"]) == ("canceled", 0, None)
    page.wait_for_selector("#usage >> text=3 left today")
    page.click("#qualities [data-value=standard]")
    seen.enhance()


def test_run_that_ended_before_it_could_be_stopped_is_shown_with_its_charge(visit: Open):
    """Its answer is on the way when Cancel is pressed: the page does not say "stopped" about what was paid for."""
    seen = visit()
    seen.expected = ("409",)
    page = seen.choose(photo(tint=192))
    answers = []
    page.route("**/api/ai-image/generate", lambda route: answers.append((route, route.fetch())))
    page.click("#enhance")
    while not answers:
        page.wait_for_timeout(50)
    with page.expect_response("**/jobs/by-key/cancel") as told:
        page.click("#cancel")
    assert (told.value.status, told.value.json()["error"]["code"]) == (409, "job_finished")
    assert page.get_attribute("main", "data-state") == "running"
    ((route, response),) = answers
    route.fulfill(response=response)
    page.wait_for_selector("main[data-state=done]")
    assert page.locator("#notice .notice").count() == 0
    assert response.json()["data"]["charge"]["total"] == 1
