"""The table in a dictionary: answers like DynamoDB to the expressions the product writes, a hundred times faster.

Everything but the adapters is tested on it. `tests/support/compared_table.py` lets it answer beside moto and compares
the two: in the tests of the adapters, in random transactions and in random lives. What DynamoDB would refuse as
invalid, whatever is stored, is an `InvalidRequest` here.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

from enhancer.adapters.dynamodb.keys import Key
from enhancer.adapters.dynamodb.table import ConditionFailed, Record, Write

Item = dict[str, Any]
Values = dict[str, Any]
Names = dict[str, str]
Test = Callable[[Item, Values, Names], Any]

KEYS_MAX, WRITES_MAX = 100, 100
"""Keys of a batch of reads, writes of a transaction."""
DIGITS_MAX = 38
_TOKEN = re.compile(r"\s*(<>|<=|>=|[=<>(),+-]|:\w+|[#\w][\w#.\[\]]*)")
_CLAUSES = ("SET", "REMOVE", "ADD", "DELETE")
_OPERATORS = {"AND", "OR", "NOT", "IN", "BETWEEN", *_CLAUSES}
_FUNCTIONS = {"attribute_exists", "attribute_not_exists", "size", "if_not_exists", "list_append"}
_COMPARE = {
    "=": operator.eq, "<>": operator.ne, "<": operator.lt,
    "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_MISSING = object()
_PLAIN = (str, int, float, bool)


PK_BYTES_MAX, SK_BYTES_MAX = 2048, 1024
"""Longest keys that DynamoDB takes."""


class InvalidRequest(Exception):
    """DynamoDB would refuse this with a ValidationException, or boto3 before it is sent."""


class MemoryTable:
    """Speaks like `enhancer.adapters.dynamodb.table.Table`."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Item]] = {}

    def records(self) -> list[Record]:
        """Everything there is."""
        return [copied(record) for partition in self.stored.values() for record in partition.values()]

    def get(self, key: Key) -> Record | None:
        """The record."""
        found = self._at(key)
        return copied(found) if found is not None else None

    def get_many(self, keys: Sequence[Key]) -> list[Record | None]:
        """The records, in this order."""
        _valid(0 < len(keys) <= KEYS_MAX, f"{len(keys)} keys at once")
        _valid(len({_place_of(key) for key in keys}) == len(keys), "a key twice")
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
        self._store(checked(normal(record)))

    def update(
        self,
        key: Key,
        update: str,
        *,
        values: Values | None = None,
        names: Names | None = None,
        condition: str | None = None,
        old: bool = False,
    ) -> Record:
        """Change it, if the condition holds."""
        self._check(key, condition, values, names, update)
        before, after = self._at(key) or {}, self._updated(key, update, values, names)
        self._store(after)
        return copied(before if old else after)

    def delete(self, key: Key) -> None:
        """Remove it."""
        pk, sk = _place_of(key)
        self.stored.get(pk, {}).pop(sk, None)

    def delete_if(self, key: Key, condition: str, values: Values) -> bool:
        """Remove it, if the condition holds; whether it did."""
        try:
            self._check(key, condition, values, None)
        except ConditionFailed:
            return False
        self.delete(key)
        return True

    def take(self, key: Key, condition: str, values: Values) -> Record | None:
        """Remove it, if the condition holds, and return it."""
        found = self.get(key)
        return found if self.delete_if(key, condition, values) else None

    def under(
        self, pk: str, prefix: str = "", *, newest_first: bool = False, before: str | None = None
    ) -> Iterable[Record]:
        """What a partition has under a prefix."""
        assert before is None or newest_first, "nobody reads on from the oldest"
        _valid(len(pk.encode()) <= PK_BYTES_MAX, "partition key too long")
        _valid(len((before or prefix).encode()) <= SK_BYTES_MAX, "sort key too long")
        for sk, record in sorted(self.stored.get(pk, {}).items(), reverse=newest_first):
            if sk.startswith(prefix) and (before is None or sk < before):
                yield copied(record)

    def overdue(self, shard: str, before: int) -> Iterable[Record]:
        """What the index has before then."""
        found = [
            one
            for partition in self.stored.values()
            for one in partition.values()
            if one.get("gsi1pk") == shard and "gsi1sk" in one and one["gsi1sk"] < before
        ]
        for one in sorted(found, key=lambda one: one["gsi1sk"]):
            yield {name: one[name] for name in ("pk", "sk", "gsi1pk", "gsi1sk")}

    def everywhere(self, sk: str) -> Iterable[Record]:
        """Who has a record of this sort key."""
        for pk in list(self.stored):
            if sk in self.stored[pk]:
                yield {"pk": pk, "sk": sk}

    def transact(self, writes: Sequence[Write]) -> None:
        """All or none; the first refusal counts."""
        _valid(0 < len(writes) <= WRITES_MAX, f"{len(writes)} writes at once")
        _valid(len({_place_of(write.key) for write in writes}) == len(writes), "two writes to one record")
        for write in writes:
            _valid(bool(write.update) == (write.action == "Update"), "an update without its expression")
            _valid(bool(write.condition) or write.action != "ConditionCheck", "a check of nothing")
            _check_request(write.condition, write.update, write.values, write.names)
        for write in writes:
            try:
                self._check(write.key, write.condition, write.values, write.names, write.update)
            except ConditionFailed as failed:
                raise write.refusal(failed.record) from None
        after = []
        for write in writes:
            if write.action == "Put":
                after.append(checked(normal({**write.key, **(write.record or {})})))
            elif write.action == "Update":
                after.append(self._updated(write.key, write.update or "", write.values, write.names))
        for record in after:
            self._store(record)
        for write in writes:
            if write.action == "Delete":
                self.delete(write.key)

    def _at(self, key: Key) -> Item | None:
        pk, sk = _place_of(key)
        return self.stored.get(pk, {}).get(sk)

    def _check(
        self,
        key: Mapping[str, Any],
        condition: str | None,
        values: Values | None,
        names: Names | None,
        update: str | None = None,
    ) -> None:
        _check_request(condition, update, values, names)
        stored = self.stored.get(key["pk"], {}).get(key["sk"])
        if condition and not _condition(condition)(stored or {}, normal(values or {}), names or {}):
            raise ConditionFailed(copied(stored or {}))

    def _store(self, record: Item) -> None:
        self.stored.setdefault(record["pk"], {})[record["sk"]] = record

    def _updated(self, key: Key, update: str, values: Values | None, names: Names | None) -> Item:
        before = self._at(key) or {"pk": key["pk"], "sk": key["sk"]}
        after, given, named = copied(before), normal(values or {}), names or {}
        for verb, path, value in _changes(update):
            place, last = _place(after, path, named)
            if verb == "REMOVE":
                place.pop(last, None)
            elif verb == "SET":
                place[last] = copied(value(before, given, named))
            else:
                _add(place, last, value(before, given, named), remove=verb == "DELETE")
        _valid(after["pk"] == key["pk"] and after["sk"] == key["sk"], "a key cannot be changed")
        return checked(after)


