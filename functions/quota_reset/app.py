"""Daily at 00:05 UTC: expire credits, reconcile with Stripe, audit every ledger, close the days that are over.

Usage is stored per period, so nothing is reset here despite the name. By hand: ``{"close": "2026-10-03"}`` or
``{"from": …, "to": …}`` also closes days that no daily run makes up for any more.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from enhancer import runtime
from enhancer.domain.artifacts import closing_report_key
from enhancer.domain.closings import days_asked
from enhancer.domain.periods import day_of
from enhancer.operations import quota_reset
from enhancer.telemetry import count, logger


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return what was done, counted (`DailyReport`); the report is stored in the bucket, too. Safe to repeat."""
    done = quota_reset.close(
        deps=runtime.billing_deps(keyless=True),
        notify=runtime.notify,
        days=days_asked(event, now=runtime.now()),
        invited=runtime.invited(),
    )
    report = asdict(done)
    count("LedgerDifference", len(done.differences))
    count("PaidNotGranted", len(done.found))
    count("ClosingBroken", done.broken)
    logger.info("closing", extra=report)
    key = closing_report_key(day_of(runtime.now()))
    runtime.artifacts().put(key, json.dumps(report).encode(), "application/json")
    return report
