"""Carriage returns and line feeds in whatever is sent: never a second header, cookie or log line."""

import pytest

from enhancer import runtime
from tests.support.events import (
    BOUNDARY,
    CONTEXT,
    NAMED_FIELD,
    Answer,
    Browser,
    form,
    http_event,
    image_part,
    joined,
    part,
)
from tests.support.images import png

EVIL = "x\r\nSet-Cookie: session_id=stolen\r\n\r\n<script>"
HEADERS = (
    "prefer", "idempotency-key", "accept-language", "if-none-match", "range", "referer", "user-agent", "accept",
    "x-workspace", "cookie",
)  # fmt: skip
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def is_one_answer(answer):
    """Whether nothing that was sent can end a header of ours, or begin one."""
    headers = [*answer.headers.items(), *answer.cookies.items()]
    assert not [one for one in headers if set("\r\n") & set("".join(one))]
    assert "stolen" not in " ".join(answer.cookies.values())
    assert {name.lower() for name in answer.headers}.isdisjoint({"set-cookie"})
    return True


@pytest.mark.parametrize("header", HEADERS)
def test_in_a_header_they_come_back_in_none(apps, served, logs, header):
    """Whatever an answer repeats of a request, it repeats no line break."""
    browser = Browser(ip="192.0.2.60")
    made = browser.post_form(
        apps.generate, "/api/ai-image/generate", image=png(shade=60), headers={header: f"wait=5, {EVIL}"}
    )
    assert is_one_answer(made)
    for app, path in [
        (apps.usage, "/api/ai-image/usage"), (apps.jobs, "/api/ai-image/jobs"),
        (apps.sign_in, "/api/auth/google/login"), (apps.web, "/en/"), (apps.web, "/api/ai-image/usage/"),
    ]:  # fmt: skip
        assert is_one_answer(browser.send(app, "GET", path, headers={header: EVIL}))
    assert logs.text.count("\n") == len(logs.lines)


@pytest.mark.parametrize(
    "name", ["returnTo", "session_id", "state", "code", "error", "cursor", "status", "download", EVIL]
)
def test_in_a_query_they_come_back_in_no_header(apps, served, logs, name):
    """Redirects included: those of signing in, of coming back, and of a slash too many."""
    browser = Browser(ip="192.0.2.61")
    for app, path in [
        (apps.sign_in, "/api/auth/google/login"), (apps.sign_in, "/api/auth/google/callback"),
        (apps.billing, "/api/billing/sync"), (apps.jobs, "/api/ai-image/jobs"), (apps.web, "/api/ai-image/jobs/"),
        (apps.results, "/r2-ai/ai-enhancer/uploads/guest/abc/0123456789abcdefghjkmnpqrs.png"),
    ]:  # fmt: skip
        event = http_event("GET", path, headers={"accept": "text/html"}, ip=browser.ip)
        event |= {"rawQueryString": f"{name}={EVIL}", "queryStringParameters": {name: EVIL}}
        assert is_one_answer(Answer(app(event, CONTEXT)))
    assert logs.text.count("\n") == len(logs.lines)


def test_in_a_path_they_are_not_found_or_encoded(apps, served, logs):
    """A path with one is none of ours; a redirect encodes it."""
    browser = Browser(ip="192.0.2.62")
    for app in (apps.web, apps.jobs, apps.results, apps.sign_in):
        for path in (f"/api/{EVIL}/", f"/api/ai-image/jobs/{EVIL}", f"/r2-ai/{EVIL}", f"/{EVIL}"):
            answer = browser.send(app, "GET", path)
            assert is_one_answer(answer)
            assert answer.status == 404 or "%0D%0A" in answer.headers["Location"]
    assert logs.text.count("\n") == len(logs.lines)


def test_a_prompt_keeps_its_lines_and_nothing_else_gets_them(apps, served, logs, monkeypatch):
    """It is the model's to read: stored and shown as it was sent, in JSON; no header and no log line has any of it."""
    browser = Browser(ip="192.0.2.63")
    monkeypatch.setattr(runtime, "enabled", lambda model: True)
    prompt = f"first line\r\nsecond line {EVIL}"
    body, kind = form({"model": "flux-klein", "prompt": prompt}, image=png(shade=61))
    answer = browser.send(
        apps.generate, "POST", "/api/ai-image/generate", body=body, headers={"content-type": kind}
    )
    assert answer.status == 200, answer.content
    assert is_one_answer(answer)
    shown = browser.send(apps.jobs, "GET", f"/api/ai-image/jobs/{answer.data['jobId']}")
    assert is_one_answer(shown)
    assert prompt in (shown.data["items"][0]["prompt"], shown.data["params"].get("prompt"))
    assert "second line" not in logs.text


@pytest.mark.parametrize(
    "name", ["photo%0d%0aSet-Cookie: a=b.png", "..%2f..%2fetc%2fpasswd", "a'; x=\u2028.png"]
)
def test_a_file_name_is_not_used(apps, served, logs, name):
    """Neither for a header, nor for a key, nor for the log."""
    browser = Browser(ip="192.0.2.64")
    body = joined([image_part(png(shade=62), filename=name)])
    answer = browser.send(
        apps.generate, "POST", "/api/ai-image/generate", body=body, headers={"content-type": FORM}
    )
    assert answer.status == 200
    assert is_one_answer(answer)
    saved = browser.send(apps.results, "GET", answer.data["imageUrl"], query="download=1")
    assert is_one_answer(saved)
    assert name not in str([answer.raw, saved.headers, served.artifacts.keys()]) + logs.text


def test_in_the_head_of_a_part_they_make_no_second_field(apps, served):
    """A name of a field with a line break in it is a field nobody knows."""
    browser = Browser(ip="192.0.2.65")
    body = joined([part(NAMED_FIELD.format("sca%0d%0ale"), b"2"), image_part(png(shade=63))])
    answer = browser.send(
        apps.generate, "POST", "/api/ai-image/generate", body=body, headers={"content-type": FORM}
    )
    assert (answer.status, answer.error["code"]) == (400, "invalid_fields")
    assert is_one_answer(answer)
