"""Cases without a browser behind them: Replicate's webhook, schedules, steps of the state machine, direct calls."""

from __future__ import annotations

import json
from typing import Any

from enhancer.adapters.signing import Signer
from enhancer.jobs.callbacks import PATH, PURPOSE
from tests.support.aws import SIGNING_KEY
from tests.support.callbacks import FOREIGN_SECRET, OLD_SECRET, RECORDED_AT, WEBHOOK_SECRET, signed
from tests.support.event_cases.builder import GUEST, MISSING_JOB, ORIGINAL, RESULT, TEXT, Cases


def provider_webhook(add: Cases) -> None:
    """Webhooks of Replicate about a job that does not exist; the ``recorded`` ones are good at `RECORDED_AT`."""
    name = f"{GUEST.type}.{GUEST.id}.{MISSING_JOB}.1.0.0"
    path, route = f"{PATH}{Signer([SIGNING_KEY]).sign(PURPOSE, name)}", f"ANY {PATH}{{ref}}"
    body = json.dumps(
        {"id": "prediction", "status": "succeeded", "output": "https://replicate.delivery/x.png"}
    )
    good = signed(body.encode(), WEBHOOK_SECRET, at=RECORDED_AT)
    bare = {header: value for header, value in good.items() if header != "webhook-signature"}

    def call(name: str, status: int, headers: dict[str, str], *, where: str = path, **more: Any) -> None:
        sent = {"content-type": "application/json", **headers}
        add.http(name, status, "POST", where, route=route, headers=sent, **({"body": body} | more))

    call("provider_webhook.recorded", 400, good)
    call("provider_webhook.recorded-previous-secret", 400, signed(body.encode(), OLD_SECRET, at=RECORDED_AT))
    call("provider_webhook.recorded-forged-path", 400, good, where=path.replace(".1.0.0.", ".1.1.0."))
    call("provider_webhook.recorded-other-body", 400, good, body=body.replace("prediction", "another"))
    call(
        "provider_webhook.recorded-foreign-secret", 400, signed(body.encode(), FOREIGN_SECRET, at=RECORDED_AT)
    )
    call("provider_webhook.recorded-list", 400, signed(b"[]", WEBHOOK_SECRET, at=RECORDED_AT), body="[]")
    call("provider_webhook.unsigned", 400, {})
    call("provider_webhook.without-signature", 400, bare)
    add.http("provider_webhook.get", 405, "GET", path, route=route)


def export_upscale_and_schedules(add: Cases) -> None:
    """An export and upscales, as other functions ask for them, and what the schedules send."""
    add.direct("export.nobody", "returns", {"userId": "0" * 26, "askedAt": 1795176000000})
    asked = {
        "source": ORIGINAL,
        "target": RESULT.replace("0123", "9999"),
        "model": "local/photo",
        "scale": 2,
        "quality": "standard",
    }
    missing = TEXT.replace("notes", "missing")
    add.direct("upscale.photo", "returns", asked | {"format": "png"})
    add.direct("upscale.four-times-webp", "returns", asked | {"scale": 4, "format": "webp"})
    add.direct("upscale.text", "ImageFormatUnsupported", asked | {"source": TEXT, "format": "png"})
    add.direct("upscale.missing", "NoArtifact", asked | {"source": missing, "format": "png"})
    job = {"ownerType": GUEST.type, "ownerId": GUEST.id, "jobId": MISSING_JOB, "attempt": 1, "item": 0}
    failing = asked | {"source": TEXT, "format": "png", "job": job}
    add.direct("upscale.text-for-a-job", "ImageFormatUnsupported", failing)
    scheduled = {
        "version": "0",
        "id": "11111111-2222-4333-8444-555555555555",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": "123456789012",
        "time": "2026-11-20T12:00:00Z",
        "region": "eu-central-1",
        "resources": ["arn:aws:scheduler:eu-central-1:123456789012:schedule/default/sweep"],
        "detail": "{}",
    }
    add.direct("sweep.every-minute", "returns", scheduled)
    daily = {
        "time": "2026-11-20T00:05:00Z",
        "resources": [scheduled["resources"][0].replace("sweep", "quota-reset")],
    }
    add.direct("quota_reset.every-day", "returns", scheduled | daily)
    add.direct("quota_reset.by-hand", "returns", {"from": "2026-11-17", "to": "2026-11-18"})
    add.direct("quota_reset.day-to-come", "ValueError", {"close": "2199-01-01"})
    report = {
        "time": "2026-11-20T00:30:00Z",
        "resources": [scheduled["resources"][0].replace("sweep", "cost-report")],
    }
    add.direct("cost_report.every-day", "returns", scheduled | report)
    add.direct("cost_report.every-month", "returns", {"due": "month"})
    add.direct("cost_report.day", "returns", {"date": "2026-11-18"})
    add.direct("cost_report.month", "returns", {"month": "2026-10"})
    add.direct("cost_report.no-day", "ValueError", {"date": "yesterday"})


def steps(add: Cases) -> None:
    """Steps of a job that does not exist: nothing to start or to poll, and an end that changes nothing."""
    job = {"ownerType": GUEST.type, "ownerId": GUEST.id, "jobId": MISSING_JOB, "attempt": 1}
    item = job | {"item": 0, "turn": 0}
    add.direct("start_prediction.missing-job", "StaleAttempt", item | {"token": "token"})
    add.direct("start_prediction.late-attempt", "StaleAttempt", item | {"attempt": 9, "token": "t"})
    add.direct("poll_prediction.missing-job", "StaleAttempt", item)
    add.direct("finish_item.missing-job", "returns", item | {"error": None})
    add.direct("finish_item.missing-job-with-error", "returns", item | {"error": "ProviderTimeout"})
    add.direct("finish_job.missing-job", "returns", job)
