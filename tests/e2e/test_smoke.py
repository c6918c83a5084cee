"""The smoke on the running stack: all fine as guest and as user, and a line of its own for every broken promise."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from local.stack import LocalStack
from ops import smoke, smoke_client
from tests.e2e.deployed import PATIENCE_SECONDS
from tests.e2e.people import member
from tests.e2e.smoke_breaks import CASES, Case, said
from tests.support.breaking_proxy import Asked, Break, Said, breaking
from tests.support.client import Client

_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No keys, whatever the shell has; and time for a machine that is busy."""
    for name in ("KEY", "ADMIN_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(smoke_client, "ANSWER_SECONDS", PATIENCE_SECONDS)


def smoked(
    stack: LocalStack, capsys: pytest.CaptureFixture[str], how: Break, *arguments: str
) -> tuple[int, dict[str, tuple[str, str]], dict[str, Any]]:
    """Run the smoke through a proxy in a network of its own: exit code, word and detail by check, whole report."""
    with breaking(stack.url, how, address=f"127.8.0.{next(_numbers)}") as url:
        capsys.readouterr()
        code = smoke.main([url, "--json", "--deadline", "900", *arguments])
    report = json.loads(capsys.readouterr().out)
    return code, {one["name"]: (one["word"], one["detail"]) for one in report["checks"]}, report


def test_everything_is_fine_for_a_guest(stack: LocalStack, capsys: pytest.CaptureFixture[str]) -> None:
    """Every check but the one that was not asked for; it says what it spent and cleans up after itself."""
    code, lines, report = smoked(stack, capsys, Break())
    bad = {name: found for name, found in lines.items() if found[0] != "ok"}
    assert (code, bad.keys()) == (0, {"burst"}), bad
    assert report["spent"]["images"] == report["spent"]["credits"] in (4, 5)  # 5: one ended before its cancel
    assert lines["cleanup"] == ("ok", "4 jobs deleted")
    assert "what was used of the day and the month" in report["leftBehind"]


def test_everything_is_fine_for_a_user_and_an_administrator(
    stack: LocalStack,
    fresh_client: Callable[[], Client],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By their keys, the burst and the deep health check included; nothing of theirs is left but what was used."""
    user = member(fresh_client, "pro")
    boss = member(fresh_client, "pro", role="admin")
    monkeypatch.setenv("KEY", user.new_key()["secret"])
    monkeypatch.setenv("ADMIN_KEY", boss.new_key("read")["secret"])
    code, lines, report = smoked(stack, capsys, Break(), "--burst")
    assert (code, {name: found for name, found in lines.items() if found[0] != "ok"}) == (0, {})
    assert "8 fine" in lines["deep-health"][1]
    assert lines["admin"][1] == "guest and API key refused"
    used = user.client.usage()
    spent = report["spent"]
    assert (used["usage"]["used"], used["monthlyUsage"]["used"]) == (spent["images"], spent["credits"])
    assert user.client.get("/api/ai-image/jobs").json()["data"]["jobs"] == []


def test_a_provider_that_hangs_fails_alone_in_the_deep_health_check(
    stack: LocalStack, fresh_client: Callable[[], Client]
) -> None:
    """Deployed, with all its rights: 503 with the same body, within seconds; the cheap form is as it was."""
    boss = member(fresh_client, "pro", role="admin").program("read")
    control = f"{stack.providers.replicate_url}/_ctl"
    fault = {"route": "account", "fault": "hang", "seconds": 60, "times": 10}
    assert requests.post(f"{control}/script", json=fault, timeout=60).ok
    for _ in range(5):  # a busy machine may be late with another part, too
        answer = boss.call("GET", "/api/health?deep=1")
        rows = {one["name"]: one["reason"] for one in answer.json()["data"]["checks"]}
        assert (answer.status_code, rows.pop("replicate")) == (503, "timeout"), rows
        if set(rows.values()) == {None}:
            break
    assert requests.post(f"{control}/reset", timeout=60).ok
    assert set(rows.values()) == {None}, rows
    assert boss.call("GET", "/api/health").json()["data"] == {"status": "ok", "checks": []}


@pytest.mark.parametrize("name", CASES)
def test_a_broken_promise_has_a_line_of_its_own(
    name: str, stack: LocalStack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and the line says what is broken; what does not depend on it goes on."""
    case: Case = CASES[name]
    code, lines, _ = smoked(stack, capsys, case.how, "--only", case.only, *case.more)
    word, detail = lines[case.line]
    assert (code, word) == (1, "FAIL"), lines
    assert case.says in detail


def test_a_deployment_without_debug_login_is_fine_in_production(
    stack: LocalStack, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is not deployed is not found."""

    def hidden(asked: Asked) -> Said | None:
        if "debug-login" in asked.path:
            asked.path = "/api/nowhere"
        return None

    arguments = ("--only", "debug-login", "--environment", "production")
    code, lines, _ = smoked(stack, capsys, Break(before=hidden), *arguments)
    assert (code, lines["debug-login"]) == (0, ("ok", "absent"))


def test_a_guest_whom_the_phase_refuses_is_the_expected_outcome(
    stack: LocalStack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Usage says so before, and the refusal leads on; checks of results are skipped, and say why."""
    access = {
        "phase": "I1",
        "cohort": "C3",
        "admitted": False,
        "needs": "sign_in",
        "upgradeUrl": "/en/pricing",
    }
    error = {"type": "forbidden", "code": "not_in_cohort", "message": "Not yet.", "details": access}

    def refuse(asked: Asked) -> Said | None:
        if "/generate" not in asked.path:
            return None
        return said(403, {"success": False, "error": error, "requestId": "x"})

    def tell(asked: Asked, found: Said) -> None:
        if "/usage" in asked.path and found.status == 200:
            body = json.loads(found.body)
            body["data"]["access"] = access | {"paused": False}
            found.body = json.dumps(body).encode()

    code, lines, _ = smoked(stack, capsys, Break(refuse, tell), "--only", "generate,result-owner,job")
    assert code == 0
    assert lines["generate"] == ("ok", "refused as expected: the guest is not admitted in phase I1")
    assert lines["job"] == ("skip", f"no run: {lines['generate'][1]}")


def test_a_day_that_is_used_up_cannot_be_checked(
    stack: LocalStack, capsys: pytest.CaptureFixture[str]
) -> None:
    """That is no failure of the deployment and no success either: exit code 2, and the wait is told."""
    error = {"type": "rate_limit", "code": "daily_quota_exceeded", "message": "Tomorrow."}

    def used_up(asked: Asked) -> Said | None:
        if "/generate" not in asked.path:
            return None
        body = {"success": False, "error": error, "requestId": "x", "retryAfter": 3600}
        return said(429, body, Retry_After="3600")

    started = time.monotonic()
    code, lines, _ = smoked(stack, capsys, Break(before=used_up), "--only", "generate")
    assert (code, lines["generate"][0]) == (2, "skip")
    assert "daily_quota_exceeded" in lines["generate"][1]
    assert "Retry-After 3600" in lines["generate"][1]
    assert time.monotonic() - started < 600


def test_nobody_there_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    """With the address that was asked."""
    assert smoke.main(["http://127.0.0.1:9"]) == 2
    assert "Nothing answers at http://127.0.0.1:9" in capsys.readouterr().err
