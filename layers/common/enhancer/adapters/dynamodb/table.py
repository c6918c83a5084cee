"""The DynamoDB table: reads, conditional writes, transactions, optimistic retries."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, cast

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from enhancer.adapters.dynamodb.keys import Key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Record = dict[str, Any]
"""An item of the table with all its attributes."""
Refusal = Callable[[Record], Exception]
"""Makes the exception for a failed condition from the stored record, {} when nothing is stored."""
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
TRIES = 10
"""Most attempts at a write that loses races; with full jitter enough for hundreds of writers of one item at once."""
BACKOFF_SECONDS = 0.02
"""The longest wait after the first attempt; it doubles with each further one."""
BACKOFF_SECONDS_MAX = 0.5
"""No wait is longer."""
PASSING = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
"""DynamoDB's reasons for a canceled transaction that pass by themselves: it is tried again."""

_serializer, _deserializer = TypeSerializer(), TypeDeserializer()


class ConditionFailed(Exception):
    """The condition of a write did not hold; ``record``: what is stored under the key, {} when nothing is."""

    def __init__(self, record: Record) -> None:
        super().__init__("condition failed")
        self.record = record


class TableBusy(Exception):
    """Every attempt lost against other writers; nothing was written. Trying again later may succeed."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write of a transaction.

    ``record``: the attributes of a Put, without the key. ``update``, ``condition``, ``values``, ``names``: DynamoDB's
    update and condition expressions with their values and names. ``refusal``: makes the exception to raise when the
    condition does not hold.
    """

    action: Literal["Put", "Update", "Delete", "ConditionCheck"]
    key: Key
    record: Record | None = None
    update: str | None = None
    condition: str | None = None
    values: Record | None = None
    names: dict[str, str] | None = None
    refusal: Refusal = ConditionFailed


def absent() -> str:
    """Return the condition that nothing is stored under the key."""
    return "attribute_not_exists(pk)"


