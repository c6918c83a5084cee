"""Daily at 00:30 UTC, and on the first of a month: the cost report of the day, or the month, before.

By hand: ``{"date": "2026-11-28"}``, ``{"month": "2026-11"}``, or ``{"from": …, "to": …}`` for a report of each day. A
report replaces itself; it is announced the first time only, several at once are not. Answer: what was made.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from enhancer import runtime
from enhancer.api.report.amounts import usd
from enhancer.api.report.files import render
from enhancer.api.report.links import LINK_SECONDS, link_to
from enhancer.operations import cost_report
from enhancer.telemetry import count, logger

MICROS_PER_USD = 1_000_000
BY_HAND = {"date", "month", "from", "to"}


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Make what the event asks for; a scheduled run also makes reports again that were incomplete. Safe to repeat."""
    wanted = cost_report.asked_for(event, now=runtime.now())
    by_hand, backfill = BY_HAND & set(event), {"from", "to"} & set(event)
    done = cost_report.make(wanted, render=render, deps=_deps(), again=not by_hand, tell=not backfill)
    count("CostReportsMade", len(done.made))
    count("CostReportsIncomplete", len(done.incomplete))
    logger.info("cost report", extra=asdict(done))
    return asdict(done)


def _deps() -> cost_report.ReportDeps:
    settings = runtime.settings()
    return cost_report.ReportDeps(
        books=runtime.books(),
        spend=runtime.spend(),
        stripe=runtime.stripe_books(),
        counts=runtime.counts(),
        artifacts=runtime.artifacts(),
        sold=runtime.prices().plan_of,
        budget=settings.monthly_budget_usd * MICROS_PER_USD,
        now=runtime.now,
        link=lambda name: link_to(
            name,
            origin=settings.app_origin or settings.api_url,
            sign=runtime.signer().sign,
            now=runtime.now(),
        ),
        publish=_publish,
    )


def _publish(name: str, figures: dict[str, Any], link: str) -> None:
    lines = [
        f"{label}: {usd(figures[field])}"
        for label, field in (
            ("Earned", "earnedMicros"), ("Providers", "providerMicros"), ("AWS", "awsMicros"),
            ("Fees", "feesMicros"), ("Margin", "marginMicros"),
        )
    ]  # fmt: skip
    days = LINK_SECONDS // 86_400
    text = "\n".join(
        [
            *lines,
            f"Runs: {figures['runs']}, failed: {figures['failed']}",
            "",
            f"{link}",
            f"(good for {days} days)",
        ]
    )
    runtime.publish_report(f"Cost report {name}", text)
