"""Fetching pictures: whose they are comes first, then whether they are there; addresses are whole."""

import pytest

from tests.support.aws import ORIGIN
from tests.support.events import CONTEXT, Answer, Browser, http_event
from tests.support.images import png

NAME = "0123456789abcdefghjkmnpqrs.png"


@pytest.fixture
def made(apps, served):
    """A guest's browser, and where its picture lies."""
    browser = Browser(ip="192.0.2.77")
    answer = browser.post_form(apps.generate, "/api/ai-image/generate", image=png(shade=77))
    return browser, answer.data


def folder(data):
    return data["imageUrl"].removeprefix(ORIGIN).rpartition("/")[0]


@pytest.mark.parametrize("rest", [f"/{NAME}", "/x", "/x.svg", "/a/b", "/", "", "/" + "a" * 400, "/é"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_below_a_folder_of_somebody_else_everything_is_403(apps, served, made, rest, method):
    """Whatever follows the id, there or not; and for the owner what is not there is 404."""
    owner, data = made
    stranger = Browser(ip="192.0.2.78")
    assert stranger.send(apps.results, method, folder(data) + rest).status == 403
    assert owner.send(apps.results, method, folder(data) + rest).status == 404
    missing = folder(data).rpartition("/")[0] + "/nobody"
    assert owner.send(apps.results, method, missing + rest).status == 403


@pytest.mark.parametrize(
    "path",
    [
        "/r2-ai/", "/r2-ai/x", "/r2-ai/ai-enhancer", "/r2-ai/ai-enhancer/results", "/r2-ai/ai-enhancer/results/",
        "/r2-ai/ai-enhancer/results/guest", "/r2-ai/ai-enhancer/results/guest/",
        f"/r2-ai/ai-enhancer/results/guest//{NAME}",
        f"/r2-ai/ai-enhancer/results/admin/abc/{NAME}", f"/r2-ai/ai-enhancer/incoming/guest/abc/{NAME}",
        f"/r2-ai/ai-enhancer/exports/user/abc/{NAME}", f"/r2-ai/ai-enhancer/uploads/guest/abc/{NAME}",
        "/r2-ai//etc/passwd", f"/r2-ai/../{NAME}", f"/r2-ai/ai-enhancer/results/guest/../{NAME}", "/r2-ai/\\windows",
        f"/r2-ai/ai-enhancer/results/guest/abc/../def/{NAME}", f"/r2-ai/ai-enhancer/results/guest/abc%2f{NAME}",
        f"/r2-ai/ai-enhancer/results/guest/abc/{NAME}\x00", "/r2-ai/ai-enhancer/results/guest/abc/\x00",
        f"/r2-ai/%2e%2e/{NAME}", f"/r2-ai/ai-enhancer/results/guest/abc%5c{NAME}",
    ],
)  # fmt: skip
def test_no_other_path_is_anything(apps, served, path):
    """Without type or id, of another kind, climbing, encoded, with NUL: 404 for everybody."""
    answer = Browser(ip="192.0.2.79").send(apps.results, "GET", path)
    assert (answer.status, answer.error["code"]) == (404, "not_found")


@pytest.mark.parametrize("part", ["%2f", "%2F", "%5c", "%00", "%252f"])
def test_an_encoded_separator_is_404_for_the_owner_too(apps, served, made, part):
    """Where the gateway leaves it encoded; one picture has one address."""
    browser, data = made
    path = f"{folder(data)}{part}{data['imageUrl'].rpartition('/')[2]}"
    event = http_event("GET", path, cookies=browser.jar, ip=browser.ip)
    assert Answer(apps.results(event, CONTEXT)).status == 404


@pytest.mark.parametrize(
    ("app_origin", "origin"), [(ORIGIN, ORIGIN), ("", "https://own.example"), ("https://x.example",) * 2]
)
def test_addresses_are_whole_on_the_apps_origin_or_on_the_requests_own(
    apps, made, setting, app_origin, origin
):
    """Of a finished picture, of a job, and of a list of jobs; they can be opened as they are."""
    browser, data = made
    assert data["imageUrl"].startswith(f"{ORIGIN}/r2-ai/ai-enhancer/results/guest/")
    assert data["originalUrl"].startswith(f"{ORIGIN}/r2-ai/ai-enhancer/uploads/guest/")
    setting(APP_ORIGIN=app_origin)

    def ask(path):
        event = http_event("GET", path, cookies=browser.jar, ip=browser.ip)
        event["requestContext"]["domainName"] = "own.example"
        return Answer(apps.jobs(event, CONTEXT)).data

    (job,) = ask("/api/ai-image/jobs")["jobs"]
    shown = ask(f"/api/ai-image/jobs/{job['id']}")
    for found in (job, shown, job["items"][0]):
        assert found["output"]["url"] == f"{origin}/r2-ai/{found['output']['key']}"
        assert found["input"]["url"] == f"{origin}/r2-ai/{found['input']['key']}"
