"""What is left of what was earned, by model and by plan, to the micro.

Earned is what subscriptions earned in these days and what the bought credits were worth that were spent. A plan's
share goes to the models that its owners ran, by the credits they were charged, so the parts add up to the whole. What
cannot be attributed has a line of its own: plans nobody used, credits that lapsed, fees of Stripe.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from enhancer.domain.aws_usage import aws_of
from enhancer.domain.costs import SpendRow
from enhancer.domain.money import MICROS_PER_CENT, share

OTHER = "not attributed"
"""The line of what belongs to no model or plan."""


def margins(
    rows: Sequence[SpendRow], earned: dict[str, Any], used: dict[str, int], *, fees: int
) -> dict[str, list[dict[str, Any]]]:
    """Return the margin by model and by plan, USD micros, each with runs and the margin per run.

    ``earned``: cents, ``subscriptions`` by plan, and ``lapsed``. ``used``: worth of the credits spent, cents by plan.
    ``fees``: of Stripe, micros.
    """
    plans, models = _costs(rows, "plan"), _costs(rows, "model")
    left = earned["lapsed"] * MICROS_PER_CENT
    for plan, cents in earned["subscriptions"].items():
        _earn(plans, plan, cents * MICROS_PER_CENT)
        left += _spread(models, rows, plan, cents * MICROS_PER_CENT, "plan_tenths")
    for plan, cents in used.items():
        _earn(plans, plan, cents * MICROS_PER_CENT)
        left += _spread(models, rows, plan, cents * MICROS_PER_CENT, "credit_tenths")
    _earn(plans, OTHER, earned["lapsed"] * MICROS_PER_CENT)
    _earn(models, OTHER, left)
    for found in (plans, models):
        found[OTHER]["feesMicros"] = fees
    return {"byModel": _finished(models), "byPlan": _finished(plans)}


def _costs(rows: Sequence[SpendRow], name: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        into = _line(found, getattr(row, name))
        into["runs"] += row.runs
        into["aws" if row.provider == "embedded" else "provider"] += row.sums.micros
        into["aws"] += sum(aws_of(row).values())
    return found


def _line(found: dict[str, dict[str, int]], name: str) -> dict[str, int]:
    return found.setdefault(name, dict.fromkeys(("runs", "earned", "provider", "aws", "feesMicros"), 0))


def _earn(found: dict[str, dict[str, int]], name: str, micros: int) -> None:
    _line(found, name)["earned"] += micros


def _spread(
    models: dict[str, dict[str, int]], rows: Sequence[SpendRow], plan: str, micros: int, weight: str
) -> int:
    """Give an amount to the models by what the plan's owners were charged; return what no model gets."""
    weights: dict[str, int] = {}
    for row in rows:
        if row.plan == plan:
            weights[row.model] = weights.get(row.model, 0) + getattr(row.sums, weight)
    parts = share(micros, weights)
    for model, part in parts.items():
        _earn(models, model, part)
    return micros - sum(parts.values())


def _finished(found: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
    lines = []
    for name, sums in sorted(found.items(), key=lambda one: (one[0] == OTHER, one[0])):
        margin = sums["earned"] - sums["provider"] - sums["aws"] - sums["feesMicros"]
        lines.append(
            {
                "name": name,
                "runs": sums["runs"],
                "earnedMicros": sums["earned"],
                "providerMicros": sums["provider"],
                "awsMicros": sums["aws"],
                "feesMicros": sums["feesMicros"],
                "marginMicros": margin,
                "marginPerRunMicros": round(margin / sums["runs"]) if sums["runs"] else None,
            }
        )
    return lines