def _add(place: Item, name: str, value: Any, *, remove: bool) -> None:
    """ADD and DELETE: a number is added; texts are put into a set or taken out of it, and an empty set is gone."""
    if not remove and _kind(value) == "number":
        place[name] = place.get(name, 0) + value
        return
    kept = place.get(name, set())
    _valid(_kind(kept) == _kind(value) == "set", f"{name} is no set")
    kept = kept - value if remove else kept | value
    place.pop(name, None)
    if kept:
        place[name] = kept


def normal(value: Any) -> Any:
    """As it would come back from DynamoDB: nothing is None, tuples are lists, whole numbers are int."""
    if isinstance(value, dict):
        _valid(all(isinstance(name, str) for name in value), "a name that is no text")
        return {
            name: inner if type(inner) is str else normal(inner)
            for name, inner in value.items()
            if inner is not None
        }
    if isinstance(value, list | tuple):
        return [normal(inner) for inner in value]
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int):
        _valid(abs(value) < 10**DIGITS_MAX, "a number that is too long")
        return value
    if isinstance(value, float):
        _valid(math.isfinite(value), "no number")
        return int(value) if value.is_integer() else value
    _valid(isinstance(value, set) and bool(value), f"cannot be stored: {type(value)}")
    _valid(all(isinstance(one, str) for one in value), "a set of anything but texts")
    return set(value)


def checked(record: Item) -> Item:
    """The record, if its keys and those of the index are such that DynamoDB takes it."""
    _place_of(record)
    if "gsi1pk" in record:
        _valid(isinstance(record["gsi1pk"], str) and bool(record["gsi1pk"]), "gsi1pk is a text")
    if "gsi1sk" in record:
        _valid(_kind(record["gsi1sk"]) == "number", "gsi1sk is a number")
    return record


