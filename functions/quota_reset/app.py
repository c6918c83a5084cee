"""Daily at 00:05 UTC: expire credits, reconcile with Stripe, audit every ledger.

Quotas need no reset: the period is in the key.
"""

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
    """Return what was done, counted (`Closed`); the report is stored in the bucket, too. Safe to repeat."""
    closed = quota_reset.close(deps=runtime.billing_deps(keyless=True), notify=runtime.notify)
    report = asdict(closed)
    count("LedgerDifference", len(closed.differences))
    count("PaidNotGranted", len(closed.found))
    count("ClosingBroken", closed.broken)
    logger.info("closing", extra=report)
    key = closing_report_key(day_of(runtime.now()))
    runtime.artifacts().put(key, json.dumps(report).encode(), "application/json")
    return report
