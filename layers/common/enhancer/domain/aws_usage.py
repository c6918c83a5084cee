"""What a run makes AWS count, and what that costs: a model of this product, in USD micros.

The time of functions comes from the runs themselves (`enhancer.domain.costs.RunFigures`); requests per run are those
that the code makes for one image, counted once (`DATED`). Prices: `enhancer.domain.aws_prices`. What does not depend on
runs, such as storage, logs and alarms, is in the monthly bill alone.
"""

from __future__ import annotations

from enhancer.domain.aws_prices import aws_cost
from enhancer.domain.costs import SpendRow

DATED = "2026-11-29"
"""When the requests per run were last counted."""
HANDLER_GB = 1769 / 1024
"""Memory of the functions that decode pictures, in GB."""
STEP_SECONDS = 1.2
"""What the steps of an item take together, without the model."""
IN_REQUEST = {
    "lambda.request": 1,
    "api.request": 1,
    "dynamodb.write": 34,
    "dynamodb.read": 9,
    "s3.put": 2,
    "s3.get": 2,
}
"""What an image counts that is enhanced within a request."""
IN_STEPS = {
    "lambda.request": 4, "api.request": 2, "dynamodb.write": 46, "dynamodb.read": 22, "s3.put": 2, "s3.get": 4,
    "states.transition": 7,
}  # fmt: skip
"""What an image counts that the state machine runs."""
SERVICES = {
    "lambda": "Lambda", "api": "API Gateway", "dynamodb": "DynamoDB", "s3": "S3", "states": "Step Functions",
}  # fmt: skip
"""Names of the services, by the first part of a price's name."""


def aws_of(row: SpendRow) -> dict[str, int]:
    """Return what AWS asks for the runs of a row, USD micros by service, without the embedded model's own function."""
    in_steps, in_request = row.sums.in_steps, row.runs - row.sums.in_steps
    counts: dict[str, float] = {}
    for name, per_run, runs in [
        *((name, number, in_request) for name, number in IN_REQUEST.items()),
        *((name, number, in_steps) for name, number in IN_STEPS.items()),
    ]:
        counts[name] = counts.get(name, 0) + per_run * runs
    seconds = row.sums.waited_ms / 1000 + in_steps * STEP_SECONDS
    counts["lambda.gb_second"] = seconds * HANDLER_GB
    usd: dict[str, float] = {}
    for name, amount in counts.items():
        service = SERVICES[name.partition(".")[0]]
        usd[service] = usd.get(service, 0) + aws_cost(name, amount)
    return {service: round(cost * 1_000_000) for service, cost in usd.items()}
