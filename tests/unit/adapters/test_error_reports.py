"""Errors of ours at Sentry: sent where a DSN is set, with nothing of anybody's in them, and never loaded elsewhere."""

import gzip
import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest

from enhancer import runtime
from enhancer.adapters import error_reports
from enhancer.settings import VERSION
from enhancer.telemetry import hidden
from tests.support import aws
from tests.support.events import CONTEXT, Answer, http_event
from tests.support.template import ROOT

PRIVATE = {
    "an e-mail address": "ada.lovelace@example.com",
    "a key": "ek_live_Ab3dE5fG7hJ9kL1m",
    "Stripe's secret": "whsec_abcDEF123456",
    "a token": "Bearer eyJhbGciOi.payload.signature",
    "a long secret": "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9v",
    "an address": "203.0.113.77",
    "an address of the new kind": "2001:db8:85a3::8a2e:370:7334",
    "a query string": "code=4/0AbCd&state=xyz",
    "a prompt": "my dead grandmother at the lake",
    "a cookie": "session=s3cr3t-session-value",
}


@pytest.fixture
def sentry(setting):
    """A socket that takes envelopes as Sentry does; the items that came."""
    items = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            head, *rest = body.split(b"\n")
            items.append((self.path, json.loads(head), [json.loads(line) for line in rest if line]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    dsn = f"http://public@127.0.0.1:{server.server_port}/7"
    setting(SENTRY_DSN=dsn)
    error_reports._start.cache_clear()
    yield SimpleNamespace(items=items, place=error_reports.Place(dsn, VERSION, "staging", "Generate"))
    server.shutdown()
    server.server_close()
    thread.join()
    error_reports._start.cache_clear()
    error_reports.sentry_sdk.init()


def broken(prompt):
    cookie = PRIVATE["a cookie"]
    told = " ".join(value for name, value in PRIVATE.items() if name not in ("a prompt", "a cookie"))
    raise RuntimeError(
        f"cannot reach https://api.example/x?{PRIVATE['a query string']} for {told} with {[prompt, cookie]}"
    )


def test_a_report_says_what_broke_and_where_and_nothing_of_anybody(sentry):
    """It is there when `send` returns: after that the function freezes."""
    try:
        broken(PRIVATE["a prompt"])
    except RuntimeError as problem:
        about = {"requestId": "r-1", "jobId": "job-1", "email": PRIVATE["an e-mail address"]}
        error_reports.send(problem, about=about, place=sentry.place)
    ((path, head, (item, event)),) = sentry.items
    assert (path, item["type"]) == ("/api/7/envelope/", "event")
    assert (event["release"], event["environment"]) == (VERSION, "staging")
    assert event["tags"] == {"requestId": "r-1", "jobId": "job-1", "function": "Generate"}
    (error,) = event["exception"]["values"]
    assert error["type"] == "RuntimeError"
    assert error["value"].startswith("cannot reach https://api.example/x?***")
    assert [frame["function"] for frame in error["stacktrace"]["frames"]][-1] == "broken"
    text = json.dumps([head, item, event])
    assert [name for name, value in PRIVATE.items() if value in text] == []


def test_whatever_else_an_event_holds_stays_here():
    """An integration or a later version of the library may add it."""
    hostile = {
        "event_id": "1",
        "level": "error",
        "release": "x",
        "server_name": "host",
        "user": {"email": "ada@example.com"},
        "request": {
            "headers": {"Cookie": "session=1"},
            "cookies": "session=1",
            "data": {"prompt": "p"},
            "query_string": "a=b",
            "url": "https://x.example/?a=b",
            "env": {"REMOTE_ADDR": "203.0.113.77"},
        },
        "breadcrumbs": {"values": [{"message": "prompt"}]},
        "extra": {"sys.argv": ["secret"]},
        "contexts": {"trace": {"data": "s"}},
        "logentry": {"message": "prompt"},
        "message": "prompt",
        "modules": {"a": "1"},
        "threads": {"values": [{"stacktrace": {}}]},
        "tags": {"jobId": "job-1", "email": "ada@example.com"},
        "exception": {
            "values": [
                {
                    "type": "E",
                    "value": "",
                    "mechanism": {"data": {"prompt": "p"}},
                    "stacktrace": {
                        "frames": [
                            {
                                "function": "f",
                                "lineno": 1,
                                "vars": {"token": "secret"},
                                "context_line": "secret = 'x'",
                                "pre_context": ["secret"],
                                "post_context": ["secret"],
                                "abs_path": "/var/task/app.py",
                            }
                        ]
                    },
                }
            ]
        },
    }
    assert error_reports.scrubbed(hostile) == {
        "event_id": "1",
        "level": "error",
        "release": "x",
        "tags": {"jobId": "job-1"},
        "exception": {
            "values": [
                {
                    "type": "E",
                    "module": None,
                    "value": "",
                    "stacktrace": {"frames": [{"function": "f", "lineno": 1}]},
                }
            ]
        },
    }
    assert error_reports.scrubbed({}) == {"tags": {}, "exception": {"values": []}}


def test_an_error_in_a_request_is_reported_and_a_refusal_is_not(sentry, apps, served, monkeypatch):
    """The answer is the same as ever."""
    request = http_event("GET", "/api/ai-image/usage")
    assert Answer(apps.usage(request, CONTEXT)).status == 200
    assert Answer(apps.usage(http_event("GET", "/api/nothing"), CONTEXT)).status == 404
    assert sentry.items == []
    monkeypatch.setattr(runtime, "rates", lambda: 1 / 0)
    assert Answer(apps.usage(request, CONTEXT)).status == 500
    ((_, _, (_, event)),) = sentry.items
    assert event["exception"]["values"][-1]["type"] == "ZeroDivisionError"
    assert event["tags"]["requestId"] == "request-1"


def test_a_sentry_that_does_not_answer_or_has_no_address_changes_nothing(logs):
    """Nobody listens at the discard port; the log has the error all the same."""
    for dsn in ("http://public@127.0.0.1:9/7", "no address"):
        error_reports._start.cache_clear()
        place = error_reports.Place(dsn, VERSION, "staging", "Web")
        error_reports.send(RuntimeError("x"), about={}, place=place)
    error_reports._start.cache_clear()
    assert [line["message"] for line in logs.lines] == ["no error reports"]


def test_nobody_loads_the_library_before_the_first_error():
    """Neither without a DSN when something breaks, nor with one at a cold start."""
    loads = "import enhancer.api.http.app, enhancer.api.step; from enhancer import telemetry; import sys"
    tells = "print('sentry_sdk' in sys.modules)"
    where = {**aws.ENVIRONMENT, "PYTHONPATH": str(ROOT / "layers" / "common")}
    for further, dsn, loaded in (
        ("telemetry.report(RuntimeError())", "", "False"),
        ("pass", "http://public@127.0.0.1:9/7", "False"),
        ("telemetry.report(RuntimeError())", "http://public@127.0.0.1:9/7", "True"),
    ):
        command = [sys.executable, "-c", f"{loads}\n{further}\n{tells}"]
        found = subprocess.run(
            command, env={**where, "SENTRY_DSN": dsn}, check=True, capture_output=True, text=True
        )
        assert found.stdout.split()[-1] == loaded, further


def test_the_release_is_the_version_of_the_project():
    """A report names the commit that was tagged with it."""
    assert f'\nversion = "{VERSION}"\n' in (ROOT / "pyproject.toml").read_text("utf-8")


@pytest.mark.parametrize(
    "prompt", ['it\'s a "red" car of Ada', "it's\nAda's car", "back\\'s of \" Ada", "Ada " * 900]
)
def test_what_an_error_quotes_is_hidden_however_it_is_quoted(prompt):
    """A quotation mark inside is none that ends it, and a long quotation is not cut open."""
    found = hidden(f"can't take bad value {prompt!r} for size")
    assert "Ada" not in found
    assert found.startswith("can't take bad value ***")
    assert "Ada" not in hidden(f"can't take [type=too_long, input_value={prompt!r}, input_type=str]")
    assert "Ada" not in hidden(f"can't take {prompt.encode()!r}")


@pytest.mark.parametrize("text", ["a" * 400_000, "1." * 200_000, "a-" * 200_000, "x " + "Zm9v" * 100_000])
def test_a_long_error_is_told_at_once_without_what_it_is_about(text):
    """Patterns that try every place take the square of its length: a minute for a megabyte."""
    started = time.process_time()
    assert len(hidden(text)) < 20
    assert time.process_time() - started < 2
