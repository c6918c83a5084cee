"""What AWS asks for what a month of the product uses: list prices, each with its unit, source and date.

Prices of US East (N. Virginia), without free allowances and discounts, because an account may have used them up. Other
regions ask up to a quarter more (`DEAREST_REGION`); Frankfurt, for example, asks more for logs, tables and the API.
"""

from __future__ import annotations

from dataclasses import dataclass

DATED = "2026-11-20"
"""When the prices were last compared with the pages they come from."""
DEAREST_REGION = 1.25
"""What a month costs at most in another region of Europe or North America, compared with US East."""
GIB = 1024**3


@dataclass(frozen=True, slots=True)
class ListPrice:
    """``usd`` for so many (``per``) of a ``unit``; ``source``: the page of AWS that says so."""

    usd: float
    per: float
    unit: str
    source: str

    def of(self, amount: float) -> float:
        """Return what so many units cost, in USD."""
        return amount * self.usd / self.per


_LAMBDA, _GATEWAY = "aws.amazon.com/lambda/pricing", "aws.amazon.com/api-gateway/pricing"
_TABLE, _BUCKET = "aws.amazon.com/dynamodb/pricing/on-demand", "aws.amazon.com/s3/pricing"
_STATES, _WATCH = "aws.amazon.com/step-functions/pricing", "aws.amazon.com/cloudwatch/pricing"
_SECRETS, _TOPICS = "aws.amazon.com/secrets-manager/pricing", "aws.amazon.com/sns/pricing"
_QUEUES, _CLOCK = "aws.amazon.com/sqs/pricing", "aws.amazon.com/eventbridge/pricing"
_EDGE, _WALL, _OUT = (
    "aws.amazon.com/cloudfront/pricing",
    "aws.amazon.com/waf/pricing",
    "aws.amazon.com/ec2/pricing/on-demand",
)

AWS_PRICES: dict[str, ListPrice] = {
    "lambda.gb_second": ListPrice(0.0000166667, 1, "GB second, x86_64", _LAMBDA),
    "lambda.gb_second.arm64": ListPrice(0.0000133334, 1, "GB second, arm64", _LAMBDA),
    "lambda.request": ListPrice(0.20, 1e6, "invocation", _LAMBDA),
    "api.request": ListPrice(1.00, 1e6, "request to an HTTP API, of 512 KB at most", _GATEWAY),
    "dynamodb.write": ListPrice(0.625, 1e6, "write request unit, of 1 KB", _TABLE),
    "dynamodb.read": ListPrice(0.125, 1e6, "read request unit, of 4 KB", _TABLE),
    "dynamodb.gb_month": ListPrice(0.25, 1, "GB stored for a month", _TABLE),
    "dynamodb.backup_gb_month": ListPrice(0.20, 1, "GB kept restorable to any second for a month", _TABLE),
    "dynamodb.restore_gb": ListPrice(0.15, 1, "GB restored", _TABLE),
    "s3.gb_month": ListPrice(0.023, 1, "GB stored for a month", _BUCKET),
    "s3.put": ListPrice(0.005, 1e3, "PUT, COPY, POST or LIST", _BUCKET),
    "s3.get": ListPrice(0.0004, 1e3, "GET or HEAD", _BUCKET),
    "states.transition": ListPrice(0.025, 1e3, "state transition of a Standard workflow", _STATES),
    "logs.gb": ListPrice(0.50, 1, "GB of log lines taken in", _WATCH),
    "logs.gb_month": ListPrice(0.03, 1, "GB of log lines kept for a month", _WATCH),
    "metrics.metric": ListPrice(0.30, 1, "custom metric a month, for each set of dimensions", _WATCH),
    "metrics.alarm": ListPrice(0.10, 1, "metric that an alarm looks at, a month", _WATCH),
    "metrics.dashboard": ListPrice(3.00, 1, "dashboard a month", _WATCH),
    "metrics.read": ListPrice(0.01, 1e3, "metric read by GetMetricData", _WATCH),
    "secrets.secret": ListPrice(0.40, 1, "secret a month", _SECRETS),
    "secrets.read": ListPrice(0.05, 1e4, "call", _SECRETS),
    "sns.publish": ListPrice(0.50, 1e6, "message published", _TOPICS),
    "sns.email": ListPrice(2.00, 1e5, "e-mail delivered", _TOPICS),
    "sqs.request": ListPrice(0.40, 1e6, "request to a queue", _QUEUES),
    "scheduler.run": ListPrice(1.00, 1e6, "run of a schedule", _CLOCK),
    "transfer.out_gb": ListPrice(0.09, 1, "GB sent to the internet, the first 10 TB of a month", _OUT),
    "cloudfront.out_gb": ListPrice(0.085, 1, "GB sent by CloudFront, the first 10 TB of a month", _EDGE),
    "cloudfront.request": ListPrice(0.01, 1e4, "HTTPS request to CloudFront", _EDGE),
    "waf.acl": ListPrice(5.00, 1, "web ACL a month", _WALL),
    "waf.rule": ListPrice(1.00, 1, "rule a month", _WALL),
    "waf.request": ListPrice(0.60, 1e6, "request looked at", _WALL),
}
"""By service and what is counted."""


def aws_cost(name: str, amount: float) -> float:
    """Return what so much of something costs, in USD; ``name`` as in `AWS_PRICES`."""
    return AWS_PRICES[name].of(amount)