def copied(value: Any) -> Any:
    """A copy that shares nothing that can be changed."""
    if isinstance(value, dict):
        return {name: inner if type(inner) in _PLAIN else copied(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [copied(inner) for inner in value]
    return set(value) if isinstance(value, set) else value


def _valid(fine: bool, problem: str) -> None:  # noqa: FBT001 - reads like assert
    if not fine:
        raise InvalidRequest(problem)


def _place_of(key: Mapping[str, Any]) -> tuple[str, str]:
    pk, sk = key.get("pk"), key.get("sk")
    if not (isinstance(pk, str) and pk and isinstance(sk, str) and sk):
        raise InvalidRequest(f"no key: {key!r}")
    _valid(len(pk.encode()) <= PK_BYTES_MAX, "partition key too long")
    _valid(len(sk.encode()) <= SK_BYTES_MAX, "sort key too long")
    return pk, sk


def _kind(value: Any) -> str:
    """What DynamoDB takes it for; it never finds two of different kinds equal or one below the other."""
    if isinstance(value, bool):
        return "flag"
    return "number" if isinstance(value, int | float) else type(value).__name__


def _check_request(
    condition: str | None, update: str | None, values: Values | None, names: Names | None
) -> None:
    given = tuple(sorted(name for name, value in (values or {}).items() if value is not None))
    problem = _problem(condition or "", update or "", given, tuple(sorted((names or {}).items())))
    _valid(not problem, problem)


@cache
def _problem(condition: str, update: str, given: tuple[str, ...], names: tuple[tuple[str, str], ...]) -> str:
    """Why DynamoDB refuses these expressions whatever is stored; an empty text if it does not."""
    tokens = _tokens(condition) + _tokens(update)
    used = {token for token in tokens if token.startswith(":")}
    if used != set(given):
        return f"values used: {sorted(used)}, given: {sorted(given)}"
    parts = {
        part.partition("[")[0]
        for token in tokens
        if re.match(r"[#\w]", token) and token not in _OPERATORS | _FUNCTIONS
        for part in token.split(".")
    }
    used_names = {part for part in parts if part.startswith("#")}
    if used_names != {name for name, _ in names}:
        return f"names used: {sorted(used_names)}, given: {sorted(names)}"
    reserved = {part for part in parts if part.upper() in ReservedKeywords.get_reserved_keywords()}
    if reserved:
        return f"reserved words: {sorted(reserved)}"
    clauses = [token for token in _tokens(update) if token in _CLAUSES]
    if len(set(clauses)) < len(clauses):
        return f"a clause twice: {update}"
    paths = [tuple(_steps(path, dict(names))) for _, path, _ in _changes(update)]
    if any(
        one == other[: len(one)]
        for place, one in enumerate(paths)
        for other in paths[:place] + paths[place + 1 :]
    ):
        return f"paths overlap: {update}"
    return ""


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
        if tokens[0] in _CLAUSES:
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
    if tokens[0] == "BETWEEN":
        return _between(left, tokens)
    compare = _COMPARE[tokens.pop(0)]
    right = _sum(tokens)

    def test_them(*given: Any) -> bool:
        one, other = left(*given), right(*given)
        if one is _MISSING or other is _MISSING:
            return compare is operator.ne
        if _kind(one) != _kind(other):
            _valid(compare in (operator.eq, operator.ne), "two kinds of values in an order")
            return compare is operator.ne
        return bool(compare(one, other))

    return test_them


def _between(left: Test, tokens: list[str]) -> Test:
    tokens.pop(0)
    low = _sum(tokens)
    assert tokens.pop(0) == "AND"
    high = _sum(tokens)

    def test_it(*given: Any) -> bool:
        found, lowest, highest = left(*given), low(*given), high(*given)
        if _MISSING in (found, lowest, highest) or len({_kind(found), _kind(lowest), _kind(highest)}) > 1:
            return False
        return bool(lowest <= found <= highest)

    return test_it


def _one_of(left: Test, tokens: list[str]) -> Test:
    assert [tokens.pop(0), tokens.pop(0)] == ["IN", "("]
    options = [_sum(tokens)]
    while tokens.pop(0) == ",":
        options.append(_sum(tokens))

    def test_it(*given: Any) -> bool:
        found = left(*given)
        return any(
            _kind(one) == _kind(found) and one == found for one in (option(*given) for option in options)
        )

    return test_it


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
        return _size(_argument(tokens))
    if token in ("if_not_exists", "list_append"):
        assert tokens.pop(0) == "("
        first, _ = _operand(tokens), tokens.pop(0)
        second, _ = _operand(tokens), tokens.pop(0)
        if token == "list_append":
            return lambda *given: first(*given) + second(*given)
        return lambda *given: found if (found := first(*given)) is not _MISSING else second(*given)
    return lambda item, _, names: _value(item, token, names)


def _size(path: str) -> Test:
    def size(item: Item, _: Values, names: Names) -> int:
        found = _value(item, path, names)
        _valid(found is not _MISSING, "the size of nothing")
        return len(found)

    return size


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
