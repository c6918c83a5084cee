"""One cheap read of each AWS resource that the product needs, for the deep health check; raises `PartFailed`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    HTTPClientError,
    ReadTimeoutError,
)

from enhancer.domain.health import PartFailed, Reason

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

NOBODY = {"pk": {"S": "HEALTH"}, "sk": {"S": "-"}}
"""A key that nothing is stored under."""
REFUSED = (
    "AccessDenied",
    "Forbidden",
    "NotAuthorized",
    "UnrecognizedClient",
    "InvalidSignature",
    "ExpiredToken",
)
MISSING = ("ResourceNotFound", "NotFound", "NoSuchBucket", "StateMachineDoesNotExist")
THROTTLED = (
    "Throttl",
    "TooManyRequests",
    "ProvisionedThroughputExceeded",
    "SlowDown",
    "RequestLimitExceeded",
)


def table(client: DynamoDBClient, name: str) -> None:
    """Read a record that is not there."""
    with reasons():
        client.get_item(TableName=name, Key=NOBODY, ConsistentRead=True)


def bucket(client: S3Client, name: str) -> None:
    """Ask where the bucket is; that needs no right to list its keys."""
    with reasons():
        client.get_bucket_location(Bucket=name)


def state_machine(client: SFNClient, arn: str) -> None:
    """Ask whether executions may be started."""
    with reasons():
        if client.describe_state_machine(stateMachineArn=arn)["status"] != "ACTIVE":
            raise PartFailed("not_ready")


def function(client: LambdaClient, name: str) -> None:
    """Ask whether a function can run; one that was not called for long (Inactive) wakes up by itself."""
    with reasons():
        found: dict[str, Any] = dict(client.get_function_configuration(FunctionName=name))
    state, update = found.get("State", "Active"), found.get("LastUpdateStatus", "Successful")
    if state not in ("Active", "Inactive") or update == "Failed":
        raise PartFailed("not_ready")


def secrets(read: Callable[[str], dict[str, str]], names: list[str]) -> None:
    """Read secrets as the product does; each must be a JSON object."""
    with reasons():
        for name in names:
            try:
                found = read(name)
            except ValueError:
                raise PartFailed("unreadable") from None
            if not isinstance(found, dict):
                raise PartFailed("unreadable")


@contextmanager
def reasons() -> Iterator[None]:
    """Raise `PartFailed` for every error of AWS."""
    try:
        yield
    except (ConnectTimeoutError, ReadTimeoutError):
        raise PartFailed("timeout") from None
    except ClientError as refused:
        raise PartFailed(_reason(refused)) from None
    except (HTTPClientError, BotoCoreError):
        raise PartFailed("unreachable") from None


def _reason(refused: ClientError) -> Reason:
    code = str(refused.response.get("Error", {}).get("Code", ""))
    status = refused.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if status == 403 or any(part in code for part in REFUSED):
        return "refused"
    if status == 404 or any(part in code for part in MISSING):
        return "missing"
    if status == 429 or any(part in code for part in THROTTLED):
        return "throttled"
    return "failing"
