"""Writes ``events/``: the example events that are kept as files, and a README that says what each is answered with.

``python -m tests.support.make_events`` after a change of a case or of `FILES`. All other cases are made in the tests.
"""

from __future__ import annotations

from tests.support.event_cases import CASES, Case
from tests.support.template import ROOT

FOLDER = ROOT / "events"
FILES = (
    "account.keys",
    "admin.flags",
    "billing.credits",
    "billing.prices",
    "cost_report.day",
    "cost_report.every-day",
    "cost_report.every-month",
    "debug_login.pro",
    "export.nobody",
    "finish_item.missing-job",
    "finish_job.missing-job",
    "generate.all-options",
    "generate.async",
    "generate.guest",
    "generate.missing-csrf-header",
    "generate.scale-beyond-plan",
    "generate.text-named-png",
    "health.cheap",
    "jobs.by-url",
    "jobs.list",
    "jobs.more-than-a-day",
    "jobs.photo",
    "poll_prediction.missing-job",
    "provider_webhook.recorded",
    "quota_reset.every-day",
    "results.original",
    "results.signed-own",
    "results.stranger",
    "sign_in.me",
    "sign_in.unknown-key",
    "start_prediction.missing-job",
    "stripe_webhook.recorded",
    "sweep.every-minute",
    "uploads.photo",
    "uploads.too-large",
    "upscale.photo",
    "usage.models",
    "usage.new-guest",
    "usage.quote",
    "web.start",
)
"""The cases that are written: a good one of each function, and the mistakes and variations that tell most."""
PATH_MAX = 46
README = """\
# Example events

Complete Lambda events for `sam local invoke Usage -e events/usage.new-guest.json`. A file is named after the function
that receives it, and its case. They are written by `python -m tests.support.make_events`; the tests make these and all
other cases of `tests/support/event_cases/` in memory and send each to its function.

Cookies of guests are signed with the tests' key. Webhooks are refused because they were signed too long ago; with the
clock set back to that moment they are accepted.

| file | request | answered with |
|---|---|---|
"""


def files() -> dict[str, str]:
    """File name -> content of everything in the folder."""
    kept = [CASES[name] for name in FILES]
    rows = [f"| `{case.name}.json` | {_request(case)} | {case.outcome} |\n" for case in kept]
    readme = README + "".join(rows)
    return {f"{case.name}.json": case.text for case in kept} | {"README.md": readme}


def _request(case: Case) -> str:
    """Method and path, a long one cut."""
    if "rawPath" not in case.event:
        return "direct call"
    method, path = case.event["requestContext"]["http"]["method"], case.event["rawPath"]
    return f"`{method} {path if len(path) <= PATH_MAX else path[:PATH_MAX] + '…'}`"


def main() -> None:
    """Write the folder anew."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    for name, content in files().items():
        (FOLDER / name).write_text(content, "utf-8")


if __name__ == "__main__":
    main()
