"""The smoke's own rules: exit codes, what a check needs, time, keys, and what it sees in every answer."""

import itertools
import json
import time
from types import SimpleNamespace

import pytest
from requests.structures import CaseInsensitiveDict

from ops import smoke, smoke_client, smoke_plan, smoke_runs
from ops.smoke_client import SECURITY_HEADERS, Answer, Answers, Failed, Visitor
from ops.smoke_picture import tiny_png
from ops.smoke_plan import CHECKS, Blocked, Check, Options, Outcome, Skipped, Smoke
from tests.support.images import size_of
from tests.support.scripted_server import drips, hangs, says, serve

KEY = "ek_live_hunter2"


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in ("KEY", "ADMIN_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server():
    with serve() as script:
        yield script


def outcome(word, *, blocked=False):
    return Outcome(word, "x", "", 1, blocked=blocked)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([outcome("ok"), outcome("skip")], 0),
        ([outcome("ok"), outcome("FAIL"), outcome("skip", blocked=True)], 1),
        ([outcome("ok"), outcome("skip", blocked=True)], 2),
    ],
)
def test_the_exit_code_tells_broken_from_unknown(words, code):
    """A failure weighs more than what could not be checked; what nobody asked for weighs nothing."""
    assert smoke.exit_code(words) == code


def test_a_check_comes_with_what_it_needs():
    """In the order of all checks; where pictures are made, they are cleaned up."""
    assert [one.name for one in smoke_plan.chosen(["batch"])] == ["generate", "job", "batch", "cleanup"]
    assert [one.name for one in smoke_plan.chosen(["method"])] == ["method"]
    assert [one.name for one in smoke_plan.chosen([])] == list(CHECKS)


def test_every_need_is_a_check_that_comes_before():
    """Otherwise it would never run."""
    seen = set()
    for one in CHECKS.values():
        assert set(one.needs) <= seen, one.name
        seen.add(one.name)


def checks(**works):
    return [Check(name.replace("_", "-"), (), work) for name, work in works.items()]


def raises(problem):
    def work(_):
        raise problem

    return work


def test_each_check_ends_for_itself():
    """A broken promise, a check nobody asked for, one that could not be made, an answer of another shape."""
    found = list(
        smoke_plan.run(
            Smoke(Options("http://127.0.0.1:9")),
            checks(
                fine=lambda _: "as it should be",
                broken=raises(Failed("200, expected 403")),
                unasked=raises(Skipped("only with --burst")),
                unknown=raises(Blocked("the day is used up")),
                odd=raises(KeyError("usage")),
            ),
        )
    )
    assert [(one.word, one.name, one.blocked) for one in found] == [
        ("ok", "fine", False), ("FAIL", "broken", False), ("skip", "unasked", False), ("skip", "unknown", True),
        ("FAIL", "odd", False),
    ]  # fmt: skip
    assert "another shape" in found[-1].detail
    assert found[1].line().startswith("FAIL  broken")
    assert "\n" not in found[1].line()


def test_after_the_deadline_nothing_is_begun_but_cleaning_up(monkeypatch):
    """What was not run failed: it is not known to be fine."""
    clock = itertools.count(step=100)
    monkeypatch.setattr(smoke_plan.time, "monotonic", lambda: next(clock))
    found = list(
        smoke_plan.run(
            Smoke(Options("http://127.0.0.1:9", deadline=50)),
            checks(late=lambda _: "", cleanup=lambda _: "done"),
        )
    )
    assert [(one.word, one.detail) for one in found] == [
        ("FAIL", "not run: the smoke took 50 s"),
        ("ok", "done"),
    ]


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        (["ftp://x.example"], {}),
        (["https://x.example/en/"], {}),
        (["x.example"], {}),
        ([], {}),
        (["https://x.example", "--only", "healht"], {}),
        (["https://x.example"], {"KEY": "sk_live_hunter2"}),
        (["https://x.example"], {"ADMIN_KEY": "ek_live_ hunter2"}),
        (["http://x.example"], {"KEY": KEY}),
        (["http://x.example"], {"ADMIN_KEY": KEY}),
        (["https://ada:hunter2@x.example"], {}),
        (["https://enhance.example@x.example"], {}),
    ],
)
def test_what_makes_no_sense_is_exit_code_2_and_shows_no_key(arguments, keys, monkeypatch, capsys):
    """Nothing is sent."""
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        smoke.main(arguments)
    assert ended.value.code == 2
    assert "hunter2" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "environment"),
    [
        ("http://127.0.0.1:8787", "development"),
        ("http://localhost:8787", "development"),
        ("https://enhance.example", "production"),
        ("https://127.example", "production"),
    ],
)
def test_everything_but_this_machine_counts_as_production(url, environment):
    """Who forgets to say so gets the strictest."""
    assert smoke._options([url])[1].environment == environment


