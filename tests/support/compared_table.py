"""A table that asks moto and the table in memory the same and compares: answers, refusals and what is stored after."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from enhancer.adapters.dynamodb.table import Record, Table, Write
from tests.support import aws
from tests.support.memory_table import InvalidRequest, MemoryTable

LISTS = ("under", "overdue", "everywhere")
INVALID = "refused as invalid"
CODES = ("ValidationException", "TransactionCanceledException")
"""How DynamoDB says that an expression is none, or does not fit what is stored."""


class ComparedTable:
    """Speaks like `enhancer.adapters.dynamodb.table.Table`, with the answers of moto.

    Before each call the table in memory is filled with what moto holds of the records that the call is about, so that
    a test may also write past this one.
    """

    def __init__(self, real: Table) -> None:
        self._real = real
        self.compared = 0
        """Calls that both answered alike."""

    @staticmethod
    def records() -> list[Record]:
        """Everything there is."""
        return aws.records()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self._both, name)

    def _both(self, name: str, *given: Any, **named: Any) -> Any:
        keys, memory = _keys(given[0]), MemoryTable()
        for record in aws.records(keys):
            memory.stored.setdefault(record["pk"], {})[record["sk"]] = record
        real, answer = _outcome(lambda: _listed(name, getattr(self._real, name)(*given, **named)))
        mine, _ = _outcome(lambda: _listed(name, getattr(memory, name)(*given, **named)))
        assert mine == real, f"{name} of {given}: {mine} in memory, {real} in DynamoDB"
        held = _sorted(aws.records(keys))
        assert _sorted(memory.records()) == held, f"after {name} of {given}"
        self.compared += 1
        if isinstance(answer, BaseException):
            raise answer
        return iter(answer) if name in LISTS else answer


def _keys(subject: Any) -> list[Record] | None:
    """The keys of the records that a call is about, by its first argument; None for any."""
    if isinstance(subject, str):
        return None
    parts = [subject] if isinstance(subject, dict) else subject
    return [part.key if isinstance(part, Write) else part for part in parts]


def _listed(name: str, answer: Any) -> Any:
    """The answer; records that come in no order, sorted."""
    if name not in LISTS:
        return answer
    return list(answer) if name == "under" else _sorted(answer)


def _outcome(ask: Callable[[], Any]) -> tuple[Any, Any]:
    """What came of it, to be compared, and the answer or the exception itself."""
    try:
        answer = ask()
    except (InvalidRequest, ParamValidationError, ArithmeticError, LookupError, TypeError) as invalid:
        return INVALID, invalid
    except ClientError as refused:
        code = refused.response["Error"]["Code"]
        return INVALID if code in CODES else code, refused
    except Exception as refused:  # noqa: BLE001 - any that a write gives as its refusal
        return (type(refused), refused.args, vars(refused)), refused
    return answer, answer


def _sorted(records: Iterable[Record]) -> list[Record]:
    return sorted(records, key=lambda record: (record.get("gsi1sk", 0), record["pk"], record["sk"]))
