"""Every request to DynamoDB that a test makes on moto, held to rules that DynamoDB enforces and moto only in part."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

from botocore.client import BaseClient
from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

EXPRESSIONS = (
    "UpdateExpression", "ConditionExpression", "KeyConditionExpression", "FilterExpression", "ProjectionExpression",
)  # fmt: skip
GRAMMAR = {
    "SET", "REMOVE", "ADD", "DELETE", "AND", "OR", "NOT", "BETWEEN", "IN", "attribute_exists", "attribute_not_exists",
    "attribute_type", "begins_with", "contains", "size", "if_not_exists", "list_append",
}  # fmt: skip
RESERVED = frozenset(ReservedKeywords.get_reserved_keywords())
ITEMS_MAX = 100


class Refused(AssertionError):
    """DynamoDB would answer with a ValidationException, whatever is stored."""


@contextmanager
def held_to_the_rules() -> Iterator[None]:
    """Check every DynamoDB request before it is sent."""
    send = BaseClient._make_api_call  # type: ignore[attr-defined]

    def checked(client: BaseClient, operation: str, request: dict[str, Any]) -> Any:
        if client.meta.service_model.service_name == "dynamodb":
            check(operation, request)
        return send(client, operation, request)

    with mock.patch.object(BaseClient, "_make_api_call", checked):
        yield


def check(operation: str, request: Mapping[str, Any]) -> None:
    """Raise `Refused` for what DynamoDB does not take."""
    _check_expressions(request)
    if operation == "TransactWriteItems":
        writes = [one for action in request["TransactItems"] for one in action.values()]
        _once([one.get("Key") or {name: one["Item"][name] for name in ("pk", "sk")} for one in writes])
        for one in writes:
            _check_expressions(one)
    if operation == "BatchGetItem":
        for wanted in request["RequestItems"].values():
            _once(wanted["Keys"])


def _once(keys: list[dict[str, Any]]) -> None:
    """No item twice in one request, and no more than fit into one."""
    distinct = {json.dumps(key, sort_keys=True) for key in keys}
    if not len(distinct) == len(keys) <= ITEMS_MAX:
        raise Refused(f"{len(keys)} items, {len(distinct)} of them different: {keys}")


def _check_expressions(request: Mapping[str, Any]) -> None:
    """No reserved word, no place-holder without a value and none that is not used, no empty set."""
    text = " , ".join(request[name] for name in EXPRESSIONS if name in request)
    for sign, field in ((":", "ExpressionAttributeValues"), ("#", "ExpressionAttributeNames")):
        used, given = set(re.findall(rf"{sign}\w+", text)), set(request.get(field, {}))
        if used != given:
            raise Refused(f"{field}: {sorted(used ^ given)} in {text}")
    words = {word for word in re.findall(r"(?<![:#\w])[A-Za-z_]\w*", text) if word not in GRAMMAR}
    if bad := {word for word in words if word.upper() in RESERVED}:
        raise Refused(f"reserved words {sorted(bad)} in {text}")
    if [] in [value.get("SS") for value in request.get("ExpressionAttributeValues", {}).values()]:
        raise Refused(f"an empty set in {text}")