def test_no_line_and_no_report_shows_a_key(server, monkeypatch, capsys):
    """Whatever a deployment answers."""
    monkeypatch.setenv("KEY", KEY)
    monkeypatch.setenv("ADMIN_KEY", KEY)
    server.on("GET /", says(500, {"message": "no"}))
    server.on("POST /", says(500, {"message": "no"}))
    for more in ([], ["--json"]):
        assert smoke.main([server.url, *more]) == 1
        shown = capsys.readouterr()
        assert "hunter2" not in shown.out + shown.err
    assert json.loads(shown.out)["exitCode"] == 1
    assert {one.headers.get("authorization") for one in server.asked} == {None, f"Bearer {KEY}"}


@pytest.mark.parametrize("name", ["KEY", "ADMIN_KEY"])
def test_a_key_that_the_deployment_does_not_know_proves_nothing(server, monkeypatch, capsys, name):
    """It says nothing about the deployment; only what was expected of it counts as broken."""
    monkeypatch.setenv(name, KEY)
    refusal = {"success": False, "error": {"type": "auth_error", "code": "invalid_api_key", "message": "no"}}
    server.on("GET /api/health", says(200, {"success": True}))
    server.on("GET /api/auth/me", says(401, refusal))
    assert smoke.main([server.url]) == 2
    told = capsys.readouterr().err
    assert told.startswith("UNKNOWN: ")
    assert f"does not know {name}:" in told
    assert [one.path for one in server.asked] == ["/api/health", "/api/auth/me"]


def test_the_key_of_somebody_who_is_no_administrator_leaves_the_deep_check_unmade(server):
    """It is the key that is wrong, not the deployment."""

    def refusal(type_, code):
        return {"success": False, "error": {"type": type_, "code": code, "message": "no"}, "requestId": "r"}

    server.on("GET /api/health", lambda handler: says(
        *((403, refusal("forbidden", "admin_only")) if handler.headers["Authorization"]
          else (401, refusal("auth_error", "sign_in")))
    )(handler))  # fmt: skip
    with pytest.raises(Blocked, match="not an administrator's"):
        CHECKS["deep-health"].work(Smoke(Options(url=server.url, admin_key=KEY)))


def drips_headers(handler):
    """A header that does not end, one byte every tenth of a second."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Endless: ")
    for _ in range(1000):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.1)


@pytest.mark.parametrize(
    "address", ["@{host}/x", ".{host}/x", "x", "", "http:{host}", "mailto:a@{host}", ":80@{host}/x"]
)
def test_a_key_is_sent_to_no_other_host_whatever_an_answer_names(server, address):
    """An address of a result is appended to ours: without a slash it would be another host's."""
    place = address.format(host=server.url.removeprefix("http://"))
    with pytest.raises(Failed, match="is not a path of"):
        Visitor("http://smoke", Answers(), key=KEY).get(place)
    assert server.asked == []


def test_an_upload_goes_where_its_form_says_and_no_further(server):
    """A redirect is no answer of a bucket, and a body is not read at all."""
    form = {"url": f"{server.url}/bucket", "fields": {}, "uploadKey": "k"}
    taker = SimpleNamespace(post=lambda *_, **__: SimpleNamespace(data=lambda: form))
    server.on("POST /bucket", says(307, b"", Location=f"{server.url}/elsewhere"))
    with pytest.raises(Failed, match="answers 307"):
        smoke_runs._uploaded(taker, tiny_png())
    assert [one.path for one in server.asked] == ["/bucket"]
    form["url"] = "file:///etc/passwd"
    with pytest.raises(Failed, match="names no address"):
        smoke_runs._uploaded(taker, tiny_png())


def test_what_an_answer_says_cannot_steer_the_terminal(server, monkeypatch, capsys):
    """Codes, statuses and names are the deployment's own words."""
    said = "\x1b]0;owned\x07\x9b2J\u202e"
    body = {"success": False, "error": {"type": said, "code": said, "message": "m"}, "requestId": "r"}
    for verb in ("GET", "POST", "DELETE", "OPTIONS", "PUT"):
        server.on(f"{verb} /", says(500, body, Retry_After="\xb2"))
    for more in ([], ["--json"]):
        assert smoke.main([server.url, *more]) == 1
        shown = capsys.readouterr()
        assert all(sign.isprintable() or sign == "\n" for sign in shown.out + shown.err)


