"""The table in a dictionary: answers like DynamoDB to the expressions the product writes, a hundred times faster.

For thousands of random lives. `tests/unit/support/test_memory_table.py` compares it with moto, operation by operation.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

from enhancer.adapters.dynamodb.keys import Key
from enhancer.adapters.dynamodb.table import ConditionFailed, Record, Write

Item = dict[str, Any]
Values = dict[str, Any]
Names = dict[str, str]
Test = Callable[[Item, Values, Names], Any]

_TOKEN = re.compile(r"\s*(<>|<=|>=|[=<>(),+-]|:\w+|[#\w][\w#.\[\]]*)")
_COMPARE = {
    "=": operator.eq, "<>": operator.ne, "<": operator.lt,
    "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_MISSING = object()


class MemoryTable:
    """Speaks like `enhancer.adapters.dynamodb.table.Table`."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Item]] = {}

    def get(self, key: Key) -> Record | None:
        """The record."""
        found = self.records.get(key["pk"], {}).get(key["sk"])
        return copied(found) if found is not None else None

    def get_many(self, keys: Sequence[Key]) -> list[Record | None]:
        """The records, in this order."""
        return [self.get(key) for key in keys]

    def put(
        self,
        record: Record,
        *,
        condition: str | None = None,
        values: Values | None = None,
        names: Names | None = None,
    ) -> None:
        """Store it, if the condition holds."""
        self._check(record, condition, values, names)
        self._store(record, normal(record))

    def update(
        self,
        key: Key,
        update: str,
        *,
        values: Values | None = None,
        names: Names | None = None,
        condition: str | None = None,
    ) -> Record:
        """Change it, if the condition holds."""
        self._check(key, condition, values, names)
        return copied(self._updated(key, update, values, names))

    def delete(self, key: Key) -> None:
        """Remove it."""
        self.records.get(key["pk"], {}).pop(key["sk"], None)

    def under(
        self, pk: str, prefix: str = "", *, newest_first: bool = False, before: str | None = None
    ) -> Iterable[Record]:
        """What a partition has under a prefix."""
        for sk in sorted(self.records.get(pk, {}), reverse=newest_first):
            if sk.startswith(prefix) and (before is None or sk < before):
                yield copied(self.records[pk][sk])

    def overdue(self, shard: str, before: int) -> Iterable[Record]:
        """What the index has before then."""
        found = [
            one
            for partition in self.records.values()
            for one in partition.values()
            if one.get("gsi1pk") == shard and one["gsi1sk"] < before
        ]
        for one in sorted(found, key=lambda one: one["gsi1sk"]):
            yield {name: one[name] for name in ("pk", "sk", "gsi1pk", "gsi1sk")}

    def everywhere(self, sk: str) -> Iterable[Record]:
        """Who has a record of this sort key."""
        for pk in list(self.records):
            if sk in self.records[pk]:
                yield {"pk": pk, "sk": sk}

    def transact(self, writes: Sequence[Write]) -> None:
        """All or none; the first refusal counts."""
        for write in writes:
            try:
                self._check(write.key, write.condition, write.values, write.names)
            except ConditionFailed as failed:
                raise write.refusal(failed.record) from None
        for write in writes:
            if write.action == "Put":
                self._store(write.key, normal({**write.key, **(write.record or {})}))
            elif write.action == "Update":
                self._updated(write.key, write.update or "", write.values, write.names)
            elif write.action == "Delete":
                self.delete(write.key)

    def _check(self, key: Key, condition: str | None, values: Values | None, names: Names | None) -> None:
        stored = self.records.get(key["pk"], {}).get(key["sk"])
        if condition and not _condition(condition)(stored or {}, normal(values or {}), names or {}):
            raise ConditionFailed(copied(stored or {}))

    def _store(self, key: Key, record: Item) -> None:
        self.records.setdefault(key["pk"], {})[key["sk"]] = record

    def _updated(self, key: Key, update: str, values: Values | None, names: Names | None) -> Item:
        before = self.records.get(key["pk"], {}).get(key["sk"]) or {"pk": key["pk"], "sk": key["sk"]}
        after, given, named = copied(before), normal(values or {}), names or {}
        for verb, path, value in _changes(update):
            place, last = _place(after, path, named)
            if verb == "REMOVE":
                place.pop(last, None)
            elif verb == "SET":
                place[last] = copied(value(before, given, named))
            else:
                kept = set(place.get(last, ()))
                kept = (
                    kept | value(before, given, named)
                    if verb == "ADD"
                    else kept - value(before, given, named)
                )
                place[last] = kept
                if not kept:
                    del place[last]
        self._store(key, after)
        return after


