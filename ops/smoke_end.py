"""Checks at the end: the burst, cleaning up, and what held for every answer so far."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ops.smoke_client import Failed, seconds_of
from ops.smoke_plan import Skipped, Smoke, check, expect
from ops.smoke_runs import GENERATE, JOBS

AT_ONCE = 3
BURST_MAX = 45
"""Calls within seconds that no guest may make."""


@check("burst")
def burst(smoke: Smoke) -> str:
    """Too many calls are 429 with the exact wait. The guests of this network wait a minute at most for the next run."""
    if not smoke.options.burst:
        raise Skipped("only with --burst: guests of this network are refused for seconds afterwards")
    browser = smoke.browser()
    own = browser.own_headers()
    form = {"nothing": (None, "")}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        calls = [
            pool.submit(browser.once, "POST", GENERATE, headers=own, files=form) for _ in range(BURST_MAX)
        ]
        for number, call in enumerate(calls, 1):
            answer = call.result()
            if answer.status == 429:
                pool.shutdown(wait=True, cancel_futures=True)
                answer.refused(429, "rate_limit")
                wait = answer.headers.get("Retry-After", "")
                seconds = seconds_of(wait)
                expect(seconds, f"Retry-After is {wait or 'missing'}")
                expect(answer.json().get("retryAfter") == seconds, "retryAfter and Retry-After differ")
                return f"429 at call {number}, Retry-After {wait}"
    raise Failed(f"{BURST_MAX} calls at once and none was refused with 429")


@check("cleanup")
def cleanup(smoke: Smoke) -> str:
    """Jobs of this smoke and their pictures are gone again."""
    if not smoke.jobs:
        raise Skipped("nothing was made")
    smoke.left.append("what was used of the day and the month")
    for owner, job_id in smoke.jobs:
        answer = owner.delete(f"{JOBS}/{job_id}")
        if answer.status == 409:
            owner.post(f"{JOBS}/{job_id}/cancel")
            answer = owner.delete(f"{JOBS}/{job_id}")
        if answer.status != 200:
            smoke.left.append(f"job {job_id}")
            raise Failed(f"DELETE of job {job_id} gives {answer.said}")
    if result := smoke.kept.get("result"):
        smoke.runner.get(str(result["imageUrl"])).refused(404, "not_found")
    return f"{len(smoke.jobs)} jobs deleted"


@check("headers")
def headers(smoke: Smoke) -> str:
    """Every answer so far had every security header."""
    bad = smoke.answers.without_header
    expect(not bad, f"missing or changed: {'; '.join(bad[:3])}{_more(bad)}")
    return f"on {smoke.answers.count} answers"


@check("envelope")
def envelope(smoke: Smoke) -> str:
    """Every refusal so far had the envelope, and nothing was an error of ours."""
    bad = smoke.answers.without_envelope or smoke.answers.broken
    expect(not bad, f"{'; '.join(bad[:3])}{_more(bad)}")
    return "on every refusal"


@check("leaks")
def leaks(smoke: Smoke) -> str:
    """No answer so far showed a stack trace, a path or a name of the inside."""
    bad = smoke.answers.leaking
    expect(not bad, f"{'; '.join(bad[:3])}{_more(bad)}")
    return "none"


def _more(found: list[str]) -> str:
    return f" and {len(found) - 3} more" if len(found) > 3 else ""