def test_an_answer_nested_without_end_is_no_json(server):
    """The smoke goes on, and says so."""
    server.on("GET /", says(500, b"[" * 200_000, Retry_After="3"))
    found = Visitor(server.url, answers := Answers()).get("/api/x")
    assert (found.code, len(answers.broken)) == ("", 1)
    with pytest.raises(Failed, match="instead of a JSON object"):
        found.json()


@pytest.mark.parametrize("wait", ["\xb2", "9" * 5000, "-1", "soon", ""])
def test_a_wait_that_is_no_number_is_none(server, wait):
    """A sign that counts as a digit elsewhere is none here."""
    assert smoke_client.seconds_of(wait) is None


@pytest.mark.parametrize("silence", [hangs(100), drips(100), drips_headers])
def test_a_deployment_that_hangs_is_no_answer_in_time(server, monkeypatch, silence):
    """Silence and single bytes alike."""
    monkeypatch.setattr(smoke_client, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(smoke_client, "CONNECT_SECONDS", 2.0)
    server.on("GET /", silence)
    started = time.monotonic()
    with pytest.raises(smoke_client.NoAnswer):
        Visitor(server.url, Answers()).get("/api/health")
    assert time.monotonic() - started < 60


def limited(seconds, code="rate_limited"):
    error = {"type": "rate_limit", "code": code, "message": "Later."}
    body = {"success": False, "error": error, "requestId": "r", "retryAfter": seconds}
    return says(429, body, Retry_After=f"{seconds}")


@pytest.mark.parametrize(
    ("first", "waits", "status"),
    [
        (limited(3), [3], 200),
        (limited(3600), [], 429),
        (limited(3, "daily_quota_exceeded"), [], 429),
    ],
)
def test_a_limit_that_passes_within_seconds_is_waited_for(server, first, waits, status):
    """Another smoke a moment ago is no failure of the deployment; a day that is used up does not pass."""
    waited = []
    server.on("GET /", first, says(200, {"success": True, "data": {}}))
    visitor = Visitor(server.url, Answers(), pause=waited.append)
    assert visitor.get("/api/ai-image/usage").status == status
    assert waited == waits


def answer(status=200, body=b"{}", kind="application/json", **headers):
    named = {
        "Content-Type": kind,
        **SECURITY_HEADERS,
        "X-Request-Id": "r",
        "Server-Timing": "total;dur=1",
    } | headers
    shown = {name: value for name, value in named.items() if value is not None}
    return Answer("GET", "/api/x", status, CaseInsensitiveDict(shown), body, ())


def seen(*found):
    answers = Answers()
    for one in found:
        answers.look_at(one)
    return answers


@pytest.mark.parametrize("name", [*SECURITY_HEADERS, "X-Request-Id", "Server-Timing"])
def test_an_answer_without_a_header_is_noted(name):
    """Each of them."""
    assert len(seen(answer(**{name: None})).without_header) == 1
    assert seen(answer()).without_header == []


@pytest.mark.parametrize(
    "body",
    [
        b"<html>", b"[]", b"{}", b'{"success": true}', b'{"success": false, "error": {"type": "odd"}}',
        b'{"success": false, "error": {"type": "not_found", "code": "", "message": "m"}, "requestId": "r"}',
        b'{"success": false, "error": {"type": "not_found", "code": "c", "message": "m"}}',
    ],
)  # fmt: skip
def test_a_refusal_without_the_envelope_is_noted(body):
    """Whatever part of it is missing."""
    assert len(seen(answer(404, body)).without_envelope) == 1


def test_an_error_of_ours_is_noted_whatever_check_met_it():
    """In the envelope, too."""
    body = b'{"success": false, "error": {"type": "server_error", "code": "c", "message": "m"}, "requestId": "r"}'
    found = seen(answer(500, body))
    assert (found.without_envelope, len(found.broken)) == ([], 1)


def test_a_picture_that_happens_to_contain_a_path_is_no_leak():
    """Texts are looked at, pixels are not."""
    inside = b'File "/var/task/app.py"'
    assert len(seen(answer(body=inside)).leaking) == 1
    assert seen(answer(body=inside, kind="image/png")).leaking == []


def test_the_tiny_picture_is_one_and_never_the_same():
    """So no run is free because somebody had it before."""
    first, second = tiny_png(24, 16), tiny_png(24, 16)
    assert size_of(first) == (24, 16)
    assert first != second