class Table:
    """One DynamoDB table in plain Python values: integers stay integers, None is not stored."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client = client
        self._name = name

    def get(self, key: Key) -> Record | None:
        """Return the record, None where there is none. Strongly consistent."""
        answer = self._client.get_item(TableName=self._name, Key=_pack(key), ConsistentRead=True)
        return _unpack(answer["Item"]) if "Item" in answer else None

    def get_many(self, keys: Sequence[Key]) -> list[Record | None]:
        """Return the records of at most 100 keys, in their order. Strongly consistent; raises `TableBusy`."""
        wanted: list[Any] = [_pack(key) for key in keys]
        found: dict[tuple[str, str], Record] = {}
        for _ in attempts():
            request: Any = {self._name: {"Keys": wanted, "ConsistentRead": True}}
            answer = self._client.batch_get_item(RequestItems=request)
            for raw in answer["Responses"].get(self._name, []):
                record = _unpack(raw)
                found[record["pk"], record["sk"]] = record
            left: Any = answer.get("UnprocessedKeys", {})
            wanted = left.get(self._name, {}).get("Keys", [])
            if not wanted:
                break
        return [found.get((key["pk"], key["sk"])) for key in keys]

    def put(
        self,
        record: Record,
        *,
        condition: str | None = None,
        values: Record | None = None,
        names: dict[str, str] | None = None,
    ) -> None:
        """Store the record; raise `ConditionFailed` when the condition does not hold."""
        more: Any = {"ExpressionAttributeNames": names} if names else {}
        self._single(self._client.put_item, Item=_pack(record), condition=condition, values=values, **more)

    def update(
        self,
        key: Key,
        update: str,
        *,
        values: Record | None = None,
        names: dict[str, str] | None = None,
        condition: str | None = None,
        old: bool = False,
    ) -> Record:
        """Change the record and return it as it is then; raise `ConditionFailed` when the condition does not hold.

        ``old``: return it as it was before, {} if it was not there.
        """
        answer = self._single(
            self._client.update_item,
            Key=_pack(key),
            UpdateExpression=update,
            ReturnValues="ALL_OLD" if old else "ALL_NEW",
            condition=condition,
            values=values,
            **({"ExpressionAttributeNames": names} if names else {}),
        )
        return _unpack(answer.get("Attributes", {}))

    def delete(self, key: Key) -> None:
        """Remove the record if it is there."""
        self._client.delete_item(TableName=self._name, Key=_pack(key))

    def delete_if(self, key: Key, condition: str, values: Record) -> bool:
        """Remove the record if the condition holds; return whether it did."""
        try:
            self._single(self._client.delete_item, Key=_pack(key), condition=condition, values=values)
        except ConditionFailed:
            return False
        return True

    def take(self, key: Key, condition: str, values: Record) -> Record | None:
        """Remove the record if the condition holds and return it as it was; None when it does not hold."""
        try:
            answer = self._single(
                self._client.delete_item,
                Key=_pack(key),
                ReturnValues="ALL_OLD",
                condition=condition,
                values=values,
            )
        except ConditionFailed:
            return None
        return _unpack(answer["Attributes"])

    def under(
        self, pk: str, prefix: str = "", *, newest_first: bool = False, before: str | None = None
    ) -> Iterable[Record]:
        """Yield the records of a partition whose sort key starts with ``prefix``, in order of the sort key.

        ``before``: only those with a smaller sort key; for ``newest_first``.
        """
        below = " AND begins_with(sk, :prefix)" if prefix else ""
        start: Any = {"ExclusiveStartKey": _pack({"pk": pk, "sk": before})} if before else {}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            KeyConditionExpression=f"pk = :pk{below}",
            ExpressionAttributeValues=_pack({":pk": pk, **({":prefix": prefix} if prefix else {})}),
            ScanIndexForward=not newest_first,
            ConsistentRead=True,
            **start,
        )
        for page in pages:
            yield from map(_unpack, page["Items"])

    def overdue(self, shard: str, before: int) -> Iterable[Record]:
        """Yield the entries of an index partition whose time lies before ``before`` (epoch ms), the earliest first."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            IndexName="gsi1",
            KeyConditionExpression="gsi1pk = :shard AND gsi1sk < :before",
            ExpressionAttributeValues=_pack({":shard": shard, ":before": before}),
        )
        for page in pages:
            yield from map(_unpack, page["Items"])

    def everywhere(self, sk: str) -> Iterable[Record]:
        """Yield the keys of all records with this sort key, in no order; scans the whole table."""
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._name,
            FilterExpression="sk = :sk",
            ProjectionExpression="pk, sk",
            ExpressionAttributeValues=_pack({":sk": sk}),
        )
        for page in pages:
            yield from map(_unpack, page["Items"])

    def transact(self, writes: Sequence[Write]) -> None:
        """Do all writes (at most 100) or none.

        Raises the ``refusal`` of the first write, in their order, whose condition does not hold. Lost races are tried
        again (see `attempts`); raises `TableBusy` after the last.
        """
        items: Any = [{write.action: self._action(write)} for write in writes]
        for _ in attempts():
            try:
                self._client.transact_write_items(TransactItems=items)
            except self._client.exceptions.TransactionCanceledException as canceled:
                reasons: Any = canceled.response["CancellationReasons"]
                for write, reason in zip(writes, reasons, strict=True):
                    if reason["Code"] == "ConditionalCheckFailed":
                        raise write.refusal(_unpack(reason.get("Item", {}))) from None
                if not any(reason["Code"] in PASSING for reason in reasons):
                    raise
            except self._client.exceptions.TransactionInProgressException:
                pass
            else:
                return

    def _action(self, write: Write) -> Record:
        action: Record = {"TableName": self._name}
        if write.action == "Put":
            action["Item"] = _pack({**write.key, **(write.record or {})})
        else:
            action["Key"] = _pack(write.key)
        if write.update:
            action["UpdateExpression"] = write.update
        if write.condition:
            action["ConditionExpression"] = write.condition
            action["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        if write.values:
            action["ExpressionAttributeValues"] = _pack(write.values)
        if write.names:
            action["ExpressionAttributeNames"] = write.names
        return action

    def _single(
        self, call: Callable[..., Any], *, condition: str | None, values: Record | None, **arguments: Any
    ) -> Any:
        if condition:
            arguments |= {"ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        if values:
            arguments["ExpressionAttributeValues"] = _pack(values)
        try:
            return call(TableName=self._name, **arguments)
        except ClientError as refused:
            if refused.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            stored: Any = refused.response.get("Item", {})
            raise ConditionFailed(_unpack(stored)) from None


def attempts() -> Iterator[int]:
    """Yield 0, 1, 2 … for up to `TRIES` attempts, with a `pause` after each; then raise `TableBusy`.

    Leave the loop with ``break`` or ``return`` when an attempt succeeded.
    """
    for attempt in range(TRIES):
        yield attempt
        pause(attempt)
    raise TableBusy


def pause(attempt: int) -> None:
    """Sleep before the next attempt, ``attempt`` being the number of the last one, from 0.

    The longest sleep doubles with each attempt up to `BACKOFF_SECONDS_MAX`; how much of it is slept is drawn at random
    (full jitter), so that writers who lost to each other do not meet again.
    """
    time.sleep(random.uniform(0, min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS * 2**attempt)))  # noqa: S311


def retried(
    lost: type[Exception],
) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """Make a function that reads and then writes start over when its write raises ``lost``.

    ``lost`` means that what it read has changed since and that nothing was written. Tries and waits are those of
    `attempts`; raises `TableBusy` after the last.
    """

    def decorate(once: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        @wraps(once)
        def until_it_holds(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            tries = attempts()
            while True:
                next(tries)
                with suppress(lost):
                    return once(*args, **kwargs)

        return until_it_holds

    return decorate


def _pack(record: Record) -> dict[str, Any]:
    return {name: _serializer.serialize(_exact(value)) for name, value in record.items() if value is not None}


def _unpack(raw: dict[str, Any]) -> Record:
    return {name: _plain(_deserializer.deserialize(value)) for name, value in raw.items()}


def _exact(value: Any) -> Any:
    """Return a value as boto3 takes it: floats as the decimal they print as, because it refuses floats."""
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, dict):
        return {name: _exact(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_exact(inner) for inner in value]
    return value


def known(kind: Callable[..., Result], record: Record, **read: Any) -> Result:
    """Return a record as a ``kind`` of ours; ``read`` are the fields that are no plain values.

    A field that we do not know is left out: a later release may have written it, which answers beside us while it is
    deployed, or has been taken back. One that is missing has its default.
    """
    found = {one.name: record[one.name] for one in fields(cast(Any, kind)) if one.name in record}
    return kind(**{**found, **read})


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value
