"""Every day: credits expire, Stripe is asked what we missed, the books are added up. It makes no quota possible."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from enhancer import runtime
from enhancer.domain.artifacts import closing_report_key
from enhancer.domain.periods import day_of
from enhancer.operations import quota_reset
from enhancer.telemetry import count, logger


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return what was done, counted; it is kept in the bucket too. Safe to repeat."""
    closed = quota_reset.close(deps=runtime.billing_deps(keyless=True), notify=runtime.notify)
    report = asdict(closed)
    count("LedgerDifference", len(closed.differences))
    count("PaidNotGranted", len(closed.found))
    count("ClosingBroken", closed.broken)
    logger.info("closing", extra=report)
    key = closing_report_key(day_of(runtime.now()))
    runtime.artifacts().put(key, json.dumps(report).encode(), "application/json")
    return report