def normal(value: Any) -> Any:
    """As it would come back from DynamoDB: nothing is None, tuples are lists."""
    if isinstance(value, dict):
        return {name: normal(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [normal(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def copied(value: Any) -> Any:
    """A copy that shares nothing that can be changed."""
    if isinstance(value, dict):
        return {name: copied(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [copied(inner) for inner in value]
    return set(value) if isinstance(value, set) else value


@cache
def _condition(text: str) -> Test:
    tokens = _tokens(text)
    test = _any_of(tokens)
    assert not tokens, f"cannot read {text!r}"
    return test


@cache
def _changes(text: str) -> list[tuple[str, str, Test]]:
    tokens, verb = _tokens(text), ""
    found: list[tuple[str, str, Test]] = []
    while tokens:
        if tokens[0] in ("SET", "REMOVE", "ADD", "DELETE"):
            verb = tokens.pop(0)
        elif tokens[0] == ",":
            tokens.pop(0)
        path = tokens.pop(0)
        if verb == "SET":
            assert tokens.pop(0) == "="
        found.append((verb, path, _sum(tokens) if verb != "REMOVE" else lambda *_: None))
    return found


def _tokens(text: str) -> list[str]:
    found, place = [], 0
    while place < len(text.rstrip()):
        match = _TOKEN.match(text, place)
        assert match, f"cannot read {text[place:]!r}"
        found.append(match[1])
        place = match.end()
    return found


def _any_of(tokens: list[str]) -> Test:
    parts = [_all_of(tokens)]
    while tokens and tokens[0] == "OR":
        tokens.pop(0)
        parts.append(_all_of(tokens))
    return lambda *given: any(part(*given) for part in parts)


def _all_of(tokens: list[str]) -> Test:
    parts = [_not(tokens)]
    while tokens and tokens[0] == "AND":
        tokens.pop(0)
        parts.append(_not(tokens))
    return lambda *given: all(part(*given) for part in parts)


def _not(tokens: list[str]) -> Test:
    if tokens[0] == "NOT":
        tokens.pop(0)
        test = _not(tokens)
        return lambda *given: not test(*given)
    if tokens[0] == "(":
        tokens.pop(0)
        test = _any_of(tokens)
        assert tokens.pop(0) == ")"
        return test
    if tokens[0] in ("attribute_exists", "attribute_not_exists"):
        wanted = tokens.pop(0) == "attribute_exists"
        path = _argument(tokens)
        return lambda item, _, names: (_value(item, path, names) is not _MISSING) is wanted
    left = _sum(tokens)
    if tokens[0] == "IN":
        return _one_of(left, tokens)
    compare = _COMPARE[tokens.pop(0)]
    right = _sum(tokens)

    def test_them(*given: Any) -> bool:
        one, other = left(*given), right(*given)
        if one is _MISSING or other is _MISSING:
            return compare is operator.ne
        return bool(compare(one, other))

    return test_them


def _one_of(left: Test, tokens: list[str]) -> Test:
    assert [tokens.pop(0), tokens.pop(0)] == ["IN", "("]
    options = [_sum(tokens)]
    while tokens.pop(0) == ",":
        options.append(_sum(tokens))
    return lambda *given: left(*given) in [option(*given) for option in options]


def _sum(tokens: list[str]) -> Test:
    left = _operand(tokens)
    if tokens and tokens[0] in "+-":
        add = tokens.pop(0) == "+"
        right = _operand(tokens)
        return lambda *given: left(*given) + right(*given) if add else left(*given) - right(*given)
    return left


def _operand(tokens: list[str]) -> Test:
    token = tokens.pop(0)
    if token.startswith(":"):
        return lambda _, values, __: values[token]
    if token == "size":
        path = _argument(tokens)
        return lambda item, _, names: (
            found if (found := _value(item, path, names)) is _MISSING else len(found)
        )
    if token in ("if_not_exists", "list_append"):
        assert tokens.pop(0) == "("
        first, _ = _operand(tokens), tokens.pop(0)
        second, _ = _operand(tokens), tokens.pop(0)
        if token == "list_append":
            return lambda *given: first(*given) + second(*given)
        return lambda *given: found if (found := first(*given)) is not _MISSING else second(*given)
    return lambda item, _, names: _value(item, token, names)


def _argument(tokens: list[str]) -> str:
    assert tokens.pop(0) == "("
    path = tokens.pop(0)
    assert tokens.pop(0) == ")"
    return path


def _steps(path: str, names: Names) -> list[Any]:
    steps: list[Any] = []
    for part in path.split("."):
        name, *places = part.replace("]", "").split("[")
        steps += [names.get(name, name), *map(int, places)]
    return steps


def _value(item: Item, path: str, names: Names) -> Any:
    found: Any = item
    for step in _steps(path, names):
        try:
            found = found[step]
        except (KeyError, IndexError):
            return _MISSING
    return found


def _place(item: Item, path: str, names: Names) -> tuple[Any, Any]:
    *way, last = _steps(path, names)
    place: Any = item
    for step in way:
        place = place[step]
    return place, last
