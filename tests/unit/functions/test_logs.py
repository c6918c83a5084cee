"""What a log line may hold: one line of ASCII each, without keys; and reports that strangers send."""

import json

import pytest

from enhancer.api.page import REPORT_BYTES_MAX, REPORTS
from enhancer.telemetry import logger
from tests.support.events import CONTEXT, Answer, Browser, http_event

SECRETS = [
    ("ek_live_", "Ab3_-" * 8), ("ek_test_", "x"), ("sk_live_", "51Habc"), ("rk_test_", "1"), ("whsec_", "abcDEF12+/="),
    ("r8_", "abcdef0123"),
]  # fmt: skip
SEPARATORS = "\n\r\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e\x00"
REPORT = "/api/csp-report"


def post(apps, body, *, ip="192.0.2.9", **headers):
    return Answer(apps.web(http_event("POST", REPORT, body=body, headers=headers, ip=ip), CONTEXT))


@pytest.mark.parametrize(("kind", "rest"), SECRETS)
def test_a_key_anywhere_in_a_request_is_cut_off_in_the_log(apps, served, logs, kind, rest):
    """In a path, in a report, in the text of an exception: its kind stays, for who looks for a leak."""
    secret = kind + rest
    browser = Browser(ip="192.0.2.8")
    for path in (
        f"/api/ai-image/jobs/{secret}",
        f"/{secret}/x",
        f"/api/auth/{secret}/login",
        f"/r2-ai/{secret}",
    ):
        for app in (apps.jobs, apps.web, apps.sign_in, apps.results):
            browser.send(app, "GET", path)
    post(apps, json.dumps({"csp-report": {"document-uri": f"https://x.example/{secret}"}}))
    broken = RuntimeError(f"refused: {secret}")
    logger.error("unhandled", exc_info=broken, extra={"detail": [secret]})
    assert secret not in logs.text
    assert f"{kind}***" in logs.text


def test_every_event_is_one_line_of_ascii(apps, served, logs):
    """Whatever separates lines for whoever reads the log is escaped, and can be read back."""
    browser = Browser(ip="192.0.2.8")
    browser.send(apps.web, "GET", f"/a{SEPARATORS}b")
    post(apps, json.dumps({"csp-report": {"blocked-uri": f"a{SEPARATORS}b"}}, ensure_ascii=False))
    logger.info("text", extra={"detail": f"ü{SEPARATORS}", SEPARATORS: 1})
    assert logs.text.isascii()
    assert logs.text.count("\n") == len(logs.text.splitlines()) == len(logs.lines) == 4
    assert logs.lines[0]["path"] == f"/a{SEPARATORS}b"
    assert logs.lines[1]["blocked_uri"] == f"a{SEPARATORS}b"


def test_a_report_is_logged_in_a_few_short_fields(apps, served, logs):
    """Without query strings; fields that are not asked for are dropped."""
    report = {
        "blocked-uri": "https://x.example/a.js?token=secret",
        "document-uri": "d" * 9_000,
        "script-sample": "secret",
    }
    assert post(apps, json.dumps({"csp-report": report})).status == 204
    (line,) = (line for line in logs.lines if line["message"] == "csp")
    assert (line["blocked_uri"], len(line["document_uri"])) == ("https://x.example/a.js", 200)
    assert "secret" not in logs.text


@pytest.mark.parametrize(
    "body",
    [
        "", "[not json", "{}", "[]", '{"csp-report": 7}', '{"csp-report": [1]}', b"\xff", "[" * 10_000,
        '{"a":' + "1" * 5_000 + "}",
    ],
    ids=lambda body: repr(body)[:20],
)  # fmt: skip
def test_what_is_no_report_is_taken_and_says_nothing(apps, served, logs, body):
    """A browser gets no error, and the log no content."""
    assert post(apps, body).status == 204
    (line,) = (line for line in logs.lines if line["message"] == "csp")
    assert set(line) == {"level", "location", "message", "timestamp", "service", "requestId"}


def test_a_report_larger_than_any_browsers_is_413(apps, served):
    """Told with the limit."""
    answer = post(apps, "x" * (REPORT_BYTES_MAX + 1))
    assert (answer.status, answer.error["details"]["limit"]) == (413, REPORT_BYTES_MAX)


def test_a_network_that_floods_us_with_reports_is_429_and_no_other(apps, served, logs):
    """Counted by network, whoever reports from there and with whatever cookies; nothing more is logged."""
    statuses = [post(apps, "{}", cookie=f"guest_id=g{n}").status for n in range(REPORTS.limit + 5)]
    assert statuses == [204] * REPORTS.limit + [429] * 5
    refused = post(apps, "{}")
    assert (refused.error["code"], refused.headers["Retry-After"]) == (
        "rate_limited",
        str(refused.json["retryAfter"]),
    )
    assert refused.headers["RateLimit-Policy"] == f'"reports";q={REPORTS.limit};w=60'
    assert post(apps, "{}", ip="192.0.2.10").status == 204
    assert sum(line["message"] == "csp" for line in logs.lines) == REPORTS.limit + 1
